#include "sampling/radix_sort.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "sampling/parts.h"

namespace subset::sampling {
namespace {

constexpr int kUpper = 32;  // where upper halves begin
constexpr int kDigitBits = 8;
constexpr size_t kDigits = size_t{1} << kDigitBits;
constexpr int kMaxDigits = 4;
constexpr int kBucketBits = 11;  // of each thread, so many lines of memory are being written to
constexpr size_t kFew = 64;      // comparing them is cheaper than counting digits

size_t DigitOf(uint64_t value, int digit) {
  return (value >> (kUpper + digit * kDigitBits)) % kDigits;
}

// Returns the sorted values, which are in `values` or in `other`. Upper halves differ in the lowest
// `bits` bits only.
uint64_t* SortDigits(uint64_t* values, uint64_t* other, size_t size, int bits) {
  if (size <= kFew) {
    std::sort(values, values + size);
    return values;
  }
  const int digits = (bits + kDigitBits - 1) / kDigitBits;
  uint32_t counts[kMaxDigits][kDigits] = {};
  for (size_t k = 0; k < size; ++k) {
    for (int digit = 0; digit < digits; ++digit) ++counts[digit][DigitOf(values[k], digit)];
  }
  for (int digit = 0; digit < digits; ++digit) {
    uint32_t* const next = counts[digit];
    if (next[DigitOf(values[0], digit)] == size) continue;
    uint32_t offset = 0;
    for (size_t d = 0; d < kDigits; ++d) offset += std::exchange(next[d], offset);
    for (size_t k = 0; k < size; ++k) other[next[DigitOf(values[k], digit)]++] = values[k];
    std::swap(values, other);
  }
  return values;
}

// The same, with the sorted values in `target`: `values` or `other`.
void SortInto(uint64_t* target, uint64_t* values, uint64_t* other, size_t size, int bits) {
  const uint64_t* const sorted = SortDigits(values, other, size, bits);
  if (sorted != target) std::copy_n(sorted, size, target);
}

}  // namespace

void RadixSort(absl::Span<uint64_t> values, int bits, absl::Span<uint64_t> scratch,
               const Executor* executor) {
  if (values.size() <= kPartSize) {
    return SortInto(values.data(), values.data(), scratch.data(), values.size(), bits);
  }
  const int rest = std::max(0, bits - kBucketBits);
  const auto bucket_of = [rest](uint64_t value) { return value >> (kUpper + rest); };
  const size_t buckets = size_t{1} << (bits - rest);
  const Ranges ranges(executor, values.size(), kDigits);
  // Of each range the counts of buckets, then where their next values go.
  std::vector<std::vector<uint64_t>> next(ranges.count(), std::vector<uint64_t>(buckets));
  ranges.ForEach([&](size_t range, uint64_t first, uint64_t last) {
    uint64_t* const counts = next[range].data();
    for (uint64_t k = first; k < last; ++k) ++counts[bucket_of(values[k])];
  });
  std::vector<uint64_t> begins;
  uint64_t offset = 0;
  for (size_t bucket = 0; bucket < buckets; ++bucket) {
    begins.push_back(offset);
    for (std::vector<uint64_t>& of_range : next) offset += std::exchange(of_range[bucket], offset);
  }
  begins.push_back(offset);
  ranges.ForEach([&](size_t range, uint64_t first, uint64_t last) {
    uint64_t* const at = next[range].data();
    for (uint64_t k = first; k < last; ++k) scratch[at[bucket_of(values[k])]++] = values[k];
  });
  RunParts(executor, buckets, [&](size_t bucket) {
    uint64_t* const target = values.data() + begins[bucket];
    SortInto(target, scratch.data() + begins[bucket], target, begins[bucket + 1] - begins[bucket],
             rest);
  });
}

}  // namespace subset::sampling
