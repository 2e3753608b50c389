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

struct Certain {
  std::vector<uint32_t> places;
  std::vector<Leaf> leaves;

  // Takes what weighs at least so much of a piece from place `first` on, and leaves 0 there.
  void Take(uint32_t least, uint64_t first, absl::Span<Leaf> piece) {
    uint32_t at[kPiece];
    Leaf taken[kPiece];
    size_t count = 0;
    for (size_t k = 0; k < piece.size(); ++k) {  // no branch: it is not predictable
      const bool certain = LeafWeight(piece[k]) >= least;
      at[count] = static_cast<uint32_t>(first + k);
      taken[count] = piece[k];
      count += certain;
      piece[k] = certain ? Leaf{0} : piece[k];
    }
    places.insert(places.end(), at, at + count);
    leaves.insert(leaves.end(), taken, taken + count);
  }
};

// Writes the leaves of a stratum's places first, first + 1, ...
void Gather(const Permutation& order, uint64_t first, absl::Span<const Leaf> own,
            absl::Span<Leaf> piece) {
  uint32_t slots[kPiece];
  order.Fill(first, absl::MakeSpan(slots, piece.size()));
  for (size_t k = 0; k < piece.size(); ++k) __builtin_prefetch(&own[slots[k]]);
  for (size_t k = 0; k < piece.size(); ++k) piece[k] = own[slots[k]];
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
  const auto fill = [&](absl::Span<Leaf> out, SumPart sum_part) {
    ForEachPart(executor, leaves.size(), [&](size_t part, uint64_t begin, uint64_t end) {
      ForEachPiece(population, begin, end, kPiece, [&](size_t g, uint64_t first, uint64_t last) {
        const absl::Span<Leaf> piece = out.subspan(first, last - first);
        if (order == LeafOrder::kPlaces) {
          std::copy_n(leaves.begin() + first, piece.size(), piece.begin());
        } else {
          const uint64_t stratum = population.first(g);
          Gather(*strata[g].order, first - stratum, leaves.subspan(stratum, population.count(g)),
                 piece);
        }
        parts[part].Take(strata[g].drawn.least_certain(), first, piece);
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
