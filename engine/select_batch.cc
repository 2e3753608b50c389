#include "engine/select_batch.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "engine/feedback.h"
#include "engine/select_rule_proto.h"
#include "sampling/select.h"

namespace subset {
namespace {

// The sampling room calls the rule "select"; the request, "rule".
absl::Status InRequest(const absl::Status& status) {
  const std::optional<std::string> field = ErrorField(status);
  if (!field.has_value() || !absl::StartsWith(*field, "select.")) return status;
  const absl::string_view name = absl::StripPrefix(*field, "select.");
  return WithReason(
      WithField(absl::Status(status.code(),
                             absl::StrReplaceAll(status.message(), {{"select.", "rule."}})),
                absl::StrCat("rule.", name)),
      ErrorReason(status).value_or("INVALID_FIELD"));
}

absl::Status CheckFloats(absl::string_view field, const std::string& bytes) {
  if (bytes.size() % sizeof(float) == 0 && bytes.size() / sizeof(float) <= kMaxBatchSize) {
    return absl::OkStatus();
  }
  return InvalidField(field, absl::StrCat("has ", bytes.size(), " bytes: not at most ",
                                          kMaxBatchSize, " floats of 4 bytes"));
}

absl::StatusOr<sampling::SelectRule> OwnRule(const v1::SelectRule& proto) {
  sampling::SelectRule rule;
  SUBSET_RETURN_IF_ERROR(ReadSelectRule(proto, "rule", &rule));
  const absl::Status resolved = sampling::ResolveSelectRule(&rule);
  if (!resolved.ok()) return InRequest(resolved);
  return rule;
}

// The scores less what is irreducible of each candidate; one that has no such loss keeps its score.
std::vector<float> Reducible(std::vector<float> scores, const std::vector<uint32_t>& candidates,
                             const SelectTerms& terms) {
  if (terms.irreducible.chunks.empty()) return scores;
  const bool not_negative = terms.rule.kind == sampling::SelectRule::Kind::kProportional;
  for (size_t i = 0; i < scores.size(); ++i) {
    const double irreducible = terms.irreducible.At(candidates[i]);
    if (!std::isfinite(irreducible)) continue;
    scores[i] -= static_cast<float>(irreducible);
    if (not_negative) scores[i] = std::max(0.0f, scores[i]);
  }
  return scores;
}

v1::ProbabilityKind KindOf(sampling::SelectRule::Kind rule) {
  if (rule == sampling::SelectRule::Kind::kKeepFraction) {
    return v1::PROBABILITY_KIND_UNSPECIFIED;  // it has no probabilities
  }
  return rule == sampling::SelectRule::Kind::kProportional ? v1::PROBABILITY_KIND_PER_DRAW
                                                           : v1::PROBABILITY_KIND_INCLUSION_BATCH;
}

template <typename T>
void Append(T value, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace

absl::Status CheckSelect(const v1::SelectRequest& request) {
  SUBSET_RETURN_IF_ERROR(CheckFloats("scores", request.scores()));
  SUBSET_RETURN_IF_ERROR(CheckFloats("history", request.history()));
  if (request.uniformly() && !request.scores().empty()) {
    return InvalidField("scores", "is set beside uniformly, which looks at none");
  }
  return request.has_rule() ? OwnRule(request.rule()).status() : absl::OkStatus();
}

absl::StatusOr<SelectTerms> TermsOf(const v1::SelectRequest& request, const Epoch& epoch,
                                    uint64_t position, uint32_t global_batch_size) {
  SelectTerms terms;
  if (request.has_rule()) {
    SUBSET_ASSIGN_OR_RETURN(terms.rule, OwnRule(request.rule()));
    return terms;
  }
  const sampling::SamplerSpec& spec = epoch.sampler->spec;
  if (!spec.select.has_value()) {
    return InvalidField("rule", absl::StrCat("is not set, and sampler \"",
                                             epoch.sampler->proto.name(), "\" has none either"));
  }
  // Only schedules move the numbers.
  const uint64_t step = epoch.opened.first_step() + position / global_batch_size;
  terms.rule =
      spec.schedules.empty() ? *spec.select : *sampling::SpecAt(spec, epoch.number(), step).select;
  if (!spec.preference.irreducible.empty()) {
    terms.irreducible = epoch.columns.at(spec.preference.irreducible)->view();
  }
  return terms;
}

absl::StatusOr<v1::Batch> SelectFrom(const v1::Batch& pool, const v1::SelectRequest& request,
                                     const SelectTerms& terms, uint64_t seed) {
  const std::vector<uint32_t> candidates = DecodeValues<uint32_t>(pool.indices());
  std::vector<float> scores = DecodeValues<float>(request.scores());
  if (request.uniformly()) scores.assign(candidates.size(), 0);
  if (scores.size() != candidates.size()) {
    return InvalidField("scores", absl::StrCat("has ", scores.size(), " values; the pool has ",
                                               candidates.size(), " samples"));
  }
  if (pool.padding() > 0) return pool;  // nothing in it counts
  for (size_t i = 0; i < scores.size(); ++i) {
    if (std::isfinite(scores[i])) continue;
    return InvalidField(absl::StrCat("scores[", i, "]"), absl::StrCat(scores[i], " is not finite"));
  }
  if (!request.history().empty() && !terms.irreducible.chunks.empty()) {
    return InvalidField("history",
                        "is set, but the sampler subtracts irreducible losses from the scores, and "
                        "nobody could from these: leave it empty for the percentiles of the pool");
  }
  sampling::SelectRule rule = terms.rule;
  if (request.uniformly()) {
    if (!rule.counts()) {
      return InvalidField("uniformly",
                          "is set, but the rule keeps no number; TOP, TOP_AND_UNIFORM and "
                          "PROPORTIONAL do");
    }
    rule = sampling::UniformRule(rule, candidates.size());
  } else {
    scores = Reducible(std::move(scores), candidates, terms);
  }
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
  batch.set_pool_samples(static_cast<uint32_t>(candidates.size()));
  for (size_t k = 0; k < selection->chosen.size(); ++k) {
    const uint32_t place = selection->chosen[k];
    Append(place, batch.mutable_places());
    Append(candidates[place], batch.mutable_indices());
    Append(weights[place] * selection->factors[k], batch.mutable_weights());
  }
  for (const double probability : selection->probabilities) {
    Append(probability, batch.mutable_probabilities());
  }
  batch.set_probability_kind(KindOf(rule.kind));
  if (!selection->unbiased) batch.set_unbiased_over(v1::UNBIASED_OVER_NOTHING);
  return batch;
}

}  // namespace subset
