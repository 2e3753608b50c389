// The least positive leaf among neighbouring slots, under changes: what the largest importance
// weight follows from.

#ifndef SUBSET_SAMPLING_LEAST_LEAF_H_
#define SUBSET_SAMPLING_LEAST_LEAF_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "sampling/leaf.h"

namespace subset::sampling {

// A tree of minima with a fan-out of 64. Not thread-safe: const methods may run together.
class LeastLeaf {
 public:
  // O(n), n / 31 bytes.
  explicit LeastLeaf(absl::Span<const Leaf> leaves);

  // Takes the leaves of `slots` as they are now. O(log n) each.
  void Update(absl::Span<const Leaf> leaves, absl::Span<const uint32_t> slots);

  // Returns the least positive leaf of slots first .. last - 1; 0 where there is none. O(log n).
  Leaf Find(absl::Span<const Leaf> leaves, uint64_t first, uint64_t last) const;

 private:
  // levels_[0] has a minimum for each 64 leaves, the others for each 64 of the level below. Stored
  // as leaf - 1, so that 0 comes last.
  std::vector<std::vector<uint16_t>> levels_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_LEAST_LEAF_H_
