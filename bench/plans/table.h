// The dataset that bench_plans opens plans over: columns and scores as the engine keeps them.

#ifndef SUBSET_BENCH_PLANS_TABLE_H_
#define SUBSET_BENCH_PLANS_TABLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sampling/columns.h"

namespace subset::bench {

// "quality" f32 in [0, 1), "label" u16 of 100 values (the first is a tenth of the samples, the last
// a 200th), "dialect" u8 of 10 values, and the scores "loss", lognormal(0, 1). All independent of
// the order of the samples.
class Table {
 public:
  explicit Table(uint64_t num_samples);

  uint64_t num_samples() const { return num_samples_; }
  const sampling::Columns& columns() const { return columns_; }

  // Reads every byte of the columns and sums them as 64-bit words: one pass at the speed of memory.
  uint64_t Sum(const std::vector<std::string>& names) const;

 private:
  struct Column {
    std::vector<std::unique_ptr<char[]>> chunks;
    std::vector<const void*> pointers;
    std::vector<const float*> floats;
    uint64_t chunk_bytes = 0;
  };
  template <typename T, typename ValueAt>
  Column& Add(const std::string& name, ValueAt value);

  const uint64_t num_samples_;
  std::map<std::string, Column> stored_;
  sampling::Columns columns_;
};

}  // namespace subset::bench

#endif  // SUBSET_BENCH_PLANS_TABLE_H_
