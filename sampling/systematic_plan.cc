#include "sampling/systematic_plan.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "sampling/bytes.h"
#include "sampling/epoch_slots.h"
#include "sampling/outlook.h"
#include "sampling/parts.h"
#include "sampling/permutation.h"
#include "sampling/range_lookup.h"
#include "sampling/stratum_parts.h"
#include "sampling/systematic_leaves.h"
#include "sampling/systematic_places.h"
#include "sampling/systematic_strata.h"
#include "sampling/targets.h"
#include "sampling/weight_rule.h"

namespace subset::sampling {
namespace {

constexpr uint32_t kForm = 0x53593031;
constexpr size_t kPiece = 256;  // positions, or places, that are worked on at once

// Of the weights of what is not certain: then a sample that has a tenth of it is within a
// thousandth of what it should have.
constexpr uint64_t kLeastMean = 4096;

class SystematicPlan final : public EpochPlan {
 public:
  SystematicPlan(const PlanInput& input, const Population& population,
                 std::vector<SystematicStratum> strata, const SystematicLeaves& leaves,
                 LeafOrder order);

  const PlanTraits& traits() const override { return traits_; }
  void Draw(uint64_t position, absl::Span<uint32_t> indices, absl::Span<double> probabilities,
            absl::Span<float> weights) const override;
  void Expect(absl::Span<double> counts) const override;
  std::string Serialize() const override;

 private:
  struct Piece;

  Outlook Look() const;
  void FindPlaces(uint64_t position, size_t count, Piece* piece) const;

