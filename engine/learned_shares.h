// Shares of strata that a run learns from its feedback: the state of sampling/group_weights.h, and
// what a reported batch brings to it.

#ifndef SUBSET_ENGINE_LEARNED_SHARES_H_
#define SUBSET_ENGINE_LEARNED_SHARES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/epoch.h"
#include "sampling/group_weights.h"
#include "subset/log/v1/image.pb.h"
#include "subset/log/v1/record.pb.h"

namespace subset {

// What is learned for the strata of one adaptive sampler. Not thread-safe.
class LearnedShares {
 public:
  // Equal shares, for an epoch whose sampler is adaptive.
  explicit LearnedShares(const Epoch& epoch);
  static absl::StatusOr<LearnedShares> Restore(const Epoch& epoch, const std::string& weights);

  // With whose shares they are, for when no epoch of theirs is kept. What Restore returns lacks the
  // numbers that Adopt takes.
  void Save(log::v1::LearnedState* state) const;
  static absl::StatusOr<LearnedShares> Restore(const log::v1::LearnedState& state);

  // Whether the epoch has the same strata and learns in the same way; if so, takes its numbers (eta
  // and the like).
  bool Adopt(const Epoch& epoch);
  // Whether what was reported for the strata of `epoch` counts here.
  bool SameStrata(const Epoch& epoch) const;

  // One reported batch. Whether it came in a message of its own or among others changes nothing:
  // how a client packs its reports is a matter of timing.
  void Update(const log::v1::GroupLosses& batch);

  std::vector<double> shares() const { return weights_.Shares(proportion_.kind); }
  // The mean of what they were after each batch: DoReMi's result.
  std::vector<double> mean_shares() const { return weights_.MeanShares(); }
  std::string Save() const { return weights_.Serialize(); }

 private:
  LearnedShares(sampling::Proportion proportion, std::vector<uint64_t> sizes);

  sampling::Proportion proportion_;
  std::vector<uint64_t> sizes_;
  sampling::GroupWeights weights_;
};

// Sums the losses of each entry of a message by the strata of `epoch`, whose sampler is adaptive,
// into the record. For DOREMI what is summed is the excess over the irreducible loss; samples
// without one count as their loss, or not at all, as the sampler says. O(items log strata).
absl::Status AddGroupLosses(const Epoch& epoch, log::v1::FeedbackReported* record);

}  // namespace subset

#endif  // SUBSET_ENGINE_LEARNED_SHARES_H_
