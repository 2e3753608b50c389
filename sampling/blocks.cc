#include "sampling/blocks.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "sampling/leaf.h"
#include "sampling/permutation.h"

namespace subset::sampling {
namespace {

uint64_t LengthIn(const Draw& draw, uint64_t n) { return std::min(draw.block_length, n); }

// Of the partition with gaps.
uint64_t FixedBlocks(const Draw& draw, uint64_t n) {
  const uint64_t period = LengthIn(draw, n) + draw.block_gap;
  return (n - 1) / period + 1;
}

std::vector<TimeBlock> ChooseFixed(const Draw& draw, uint64_t n, uint64_t count,
                                   const PhiloxKey& key) {
  const uint64_t period = LengthIn(draw, n) + draw.block_gap;
  const uint64_t blocks = FixedBlocks(draw, n);
  const Permutation order(blocks, key);
  std::vector<TimeBlock> chosen;
  for (uint64_t k = 0; k < std::min(count, blocks); ++k) {
    const uint64_t start = order.At(k) * period;
    chosen.push_back({start, std::min(LengthIn(draw, n), n - start)});
  }
  return chosen;
}

// 1, 2, ... with the given mean >= 1, by inversion.
uint64_t Geometric(uint64_t mean, double u) {
  if (mean == 1) return 1;
  const double miss = 1 - 1 / static_cast<double>(mean);
  return 1 + static_cast<uint64_t>(PortableLog2(1 - u) / PortableLog2(miss));  // 1 - u in (0, 1]
}

}  // namespace

std::vector<TimeBlock> ChooseBlocks(const Draw& draw, uint64_t n, uint64_t count,
                                    const PhiloxKey& key) {
  using Form = Draw::BlockForm;
  if (draw.blocks == Form::kFixed) return ChooseFixed(draw, n, count, key);
  const uint64_t length = LengthIn(draw, n);
  const uint64_t starts = draw.blocks == Form::kMoving ? n - length + 1 : n;
  std::vector<TimeBlock> chosen(count);
  for (uint64_t k = 0; k < count; ++k) {
    chosen[k].start = UniformInt(key, 2 * k, starts);
    chosen[k].length = draw.blocks == Form::kStationary
                           ? Geometric(length, UniformDouble(key, 2 * k + 1))
                           : length;
  }
  return chosen;
}

std::vector<double> ExpectedInBlocks(const Draw& draw, uint64_t n, uint64_t count) {
  using Form = Draw::BlockForm;
  const uint64_t length = LengthIn(draw, n);
  const double size = static_cast<double>(n);
  const double blocks = static_cast<double>(count);
  std::vector<double> expected(n, blocks * static_cast<double>(length) / size);
  if (draw.blocks == Form::kMoving) {
    const uint64_t starts = n - length + 1;
    for (uint64_t i = 0; i < n; ++i) {
      const uint64_t holding = std::min({i + 1, length, n - i, starts});
      expected[i] = blocks * static_cast<double>(holding) / static_cast<double>(starts);
    }
  } else if (draw.blocks == Form::kFixed) {
    const uint64_t all = FixedBlocks(draw, n);
    const double chosen = static_cast<double>(std::min(count, all)) / static_cast<double>(all);
    for (uint64_t i = 0; i < n; ++i) {
      expected[i] = i % (length + draw.block_gap) < length ? chosen : 0;
    }
  }
  return expected;
}

}  // namespace subset::sampling
