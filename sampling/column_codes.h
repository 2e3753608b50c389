// The values of an integer column as small codes, in the same order.

#ifndef SUBSET_SAMPLING_COLUMN_CODES_H_
#define SUBSET_SAMPLING_COLUMN_CODES_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/executor.h"
#include "sampling/columns.h"
#include "sampling/huge_array.h"

namespace subset::sampling {

// Immutable. Valid as long as the column.
class ColumnCodes {
 public:
  // Values of up to 16 bits are their own codes; others are numbered. Returns kInvalidArgument
  // naming `field` where these are more than kMaxStrata. O(N) for the wider types, else O(1).
  static absl::StatusOr<ColumnCodes> Create(const ColumnView& column, uint64_t num_samples,
                                            absl::string_view field);

  // Codes are below this: at most 65,536.
  size_t num_codes() const { return num_codes_; }
  // The value that a code stands for.
  int64_t value(uint32_t code) const {
    return values_.empty() ? static_cast<int64_t>(code) : values_[code];
  }

  // Returns those codes that some of the samples have, ascending. O(N).
  std::vector<uint32_t> Present(uint64_t num_samples, const Executor* executor) const;

  // Returns f(chunks), whose chunks[c] is the codes of chunk c: of type const uint8_t* or const
  // uint16_t*.
  template <typename F>
  auto Visit(F f) const {
    return bytes_ ? f(Chunks<uint8_t>{*this}) : f(Chunks<uint16_t>{*this});
  }

 private:
  template <typename Code>
  struct Chunks {
    const ColumnCodes& codes;
    const Code* operator[](uint64_t c) const {
      if (codes.numbers_.size() == 0) return static_cast<const Code*>(codes.column_.chunks[c]);
      // Numbers are of 16 bits.
      return reinterpret_cast<const Code*>(codes.numbers_.data() + c * kChunkSamples);
    }
  };

  ColumnView column_;
  bool bytes_ = false;
  size_t num_codes_ = 0;
  HugeArray<uint16_t> numbers_;  // of each sample, where values are wider
  std::vector<int64_t> values_;  // of each number, ascending
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_COLUMN_CODES_H_
