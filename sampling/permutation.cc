#include "sampling/permutation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/log.h"
#include "sampling/simd.h"

#define SUBSET_TARGET
#include "sampling/permutation_loops.inc"

namespace subset::sampling {
namespace {

using permutation_internal::FeistelNetwork;
using permutation_internal::kRounds;
using permutation_internal::kStep;

constexpr uint64_t kMaxTable = 65536;

// Returns an integer uniform in [0, n), n <= 65,536, from word `step` of the key's stream; rejected
// words (fewer than 2^-16 of them) go on at (step, 1), (step, 2), ...
uint32_t StepInt(const PhiloxKey& key, uint32_t step, uint32_t word, uint32_t n) {
  uint64_t product = uint64_t{word} * n;
  for (uint64_t attempt = 1; static_cast<uint32_t>(product) < n; ++attempt) {
    if (static_cast<uint32_t>(product) >= (0 - n) % n) break;
    product = uint64_t{Philox(key, step, attempt)[0]} * n;
  }
  return static_cast<uint32_t>(product >> 32);
}

// Durstenfeld's form of the Fisher-Yates shuffle.
std::vector<uint16_t> ShuffledTable(uint32_t n, const PhiloxKey& key) {
  std::vector<uint16_t> table(n);
  std::iota(table.begin(), table.end(), uint16_t{0});
  std::vector<PhiloxBlock> blocks(n / 4 + 1);
  PhiloxFill(key, 0, 0, absl::MakeSpan(blocks));
  for (uint32_t step = n - 1; step > 0; --step) {
    const uint32_t other = StepInt(key, step, blocks[step / 4][step % 4], step + 1);
    std::swap(table[step], table[other]);
  }
  return table;
}

void FillSteps(const FeistelNetwork& network, uint64_t first, size_t steps, uint32_t* out) {
  switch (ActiveSimdLevel()) {
#if defined(__x86_64__)
    case SimdLevel::kAvx512:
      return permutation_internal::FillAvx512(network, first, steps, out);
    case SimdLevel::kAvx2:
      return permutation_internal::FillAvx2(network, first, steps, out);
#endif
    default:
      return permutation_internal::FillLoop(network, first, steps, out);
  }
}

void MapSteps(const FeistelNetwork& network, size_t steps, uint32_t* positions) {
  switch (ActiveSimdLevel()) {
#if defined(__x86_64__)
    case SimdLevel::kAvx512:
      return permutation_internal::MapAvx512(network, steps, positions);
    case SimdLevel::kAvx2:
      return permutation_internal::MapAvx2(network, steps, positions);
#endif
    default:
      return permutation_internal::MapLoop(network, steps, positions);
  }
}

FeistelNetwork MakeNetwork(uint64_t n, const PhiloxKey& key) {
  FeistelNetwork network;
  network.n = n;
  auto a = static_cast<uint64_t>(std::sqrt(static_cast<double>(n)));
  while (a * a < n) ++a;
  network.left_radix = static_cast<uint32_t>(a);
  network.right_radix = static_cast<uint32_t>((n + a - 1) / a);
  for (int i = 0; i < kRounds; ++i) {
    const PhiloxBlock block = Philox(key, i);
    network.multipliers[i] = static_cast<uint16_t>(block[0] | 1);
    network.addends[i] = static_cast<uint16_t>(block[1]);
    network.mixers[i] = static_cast<uint16_t>(block[2] | 1);
  }
  return network;
}

}  // namespace

Permutation::Permutation(uint64_t n, const PhiloxKey& key) : n_(n) {
  SUBSET_CHECK(n >= 1 && n <= uint64_t{1} << 32);
  if (n <= kMaxTable) {
    table_ = ShuffledTable(static_cast<uint32_t>(n), key);
  } else {
    network_ = MakeNetwork(n, key);
  }
}

uint32_t Permutation::At(uint64_t position) const {
  if (n_ <= kMaxTable) return table_[position];
  return permutation_internal::Apply(network_, static_cast<uint32_t>(position));
}

void Permutation::Fill(uint64_t first, absl::Span<uint32_t> out) const {
  if (n_ <= kMaxTable) {
    std::copy_n(table_.begin() + first, out.size(), out.begin());
    return;
  }
  const size_t steps = out.size() / kStep;
  FillSteps(network_, first, steps, out.data());
  size_t i = steps * kStep;
  if (i < out.size() && n_ - first - i >= kStep) {  // a short end costs as much as a whole step
    std::array<uint32_t, kStep> images;
    FillSteps(network_, first + i, 1, images.data());
    std::copy_n(images.begin(), out.size() - i, out.begin() + i);
    return;
  }
  for (; i < out.size(); ++i) out[i] = At(first + i);
}

void Permutation::Map(absl::Span<uint32_t> positions) const {
  constexpr size_t kFew = 32;  // take less one by one than a whole step does
  if (n_ > kMaxTable) {
    const size_t steps = positions.size() / kStep;
    MapSteps(network_, steps, positions.data());
    positions.remove_prefix(steps * kStep);
    if (positions.size() > kFew) {
      std::array<uint32_t, kStep> padded{};
      std::copy(positions.begin(), positions.end(), padded.begin());
      MapSteps(network_, 1, padded.data());
      std::copy_n(padded.begin(), positions.size(), positions.begin());
      return;
    }
  }
  for (uint32_t& position : positions) position = At(position);
}

}  // namespace subset::sampling
