// The top of weight_index.h: where among the highest nodes a target lies, in one step. Internal.
//
// The nodes' prefix sums lie in one array. The range of targets is cut into equal power-of-two
// pieces, and a guide says for each piece which node its first target lies in; with about as many
// pieces as nodes, few nodes are left to compare with.

#ifndef SUBSET_SAMPLING_WEIGHT_INDEX_DIRECTORY_H_
#define SUBSET_SAMPLING_WEIGHT_INDEX_DIRECTORY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace subset::sampling::weight_index_internal {

struct DirectoryView {
  const uint64_t* prefix_sums;  // with eight more at the end that are above every target
  const uint16_t* guide;        // the node of target piece << shift; of the last one past the end
  int shift;
};

// Not thread-safe. Copies are independent.
class Directory {
 public:
  // So that a rebuild takes microseconds and all of it stays in the second-level cache.
  static constexpr uint64_t kMaxNodes = 8192;

  Directory() = default;
  explicit Directory(uint64_t num_nodes);

  // The nodes' sums, to be written; Rebuild makes the rest follow. O(nodes).
  uint64_t* sums() { return sums_.data(); }
  void Rebuild();

  uint64_t total() const { return total_; }  // at the last Rebuild
  // Returns the sum of the nodes before `node`.
  uint64_t PrefixSum(uint64_t node) const { return prefix_sums_[node]; }
  DirectoryView view() const { return {prefix_sums_.data(), guide_.data(), shift_}; }
  uint64_t memory_bytes() const;

 private:
  std::vector<uint64_t> sums_;
  std::vector<uint64_t> prefix_sums_;
  std::vector<uint16_t> guide_;
  int guide_bits_ = 0;  // at most 2^guide_bits_ pieces
  int shift_ = 0;
  uint64_t total_ = 0;
};

}  // namespace subset::sampling::weight_index_internal

#endif  // SUBSET_SAMPLING_WEIGHT_INDEX_DIRECTORY_H_
