#include "engine/learned_shares.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <type_traits>
#include <utility>

#include "base/status_macros.h"
#include "engine/feedback.h"
#include "engine/spec_enums.h"

namespace subset {
namespace {

constexpr char kLoss[] = "loss";

// The proportion with its numbers as they are in the epoch.
sampling::Proportion ProportionOf(const Epoch& epoch) {
  return sampling::SpecAt(epoch.sampler->spec, epoch.opened.epoch(), epoch.opened.first_step())
      .proportion;
}

std::vector<uint64_t> SizesOf(const Epoch& epoch) {
  return {epoch.opened.group_sizes().begin(), epoch.opened.group_sizes().end()};
}

template <typename T>
T ValueAt(const sampling::ColumnView& view, uint64_t i) {
  T value{};
  sampling::VisitType(view.type, [&](const auto* type) {
    using Stored = std::remove_cv_t<std::remove_pointer_t<decltype(type)>>;
    const auto* chunk = static_cast<const Stored*>(view.chunks[i / sampling::kChunkSamples]);
    value = static_cast<T>(chunk[i % sampling::kChunkSamples]);
  });
  return value;
}

}  // namespace

LearnedShares::LearnedShares(sampling::Proportion proportion, std::vector<uint64_t> sizes)
    : proportion_(std::move(proportion)), sizes_(std::move(sizes)), weights_(sizes_.size()) {}

LearnedShares::LearnedShares(const Epoch& epoch)
    : LearnedShares(ProportionOf(epoch), SizesOf(epoch)) {}

absl::StatusOr<LearnedShares> LearnedShares::Restore(const Epoch& epoch,
                                                     const std::string& weights) {
  LearnedShares restored(epoch);
  SUBSET_ASSIGN_OR_RETURN(restored.weights_,
                          sampling::GroupWeights::Parse(weights, restored.sizes_.size()));
  return restored;
}

void LearnedShares::Save(log::v1::LearnedState* state) const {
  state->set_weights(Save());
  state->set_kind(WriteEnum(proportion_.kind, kProportionKinds));
  state->set_column(proportion_.column);
  *state->mutable_group_sizes() = {sizes_.begin(), sizes_.end()};
}

absl::StatusOr<LearnedShares> LearnedShares::Restore(const log::v1::LearnedState& state) {
  sampling::Proportion proportion;
  if (!ReadEnum("kind", state.kind(), kProportionKinds, &proportion.kind).ok() ||
      !proportion.adaptive() || state.group_sizes().empty()) {
    return absl::DataLossError("learned shares of no adaptive sampler");
  }
  proportion.column = state.column();
  LearnedShares restored(std::move(proportion),
                         {state.group_sizes().begin(), state.group_sizes().end()});
  SUBSET_ASSIGN_OR_RETURN(restored.weights_,
                          sampling::GroupWeights::Parse(state.weights(), restored.sizes_.size()));
  return restored;
}

bool LearnedShares::SameStrata(const Epoch& epoch) const {
  const sampling::Proportion& other = epoch.sampler->spec.proportion;
  return other.kind == proportion_.kind && other.column == proportion_.column &&
         SizesOf(epoch) == sizes_;
}

bool LearnedShares::Adopt(const Epoch& epoch) {
  if (!SameStrata(epoch)) return false;
  proportion_ = ProportionOf(epoch);
  return true;
}

void LearnedShares::Update(const log::v1::GroupLosses& batch) {
  std::vector<double> losses(sizes_.size(), std::numeric_limits<double>::quiet_NaN());
  for (int i = 0; i < batch.groups_size(); ++i) {
    if (batch.groups(i) >= losses.size() || batch.counts(i) == 0) continue;
    losses[batch.groups(i)] = batch.sums(i) / batch.counts(i);
  }
  weights_.Update(proportion_, losses, sizes_);
}

absl::Status AddGroupLosses(const Epoch& epoch, log::v1::FeedbackReported* record) {
  const sampling::SamplerSpec& spec = epoch.sampler->spec;
  const StoredColumn& column = *epoch.columns.at(spec.proportion.column);
  SUBSET_ASSIGN_OR_RETURN(const std::shared_ptr<const sampling::Strata> strata, column.Strata());
  const sampling::ColumnView groups = column.view();
  const bool excess = spec.proportion.kind == sampling::Proportion::Kind::kDoremi &&
                      !spec.preference.irreducible.empty();
  const bool needs_irreducible =
      spec.preference.missing_irreducible != sampling::Preference::MissingIrreducible::kUseScore;
  record->set_group_epoch(epoch.number());
  for (const v1::Feedback& feedback : record->feedback()) {
    log::v1::GroupLosses* entry = record->add_group_losses();
    const auto loss = std::find_if(feedback.values().begin(), feedback.values().end(),
                                   [](const auto& values) { return values.name() == kLoss; });
    if (loss == feedback.values().end()) continue;
    const std::vector<uint32_t> samples = DecodeValues<uint32_t>(feedback.indices());
    const std::vector<float> losses = DecodeValues<float>(loss->values());
    std::map<uint32_t, std::pair<double, uint32_t>> sums;
    for (size_t i = 0; i < samples.size(); ++i) {
      double value = losses[i];
      if (excess) {
        const double irreducible =
            ValueAt<double>(epoch.columns.at(spec.preference.irreducible)->view(), samples[i]);
        if (!std::isnan(irreducible)) {
          value = std::max(0.0, value - irreducible);
        } else if (needs_irreducible) {
          continue;
        }
      }
      const auto group = std::lower_bound(strata->values.begin(), strata->values.end(),
                                          ValueAt<int64_t>(groups, samples[i]));
      auto& [sum, count] = sums[static_cast<uint32_t>(group - strata->values.begin())];
      sum += value;
      ++count;
    }
    for (const auto& [group, sum] : sums) {
      entry->add_groups(group);
      entry->add_sums(sum.first);
      entry->add_counts(sum.second);
    }
  }
  return absl::OkStatus();
}

}  // namespace subset
