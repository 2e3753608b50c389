#include "engine/select_batch.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "engine/feedback.h"
#include "engine/spec_enums.h"

namespace subset {
namespace {

using Kind = sampling::SelectRule::Kind;

constexpr EnumPair<v1::SelectRule::Kind, Kind> kRuleKinds[] = {
    {v1::SelectRule::TOP, Kind::kTop},
    {v1::SelectRule::TOP_AND_UNIFORM, Kind::kTopAndUniform},
    {v1::SelectRule::PROPORTIONAL, Kind::kProportional},
    {v1::SelectRule::KEEP_PROBABILITY, Kind::kKeepProbability},
    {v1::SelectRule::KEEP_FRACTION, Kind::kKeepFraction},
};

// The sampling room calls the rule "select"; the request, "rule".
absl::Status InRequest(const absl::Status& status) {
  const std::optional<std::string> field = ErrorField(status);
  if (!field.has_value() || !absl::StartsWith(*field, "select.")) return status;
  const absl::string_view name = absl::StripPrefix(*field, "select.");
  const absl::string_view message = absl::StripPrefix(status.message(), "select.");
  return WithReason(WithField(absl::Status(status.code(), absl::StrCat("rule.", message)),
                              absl::StrCat("rule.", name)),
                    ErrorReason(status).value_or("INVALID_FIELD"));
}

absl::Status CheckFloats(absl::string_view field, const std::string& bytes, size_t most) {
  if (bytes.size() % sizeof(float) == 0 && bytes.size() / sizeof(float) <= most) {
    return absl::OkStatus();
  }
  return InvalidField(field, absl::StrCat("has ", bytes.size(), " bytes: not at most ", most,
                                          " floats of 4 bytes"));
}

}  // namespace

absl::StatusOr<sampling::SelectRule> ReadSelectRule(const v1::SelectRequest& request) {
  const v1::SelectRule& proto = request.rule();
  sampling::SelectRule rule;
  SUBSET_RETURN_IF_ERROR(ReadEnum("rule.kind", proto.kind(), kRuleKinds, &rule.kind));
  const auto read = [&](const char* name, double value, std::initializer_list<Kind> kinds,
                        auto* number) -> absl::Status {
    const bool owned = std::find(kinds.begin(), kinds.end(), rule.kind) != kinds.end();
    if (owned) {
      *number = value;
      return absl::OkStatus();
    }
    if (value == 0) return absl::OkStatus();
    return InvalidField(
        absl::StrCat("rule.", name),
        absl::StrCat("is set, but ", v1::SelectRule::Kind_Name(proto.kind()), " does not read it"));
  };
  SUBSET_RETURN_IF_ERROR(read("count", proto.count(),
                              {Kind::kTop, Kind::kTopAndUniform, Kind::kProportional},
                              &rule.count));
  SUBSET_RETURN_IF_ERROR(read("uniform", proto.uniform(), {Kind::kTopAndUniform}, &rule.uniform));
  SUBSET_RETURN_IF_ERROR(read("alpha", proto.alpha(), {Kind::kProportional}, &rule.alpha));
  SUBSET_RETURN_IF_ERROR(read("floor", proto.floor(), {Kind::kProportional}, &rule.floor));
  SUBSET_RETURN_IF_ERROR(read("beta", proto.beta(), {Kind::kKeepProbability}, &rule.beta));
  SUBSET_RETURN_IF_ERROR(read("least", proto.least(), {Kind::kKeepProbability}, &rule.least));
  SUBSET_RETURN_IF_ERROR(read("keep", proto.keep(), {Kind::kKeepFraction}, &rule.keep));
  if (rule.alpha == 0) rule.alpha = 1;
  if (rule.beta == 0) rule.beta = 1;
  const absl::Status resolved = sampling::ResolveSelectRule(&rule);
  if (!resolved.ok()) return InRequest(resolved);
  SUBSET_RETURN_IF_ERROR(CheckFloats("scores", request.scores(), kMaxBatchSize));
  SUBSET_RETURN_IF_ERROR(CheckFloats("history", request.history(), kMaxBatchSize));
  if (!request.history().empty() && rule.kind != Kind::kKeepProbability) {
    return InvalidField("history", "is set, but only KEEP_PROBABILITY reads it");
  }
  return rule;
}

absl::StatusOr<v1::Batch> SelectFrom(const v1::Batch& pool, const v1::SelectRequest& request,
                                     const sampling::SelectRule& rule, uint64_t seed) {
  const std::vector<uint32_t> candidates = DecodeValues<uint32_t>(pool.indices());
  const std::vector<float> scores = DecodeValues<float>(request.scores());
  if (scores.size() != candidates.size()) {
    return InvalidField("scores", absl::StrCat("has ", scores.size(), " values; the pool has ",
                                               candidates.size(), " samples"));
  }
  if (pool.padding() > 0) return pool;  // nothing in it counts
  const absl::StatusOr<sampling::Selection> selection =
      sampling::Select(rule, {seed, pool.sampler_version(), pool.epoch()}, pool.position(), scores,
                       DecodeValues<float>(request.history()));
  if (!selection.ok()) return InRequest(selection.status());
  std::vector<float> weights = DecodeValues<float>(pool.weights());
  if (weights.empty()) weights.assign(candidates.size(), pool.weight());

  v1::Batch batch = pool;
  batch.clear_indices();
  batch.clear_probability();
  batch.clear_probabilities();
  batch.clear_weight();
  batch.clear_weights();
  const auto append = [](const auto& value, std::string* bytes) {
    bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  for (size_t k = 0; k < selection->chosen.size(); ++k) {
    const uint32_t place = selection->chosen[k];
    append(candidates[place], batch.mutable_indices());
    append(weights[place] * selection->factors[k], batch.mutable_weights());
  }
  for (const double probability : selection->probabilities) {
    append(probability, batch.mutable_probabilities());
  }
  if (selection->probabilities.empty()) {
    batch.set_probability_kind(v1::PROBABILITY_KIND_UNSPECIFIED);
  } else {
    batch.set_probability_kind(rule.kind == Kind::kProportional
                                   ? v1::PROBABILITY_KIND_PER_DRAW
                                   : v1::PROBABILITY_KIND_INCLUSION_BATCH);
  }
  if (!selection->unbiased) batch.set_unbiased_over(v1::UNBIASED_OVER_NOTHING);
  return batch;
}

}  // namespace subset
