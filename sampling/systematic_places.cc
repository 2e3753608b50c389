#include "sampling/systematic_places.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "sampling/huge_array.h"
#include "sampling/parts.h"
#include "sampling/stratum_parts.h"

namespace subset::sampling {
namespace {

constexpr size_t kPiece = 256;

// The least leaf of at least this weight; none has more than the largest leaf's.
uint32_t LeastCode(uint32_t weight) {
  uint32_t leaf = 0;
  for (uint32_t step = 0x8000; step > 0; step /= 2) {
    if (LeafWeight(static_cast<Leaf>(leaf + step - 1)) < weight) leaf += step;
  }
  return LeafWeight(static_cast<Leaf>(leaf)) < weight ? leaf + 1 : leaf;
}

struct Certain {
  std::vector<uint32_t> places;
  std::vector<Leaf> leaves;

  // Takes the leaves from `least` on of `size` ones at place `first` and after it; leaves 0 there.
  void Take(uint32_t least, uint64_t first, Leaf* piece, size_t size) {
    uint32_t at[kPiece];
    Leaf taken[kPiece];
    size_t count = 0;
    for (size_t k = 0; k < size; ++k) {  // no branch: it is not predictable
      const Leaf leaf = piece[k];
      const bool certain = leaf >= least;
      at[count] = static_cast<uint32_t>(first + k);
      taken[count] = leaf;
      count += certain;
      piece[k] = certain ? Leaf{0} : leaf;
    }
    places.insert(places.end(), at, at + count);
    leaves.insert(leaves.end(), taken, taken + count);
  }
};

// Writes the leaves of `size` places of a stratum from `first` on.
void Gather(const Permutation& order, uint64_t first, const Leaf* own, Leaf* piece, size_t size) {
  uint32_t slots[kPiece];
  order.Fill(first, absl::MakeSpan(slots, size));
  for (size_t k = 0; k < size; ++k) __builtin_prefetch(own + slots[k]);
  for (size_t k = 0; k < size; ++k) piece[k] = own[slots[k]];
}

}  // namespace

std::vector<Leaf> SystematicPlaces::Leaves() const {
  std::vector<Leaf> leaves(weights.leaves().begin(), weights.leaves().end());
  for (size_t k = 0; k < certain.size(); ++k) leaves[certain[k]] = certain_leaves[k];
  return leaves;
}

SystematicPlaces MakePlaces(const Executor* executor, const Population& population,
                            const std::vector<SystematicStratum>& strata,
                            absl::Span<const Leaf> leaves, LeafOrder order) {
  std::vector<Certain> parts(NumParts(leaves.size()));
  std::vector<uint32_t> least;  // certain leaf of each stratum
  for (const SystematicStratum& stratum : strata) {
    least.push_back(LeastCode(stratum.drawn.least_certain()));
  }
  const auto fill = [&](absl::Span<Leaf> out, SumPart sum_part) {
    ForEachPart(executor, leaves.size(), [&](size_t part, uint64_t begin, uint64_t end) {
      ForEachPiece(population, begin, end, kPiece, [&](size_t g, uint64_t first, uint64_t last) {
        Leaf* const piece = out.data() + first;
        if (order == LeafOrder::kPlaces) {
          std::copy(leaves.data() + first, leaves.data() + last, piece);
        } else {
          const uint64_t stratum = population.first(g);
          Gather(*strata[g].order, first - stratum, leaves.data() + stratum, piece, last - first);
        }
        parts[part].Take(least[g], first, piece, last - first);
      });
      sum_part(begin, end);
    });
  };
  SystematicPlaces places{WeightIndex(leaves.size(), fill), {}, {}};
  uint64_t certain = 0;
  for (const Certain& part : parts) certain += part.places.size();
  ReserveHuge(certain, &places.certain);
  ReserveHuge(certain, &places.certain_leaves);
  for (Certain& part : parts) {
    places.certain.insert(places.certain.end(), part.places.begin(), part.places.end());
    places.certain_leaves.insert(places.certain_leaves.end(), part.leaves.begin(),
                                 part.leaves.end());
    part = Certain{};
  }
  return places;
}

}  // namespace subset::sampling
