// The structure a prioritized replay service uses (Reverb's prioritized selector): a mutex, a hash
// map from key to position, and an implicit binary heap of f64 sums, one draw or update at a time.

#ifndef SUBSET_BENCH_DRAW_REVERB_LIKE_H_
#define SUBSET_BENCH_DRAW_REVERB_LIKE_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"

namespace subset::bench {

// Thread-safe.
class ReverbLike {
 public:
  struct Item {
    uint64_t key;
    double probability;
  };

  // Keys 0, 1, ...
  explicit ReverbLike(absl::Span<const float> priorities);

  // Draws by a uniform number in [0, 1).
  Item Sample(double uniform) const;

  void Update(uint64_t key, double priority);

  uint64_t memory_bytes() const;

 private:
  struct Node {
    uint64_t key;
    double value;
    double sum;  // of the subtree
  };

  double Sum(size_t node) const { return node < nodes_.size() ? nodes_[node].sum : 0; }

  mutable std::mutex mu_;
  absl::flat_hash_map<uint64_t, size_t> position_;
  std::vector<Node> nodes_;
};

}  // namespace subset::bench

#endif  // SUBSET_BENCH_DRAW_REVERB_LIKE_H_
