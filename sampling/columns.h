// Read-only views of columns and scores that every choice takes.

#ifndef SUBSET_SAMPLING_COLUMNS_H_
#define SUBSET_SAMPLING_COLUMNS_H_

#include <cmath>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace subset::sampling {

// Columns are kept in chunks of this many samples.
inline constexpr uint64_t kChunkSamples = 65536;

// A float column by chunks; NaN means unscored. A null chunk is unscored throughout. Empty (no
// chunks at all): nothing was ever scored.
struct ScoreView {
  absl::Span<const float* const> chunks;

  float operator[](uint64_t i) const {
    if (chunks.empty()) return NAN;
    const float* chunk = chunks[i / kChunkSamples];
    return chunk == nullptr ? NAN : chunk[i % kChunkSamples];
  }
};

// The samples of a dataset sorted by stratum; within one by index. Immutable; shared by every plan
// over the same column version. 4 bytes a sample.
struct Strata {
  std::vector<int64_t> values;      // the column's value of each stratum, ascending
  std::vector<uint64_t> offsets;    // values.size() + 1; stratum g is members[offsets[g]..offsets[g+1])
  std::vector<uint32_t> members;

  uint64_t count(size_t g) const { return offsets[g + 1] - offsets[g]; }
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_COLUMNS_H_
