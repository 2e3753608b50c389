// INDEPENDENT: a coin for each sample.

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "sampling/drawn_slots.h"
#include "sampling/huge_array.h"
#include "sampling/inclusion.h"
#include "sampling/inner_draw.h"
#include "sampling/parts.h"
#include "sampling/philox_of_samples.h"
#include "sampling/preference.h"
#include "sampling/stratum_parts.h"

namespace subset::sampling {
namespace {

// Returns the slots whose coins say so, in order.
std::vector<uint32_t> Toss(const PlanInput& input, const Population& population,
                           absl::Span<const double> pi) {
  constexpr uint64_t kPiece = 256;
  const PhiloxKey key = DeriveKey(input.key, Purpose::kIndependent);
  std::vector<std::vector<uint32_t>> parts(NumParts(pi.size()));
  ForEachPart(input.executor, pi.size(), [&](size_t part, uint64_t first, uint64_t last) {
    std::vector<uint32_t> drawn;
    PhiloxBlock blocks[kPiece];
    for (; first < last; first += kPiece) {
      const uint64_t count = std::min(kPiece, last - first);
      PhiloxOfSamples(
          key, [&](size_t k) { return population.sample(first + k); },
          absl::MakeSpan(blocks, count));
      for (uint64_t k = 0; k < count; ++k) {
        if (ToUnitDouble(BlockLow(blocks[k])) < pi[first + k]) {
          drawn.push_back(static_cast<uint32_t>(first + k));
        }
      }
    }
    parts[part] = std::move(drawn);
  });
  size_t size = 0;
  for (const std::vector<uint32_t>& part : parts) size += part.size();
  std::vector<uint32_t> drawn;
  ReserveHuge(size, &drawn);
  for (const std::vector<uint32_t>& part : parts) {
    drawn.insert(drawn.end(), part.begin(), part.end());
  }
  return drawn;
}

}  // namespace

absl::StatusOr<DrawnSlots> DrawIndependent(const PlanInput& input, const Population& population) {
  DrawnSlots drawn;
  std::vector<double>& pi = drawn.expected_by_slot;
  if (input.spec.preference.kind == Preference::Kind::kKeepProbability) {
    pi = KeepProbabilities(input, population);
  } else {
    InnerDraw inner = InnerProbabilities(input, population);
    drawn.fell_back_to_uniform = inner.fell_back_to_uniform;
    pi = std::move(inner.probabilities);
    const std::vector<double> targets = PreferredTargets(
        input, population, pi, input.spec.draw.fraction * static_cast<double>(population.size()));
    ForEachStratum(input.executor, population, [&](size_t g, const Executor* executor) {
      const auto values = absl::MakeSpan(pi).subspan(population.first(g), population.count(g));
      const double level = WaterLevel(values, {1}, targets[g], executor);
      ForEachPart(executor, values.size(), [&](size_t, uint64_t first, uint64_t last) {
        for (double& v : values.subspan(first, last - first)) v = AtLevel(v, 1, level);
      });
    });
  }
  drawn.slots = Toss(input, population, pi);
  drawn.mass = static_cast<double>(drawn.slots.size());
  return drawn;
}

}  // namespace subset::sampling