  // Constant after construction.
  const Population population_;
  const uint64_t epoch_;
  const bool stored_;
  const std::vector<SystematicStratum> strata_;
  const RangeLookup ranks_;  // of each stratum, among all that are drawn
  const Permutation positions_;
  const SystematicPlaces places_;
  std::vector<double> mass_;  // of each stratum: exact weight times mu
  WeightRule rule_;
  PlanTraits traits_;
};

RangeLookup RanksOf(const std::vector<SystematicStratum>& strata) {
  std::vector<uint64_t> bounds = {0};
  for (const SystematicStratum& stratum : strata) bounds.push_back(bounds.back() + stratum.count());
  return RangeLookup(std::move(bounds));
}

SystematicPlan::SystematicPlan(const PlanInput& input, const Population& population,
                               std::vector<SystematicStratum> strata,
                               const SystematicLeaves& leaves, LeafOrder order)
    : population_(population),
      epoch_(input.key.epoch),
      stored_(input.spec.score_driven()),
      strata_(std::move(strata)),
      ranks_(RanksOf(strata_)),
      positions_(std::max<uint64_t>(1, ranks_.total()), DeriveKey(input.key, Purpose::kSlotOrder)),
      places_(
          MakePlaces(input.executor, population, strata_, leaves.index->weights().leaves(), order)),
      mass_(InverseTargets(input, population)),
      rule_(input.spec.weight, 0) {
  for (double& mass : mass_) mass = static_cast<double>(ranks_.total()) / mass;
  const Outlook outlook = Look();
  const Weight& weight = input.spec.weight;
  rule_ = WeightRule(weight, outlook.largest_weight);
  traits_.num_positions = ranks_.total();
  traits_.distinct_samples = ranks_.total();
  traits_.unbiased_over = outlook.Unbiased(weight, rule_, UnbiasedOver::kBatch);
  if (outlook.least_mu == outlook.largest_mu) traits_.probability = outlook.least_mu;
  const auto smallest = static_cast<float>(rule_(outlook.smallest_weight));
  if (smallest == static_cast<float>(rule_(outlook.largest_weight))) traits_.weight = smallest;
  traits_.effective_sample_ratio = outlook.EffectiveSampleRatio(population.size());
  traits_.fell_back_to_uniform = leaves.fell_back_to_uniform;
  traits_.clamped_leaves = leaves.clamped;
}

Outlook SystematicPlan::Look() const {
  Outlook outlook;
  for (size_t g = 0; g < strata_.size(); ++g) {
    const RoundedLaw::Expectation& expected = strata_[g].expected;
    Outlook own;
    own.reached = expected.leaves == population_.count(g) && expected.least > 0;
    if (expected.largest > 0) {
      for (const double mu : {expected.least, expected.largest}) own.Add(mu, mass_[g] / mu, 0);
    }
    own.sum = expected.sum;
    own.squares = expected.squares;
    outlook.Merge(own);
  }
  return outlook;
}

// Of each position of a piece: its stratum, place and weight.
struct SystematicPlan::Piece {
  uint32_t strata[kPiece];
  uint64_t places[kPiece];
  uint32_t weights[kPiece];
};

void SystematicPlan::FindPlaces(uint64_t position, size_t count, Piece* piece) const {
  uint32_t ranks[kPiece];
  uint64_t targets[kPiece];  // of those that are not certain,
  size_t targeted[kPiece];   // and which they are
  size_t num_targets = 0;
  positions_.Fill(position, absl::MakeSpan(ranks, count));
  for (size_t k = 0; k < count; ++k) {
    const uint32_t g = strata_.size() == 1 ? 0 : ranks_.Find(ranks[k]);
    const SystematicStratum& stratum = strata_[g];
    const uint64_t rank = ranks[k] - ranks_.bounds()[g];
    piece->strata[k] = g;
    if (rank < stratum.drawn.certain()) {
      piece->places[k] = places_.certain[stratum.first_certain + rank];
      piece->weights[k] = LeafWeight(places_.certain_leaves[stratum.first_certain + rank]);
    } else {
      targets[num_targets] = stratum.base + stratum.points.At(rank - stratum.drawn.certain());
      targeted[num_targets++] = k;
    }
  }
  uint32_t places[kPiece];
  uint32_t weights[kPiece];
  places_.weights.Find(absl::MakeSpan(targets, num_targets), absl::MakeSpan(places, num_targets),
                       absl::MakeSpan(weights, num_targets));
  for (size_t k = 0; k < num_targets; ++k) {
    piece->places[targeted[k]] = places[k];
    piece->weights[targeted[k]] = weights[k];
  }
}

void SystematicPlan::Draw(uint64_t position, absl::Span<uint32_t> indices,
                          absl::Span<double> probabilities, absl::Span<float> weights) const {
  for (size_t begin = 0; begin < indices.size(); begin += kPiece) {
    Piece piece;
    const size_t count = std::min(kPiece, indices.size() - begin);
    FindPlaces(position + begin, count, &piece);
    for (size_t k = 0; k < count; ++k) {  // then all samples, whose misses overlap
      const uint64_t first = population_.first(piece.strata[k]);
      piece.places[k] = first + strata_[piece.strata[k]].order->At(piece.places[k] - first);
    }
    for (size_t k = 0; k < count; ++k) indices[begin + k] = population_.sample(piece.places[k]);
    if (probabilities.empty() && weights.empty()) continue;
    for (size_t k = 0; k < count; ++k) {
      const uint32_t g = piece.strata[k];
      const double mu = strata_[g].law.Expected(piece.weights[k]);
      if (!probabilities.empty()) probabilities[begin + k] = mu;
      if (!weights.empty()) weights[begin + k] = static_cast<float>(rule_(mass_[g] / mu));
    }
  }
}

void SystematicPlan::Expect(absl::Span<double> counts) const {
  std::fill(counts.begin(), counts.end(), 0.0);
  const std::vector<Leaf> leaves = places_.Leaves();
  ForEachPiece(population_, 0, leaves.size(), kPiece, [&](size_t g, uint64_t first, uint64_t last) {
    uint32_t slots[kPiece];
    const uint64_t stratum = population_.first(g);
    strata_[g].order->Fill(first - stratum, absl::MakeSpan(slots, last - first));
    for (uint64_t place = first; place < last; ++place) {
      counts[population_.sample(stratum + slots[place - first])] =
          strata_[g].law.Expected(LeafWeight(leaves[place]));
    }
  });
}

std::string SystematicPlan::Serialize() const {
  if (!stored_) return "";
  const std::vector<Leaf> leaves = places_.Leaves();
  ByteWriter writer;
  writer.Put(kForm);
  writer.Put(uint32_t{traits_.fell_back_to_uniform});
  writer.Put(population_.num_samples);
  writer.Put(epoch_);
  writer.Put(population_.size());
  writer.Put(uint64_t{strata_.size()});
  writer.Put(traits_.clamped_leaves);
  writer.PutArray(leaves.data(), leaves.size());
  return writer.Finish();
}

// Whether leaves tell what is not certain well apart.
bool Precise(const std::vector<SystematicStratum>& strata) {
  return std::all_of(strata.begin(), strata.end(), [](const SystematicStratum& stratum) {
    return stratum.drawn.total() >= kLeastMean * stratum.drawn.others();
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<EpochPlan>> BuildSystematicPlan(const PlanInput& input,
                                                               const Population& population) {
  SUBSET_ASSIGN_OR_RETURN(const uint64_t slots, EpochSlots(input.spec, population.size()));
  std::optional<SystematicLeaves> leaves = QuickLeaves(input, population);
  std::vector<SystematicStratum> strata;
  if (leaves.has_value()) strata = SystematicStrata(input, population, slots, *leaves->index);
  if (!leaves.has_value() || !Precise(strata)) {
    leaves = LeavesOfValues(input, population, slots);
    strata = SystematicStrata(input, population, slots, *leaves->index);
  }
  return std::make_unique<SystematicPlan>(input, population, std::move(strata), *leaves,
                                          LeafOrder::kSlots);
}

absl::StatusOr<std::unique_ptr<EpochPlan>> ParseSystematicPlan(const PlanInput& input,
                                                               const Population& population,
                                                               absl::string_view serialized) {
  SUBSET_ASSIGN_OR_RETURN(const uint64_t slots, EpochSlots(input.spec, population.size()));
  ByteReader reader(serialized);
  const auto form = reader.Get<uint32_t>();
  SystematicLeaves leaves;
  leaves.fell_back_to_uniform = reader.Get<uint32_t>() != 0;
  const auto num_samples = reader.Get<uint64_t>();
  const auto epoch = reader.Get<uint64_t>();
  const auto size = reader.Get<uint64_t>();
  const auto num_strata = reader.Get<uint64_t>();
  leaves.clamped = reader.Get<uint64_t>();
  if (!reader.ok() || form != kForm) {
    return absl::DataLossError(
        absl::StrCat("stored plan of ", serialized.size(), " bytes is damaged or of another form"));
  }
  if (num_samples != input.num_samples || epoch != input.key.epoch || size != population.size() ||
      num_strata != population.num_strata() || reader.remaining() != size * sizeof(Leaf)) {
    return absl::DataLossError(absl::StrCat(
        "stored plan of ", serialized.size(), " bytes is of ", size, " of ", num_samples,
        " samples in ", num_strata, " strata and epoch ", epoch, ", not of ", population.size(),
        " of ", input.num_samples, " in ", population.num_strata(), " and ", input.key.epoch));
  }
  leaves.index =
      std::make_unique<StratumIndex>(population, [&](absl::Span<Leaf> out, SumPart sum_part) {
        reader.GetArray(out.data(), out.size());
        ForEachPart(input.executor, out.size(),
                    [&](size_t, uint64_t first, uint64_t last) { sum_part(first, last); });
      });
  std::vector<SystematicStratum> strata = SystematicStrata(input, population, slots, *leaves.index);
  return std::make_unique<SystematicPlan>(input, population, std::move(strata), leaves,
                                          LeafOrder::kPlaces);
}

}  // namespace subset::sampling
