#include "bench/draw/reverb_like.h"

namespace subset::bench {

ReverbLike::ReverbLike(absl::Span<const float> priorities) {
  nodes_.resize(priorities.size());
  position_.reserve(priorities.size());
  for (size_t i = priorities.size(); i-- > 0;) {
    nodes_[i] = {i, priorities[i], priorities[i] + Sum(2 * i + 1) + Sum(2 * i + 2)};
    position_[i] = i;
  }
}

ReverbLike::Item ReverbLike::Sample(double uniform) const {
  const std::lock_guard<std::mutex> lock(mu_);
  double target = uniform * nodes_[0].sum;
  size_t node = 0;
  for (;;) {
    const size_t left = 2 * node + 1;
    const double left_sum = Sum(left);
    if (target < left_sum) {
      node = left;
      continue;
    }
    target -= left_sum;
    const size_t right = left + 1;
    const double right_sum = Sum(right);
    if (target < right_sum) {
      node = right;
      continue;
    }
    return {nodes_[node].key, nodes_[node].value / nodes_[0].sum};
  }
}

void ReverbLike::Update(uint64_t key, double priority) {
  const std::lock_guard<std::mutex> lock(mu_);
  const auto found = position_.find(key);
  if (found == position_.end()) return;
  size_t node = found->second;
  const double change = priority - nodes_[node].value;
  nodes_[node].value = priority;
  nodes_[node].sum += change;
  while (node > 0) {
    node = (node - 1) / 2;
    nodes_[node].sum += change;
  }
}

uint64_t ReverbLike::memory_bytes() const {
  constexpr uint64_t kControlByte = 1;
  return nodes_.capacity() * sizeof(Node) +
         position_.capacity() * (sizeof(std::pair<uint64_t, size_t>) + kControlByte);
}

}  // namespace subset::bench
