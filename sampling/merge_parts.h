// What the parts of many numbers come to, the same to the bit whoever works on them.

#ifndef SUBSET_SAMPLING_MERGE_PARTS_H_
#define SUBSET_SAMPLING_MERGE_PARTS_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "base/executor.h"
#include "sampling/parts.h"

namespace subset::sampling {

// Returns what of_part(first, last) returns for the parts of 0 .. size - 1, merged by merge(part,
// &all) in their order.
template <typename OfPart, typename Merge>
auto MergeParts(const Executor* executor, uint64_t size, OfPart of_part, Merge merge) {
  if (size <= kPartSize) return of_part(uint64_t{0}, size);
  std::vector<decltype(of_part(size, size))> parts(NumParts(size));
  ForEachPart(executor, size, [&](size_t part, uint64_t first, uint64_t last) {
    parts[part] = of_part(first, last);
  });
  auto all = parts[0];
  for (size_t part = 1; part < parts.size(); ++part) merge(parts[part], &all);
  return all;
}

inline double SumOf(const Executor* executor, absl::Span<const double> values) {
  return MergeParts(
      executor, values.size(),
      [values](uint64_t first, uint64_t last) {
        double sum = 0;
        for (const double value : values.subspan(first, last - first)) sum += value;
        return sum;
      },
      [](double part, double* all) { *all += part; });
}

// Returns the largest; -infinity of none.
inline double LargestOf(const Executor* executor, absl::Span<const double> values) {
  return MergeParts(
      executor, values.size(),
      [values](uint64_t first, uint64_t last) {
        double largest = -std::numeric_limits<double>::infinity();
        for (const double value : values.subspan(first, last - first)) {
          largest = std::max(largest, value);
        }
        return largest;
      },
      [](double part, double* all) { *all = std::max(*all, part); });
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_MERGE_PARTS_H_
