// Words every room shares.

#ifndef SUBSET_BASE_TYPES_H_
#define SUBSET_BASE_TYPES_H_

#include <cstdint>

namespace subset {

// A sample of a dataset: 0 .. num_samples-1.
using SampleIndex = uint64_t;

// Names a dataset, sampler, run or session for ever. Never 0, never reused; names only point here.
using Uid = uint64_t;

// Names the state of one score table: the incarnation of the server (rises by one, durably, at
// every open) and the number of feedback records applied to the table. Never goes back.
struct ScoreVersion {
  uint64_t incarnation = 0;
  uint64_t records = 0;

  friend bool operator==(const ScoreVersion& a, const ScoreVersion& b) {
    return a.incarnation == b.incarnation && a.records == b.records;
  }
};

// Limits that the API promises; each appears in the message of the error it causes.
inline constexpr uint64_t kMaxSamples = uint64_t{1} << 32;  // u64 indices on the wire come later
inline constexpr uint32_t kMaxBatchSize = 65536;
inline constexpr uint32_t kMaxFeedbackItems = 16384;

}  // namespace subset

#endif  // SUBSET_BASE_TYPES_H_
