#include "sampling/select_rule.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "sampling/resolve.h"
#include "sampling/spec.h"
#include "sampling/spec_numbers.h"

namespace subset::sampling {
namespace {

using Kind = SelectRule::Kind;

// How many: a number or a share.
absl::Status ResolveCount(const SelectRule& given, SelectRule* resolved) {
  const bool parts = given.kind == Kind::kTopAndUniform;
  if (given.count == 0 && given.keep != 0) {
    resolved->keep = given.keep;
    SUBSET_RETURN_IF_ERROR(CheckRange("select.keep", given.keep, kFraction));
    if (given.uniform != 0) {
      return InvalidField("select.uniform",
                          "is set beside select.keep, which goes with "
                          "select.uniform_share");
    }
    if (!parts) return absl::OkStatus();
    resolved->uniform_share = given.uniform_share;
    return CheckRange("select.uniform_share", given.uniform_share, Interval{0, 1, true, true});
  }
  if (given.keep != 0) {
    return InvalidField("select.keep", "is set beside select.count: either a number or a share");
  }
  resolved->count = given.count;
  SUBSET_RETURN_IF_ERROR(CheckRange(
      "select.count", given.count, given.count >= 1 && given.count <= kMaxPool,
      absl::StrCat("[1, ", kMaxPool, "]",
                   given.count == 0 ? ", and select.keep is not set in its place" : "")));
  if (!parts) return absl::OkStatus();
  if (given.uniform_share != 0) {
    return InvalidField("select.uniform_share",
                        "is set beside select.count, which goes with select.uniform");
  }
  resolved->uniform = given.uniform;
  return CheckRange("select.uniform", given.uniform,
                    given.uniform >= 1 && given.uniform < given.count,
                    absl::StrCat("[1, ", given.count, "), the part of select.count = ", given.count,
                                 " that is not of the largest"));
}

}  // namespace

absl::Status ResolveSelectRule(SelectRule* rule) {
  const SelectRule& given = *rule;
  SelectRule resolved;
  resolved.kind = given.kind;
  using R = SelectRule;
  const auto keep = [&](auto... fields) { CopyFields(given, &resolved, fields...); };
  if (given.counts()) SUBSET_RETURN_IF_ERROR(ResolveCount(given, &resolved));
  switch (given.kind) {
    case Kind::kTop:
    case Kind::kTopAndUniform:
      break;
    case Kind::kProportional:
      keep(&R::alpha, &R::floor);
      SUBSET_RETURN_IF_ERROR(CheckRange("select.alpha", given.alpha, kExponent));
      SUBSET_RETURN_IF_ERROR(CheckRange("select.floor", given.floor, kUnit));
      break;
    case Kind::kKeepProbability:
      keep(&R::beta, &R::least);
      SUBSET_RETURN_IF_ERROR(CheckRange("select.beta", given.beta, kExponent));
      SUBSET_RETURN_IF_ERROR(CheckRange("select.least", given.least, kUnit));
      break;
    case Kind::kKeepFraction:
      keep(&R::keep);
      SUBSET_RETURN_IF_ERROR(CheckRange("select.keep", given.keep, kFraction));
      break;
  }
  *rule = resolved;
  return absl::OkStatus();
}

SelectRule RuleForPool(SelectRule rule, uint64_t pool) {
  if (!rule.counts() || rule.count > 0) return rule;
  const uint64_t least = std::min<uint64_t>(pool, rule.kind == Kind::kTopAndUniform ? 2 : 1);
  rule.count = static_cast<uint32_t>(std::max(least, FloorFraction(rule.keep, pool)));
  if (rule.kind == Kind::kTopAndUniform && rule.count > 1) {
    rule.uniform = static_cast<uint32_t>(
        std::clamp<uint64_t>(FloorFraction(rule.uniform_share, rule.count), 1, rule.count - 1));
  }
  return rule;
}

SelectRule UniformRule(const SelectRule& rule, uint64_t pool) {
  SelectRule uniform;
  uniform.kind = Kind::kTopAndUniform;
  uniform.count = uniform.uniform = RuleForPool(rule, pool).count;
  return uniform;
}

}  // namespace subset::sampling
