// Samples or slots cut into parts, which an executor may work on at the same time.

#ifndef SUBSET_SAMPLING_PARTS_H_
#define SUBSET_SAMPLING_PARTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/executor.h"
#include "sampling/columns.h"

namespace subset::sampling {

// A part is of one size whoever works on it, so that what is summed in doubles by part, and then in
// the order of the parts, is the same to the bit. What is no longer than a part costs no thread.
inline constexpr uint64_t kPartSize = 2 * kChunkSamples;

inline size_t NumParts(uint64_t size) { return (size + kPartSize - 1) / kPartSize; }

// Calls work(part) for each part < parts; without an executor in order, on the calling thread.
template <typename Work>
void RunParts(const Executor* executor, size_t parts, Work work) {
  if (executor != nullptr && parts > 1) return executor->Run(parts, work);
  for (size_t part = 0; part < parts; ++part) work(part);
}

// Calls work(part, first, last) for each part first .. last - 1 of 0 .. size - 1.
template <typename Work>
void ForEachPart(const Executor* executor, uint64_t size, Work work) {
  RunParts(executor, NumParts(size), [&](size_t part) {
    const uint64_t first = part * kPartSize;
    work(part, first, std::min(first + kPartSize, size));
  });
}

// Cuts 0 .. size - 1 into one range for each thread, of whole units but for the last one, where
// beginning anew has a price. Results must not depend on where the cuts are.
class Ranges {
 public:
  Ranges(const Executor* executor, uint64_t size, uint64_t unit)
      : executor_(executor), size_(size), unit_(unit), units_((size + unit - 1) / unit) {
    if (executor != nullptr && size > kPartSize) {
      count_ = std::min<uint64_t>(executor->threads(), units_);
    }
  }

  size_t count() const { return count_; }
  uint64_t begin(size_t range) const { return std::min(units_ * range / count_ * unit_, size_); }

  // Calls work(range, first, last) for each range first .. last - 1.
  template <typename Work>
  void ForEach(Work work) const {
    RunParts(executor_, count_, [&](size_t range) { work(range, begin(range), begin(range + 1)); });
  }

 private:
  const Executor* executor_;
  uint64_t size_;
  uint64_t unit_;
  uint64_t units_;
  size_t count_ = 1;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PARTS_H_
