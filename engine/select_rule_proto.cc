#include "engine/select_rule_proto.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
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

}  // namespace

absl::Status ReadSelectRule(const v1::SelectRule& proto, const std::string& path,
                            sampling::SelectRule* rule) {
  SUBSET_RETURN_IF_ERROR(
      ReadEnum(absl::StrCat(path, ".kind"), proto.kind(), kRuleKinds, &rule->kind));
  const auto read = [&](const char* name, double value, std::initializer_list<Kind> kinds,
                        auto* number) -> absl::Status {
    const bool owned = std::find(kinds.begin(), kinds.end(), rule->kind) != kinds.end();
    if (owned) {
      *number = value;
      return absl::OkStatus();
    }
    if (value == 0) return absl::OkStatus();
    return InvalidField(
        absl::StrCat(path, ".", name),
        absl::StrCat("is set, but ", v1::SelectRule::Kind_Name(proto.kind()), " does not read it"));
  };
  const auto counted = {Kind::kTop, Kind::kTopAndUniform, Kind::kProportional};
  const auto shared = {Kind::kTop, Kind::kTopAndUniform, Kind::kProportional, Kind::kKeepFraction};
  SUBSET_RETURN_IF_ERROR(read("count", proto.count(), counted, &rule->count));
  SUBSET_RETURN_IF_ERROR(read("uniform", proto.uniform(), {Kind::kTopAndUniform}, &rule->uniform));
  SUBSET_RETURN_IF_ERROR(read("keep", proto.keep(), shared, &rule->keep));
  SUBSET_RETURN_IF_ERROR(
      read("uniform_share", proto.uniform_share(), {Kind::kTopAndUniform}, &rule->uniform_share));
  SUBSET_RETURN_IF_ERROR(read("alpha", proto.alpha(), {Kind::kProportional}, &rule->alpha));
  SUBSET_RETURN_IF_ERROR(read("floor", proto.floor(), {Kind::kProportional}, &rule->floor));
  SUBSET_RETURN_IF_ERROR(read("beta", proto.beta(), {Kind::kKeepProbability}, &rule->beta));
  SUBSET_RETURN_IF_ERROR(read("least", proto.least(), {Kind::kKeepProbability}, &rule->least));
  if (rule->alpha == 0) rule->alpha = 1;
  if (rule->beta == 0) rule->beta = 1;
  return absl::OkStatus();
}

void WriteSelectRule(const sampling::SelectRule& rule, v1::SelectRule* proto) {
  proto->set_kind(WriteEnum(rule.kind, kRuleKinds));
  proto->set_count(rule.count);
  proto->set_uniform(rule.uniform);
  proto->set_keep(rule.keep);
  proto->set_uniform_share(rule.uniform_share);
  if (rule.kind == Kind::kProportional) {
    proto->set_alpha(rule.alpha);
    proto->set_floor(rule.floor);
  } else if (rule.kind == Kind::kKeepProbability) {
    proto->set_beta(rule.beta);
    proto->set_least(rule.least);
  }
}

}  // namespace subset
