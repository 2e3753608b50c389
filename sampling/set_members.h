// The members of a set, one by one or written out.

#ifndef SUBSET_SAMPLING_SET_MEMBERS_H_
#define SUBSET_SAMPLING_SET_MEMBERS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/numeric/bits.h"
#include "base/executor.h"
#include "sampling/sample_set.h"

namespace subset::sampling {

// Calls f(i) for each member of words first .. last - 1 of the set, of 64 samples each, in
// ascending order.
template <typename F>
void ForEachMember(const SampleSet& set, size_t first, size_t last, F f) {
  for (size_t w = first; w < last; ++w) {
    for (uint64_t word = set.words()[w]; word != 0; word &= word - 1) {
      f(w * 64 + static_cast<uint64_t>(absl::countr_zero(word)));
    }
  }
}

// The same for all of them.
template <typename F>
void ForEachMember(const SampleSet& set, F f) {
  ForEachMember(set, 0, set.words().size(), f);
}

// Immutable; the set must not change. O(N / 64), and a step a member, by the executor; null: by the
// calling thread.
class SetMembers {
 public:
  SetMembers(const SampleSet& set, const Executor* executor);

  uint64_t size() const { return size_; }

  // Writes them in ascending order.
  void Write(uint32_t* out) const;

 private:
  const SampleSet& set_;
  const Executor* const executor_;
  std::vector<uint64_t> before_;  // of a part of the samples: how many lie before it
  uint64_t size_ = 0;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SET_MEMBERS_H_
