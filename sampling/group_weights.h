// Shares of strata that are learned from reported losses: group DRO, DoReMi, ODM.

#ifndef SUBSET_SAMPLING_GROUP_WEIGHTS_H_
#define SUBSET_SAMPLING_GROUP_WEIGHTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "sampling/spec.h"

namespace subset::sampling {

// What is learned so far: a value; a function of the updates alone, with the same bits on every
// machine. Not thread-safe. O(groups) a call.
//
//  - GROUP_DRO (Sagawa et al. 2020): q_g <- q_g exp(eta (l_g + adjustment / sqrt(n_g))), normalised.
//    l_g is the mean loss of the group in a batch; an absent group keeps its last one.
//  - DOREMI (Xie et al. 2023): q <- (1 - epsilon) softmax(log q + eta l) + epsilon / G. l_g is the
//    mean of max(0, loss - irreducible loss), or of the loss where there is no column of those; the
//    last one is kept. The paper clips by token; what is reported by sample only comes near it.
//  - ODM (Albalak et al. 2023): R_g += (l_g / 10) / p_g for the groups observed; at its t-th batch
//    e_t = min(1/G, sqrt(ln G / (G t))), p_g = (1 - G e_t) softmax(e_(t-1) R)_g + e_t, e_0 = 1/G.
//
// Weights are kept as logarithms: no number of batches makes one vanish.
class GroupWeights {
 public:
  // Equal shares. groups >= 1.
  explicit GroupWeights(size_t groups);

  size_t groups() const { return log_weights_.size(); }
  uint64_t batches() const { return batches_; }

  // Takes the losses of one batch by group (not finite: not in it) and the sizes n_g. A batch
  // without any loss changes nothing. REQUIRES: proportion.adaptive(); both spans as long as there
  // are groups.
  void Update(const Proportion& proportion, absl::Span<const double> losses,
              absl::Span<const uint64_t> sizes);

  // The shares as they stand: they sum to one.
  std::vector<double> Shares(Proportion::Kind kind) const;

  // The mean over the batches of what Shares was after each: DoReMi's result.
  std::vector<double> MeanShares() const;

  std::string Serialize() const;
  // Returns kDataLoss where the bytes are damaged or of another number of groups.
  static absl::StatusOr<GroupWeights> Parse(absl::string_view serialized, size_t groups);

 private:
  void UpdateExponentiated(const Proportion& proportion, absl::Span<const uint64_t> sizes);

  std::vector<double> log_weights_;  // log2 q_g: group DRO, DoReMi
  std::vector<double> losses_;       // last ones
  std::vector<double> rewards_;      // R_g: ODM
  std::vector<double> sums_;         // of the shares after each batch
  uint64_t batches_ = 0;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_GROUP_WEIGHTS_H_
