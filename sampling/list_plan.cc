#include "sampling/list_plan.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "sampling/bytes.h"
#include "sampling/drawn_slots.h"
#include "sampling/huge_array.h"
#include "sampling/list_weights.h"
#include "sampling/parts.h"
#include "sampling/permutation.h"
#include "sampling/sample_set.h"

namespace subset::sampling {
namespace {

constexpr uint32_t kForm = 0x4c503031;

// Everything a list plan is.
struct List {
  PlanTraits traits;
  std::vector<uint32_t> samples;
  std::vector<double> probabilities;  // one for all, or one a position
  std::vector<float> weights;         // likewise
};

class ListPlan final : public EpochPlan {
 public:
  // `expected`: of every sample, written out; or empty, and the population with what is expected of
  // its strata; or (neither) the counts of the list.
  ListPlan(const PlanInput& input, List list, std::vector<double> expected)
      : num_samples_(input.num_samples),
        epoch_(input.key.epoch),
        stored_(StoresList(input.spec)),
        list_(std::move(list)),
        expected_(std::move(expected)) {}
  ListPlan(const PlanInput& input, List list, Population population,
           std::vector<double> expected_by_stratum)
      : ListPlan(input, std::move(list), {}) {
    population_ = std::move(population);
    expected_by_stratum_ = std::move(expected_by_stratum);
  }

  const PlanTraits& traits() const override { return list_.traits; }
  void Draw(uint64_t position, absl::Span<uint32_t> indices, absl::Span<double> probabilities,
            absl::Span<float> weights) const override;
  void Expect(absl::Span<double> counts) const override;
  std::string Serialize() const override;

 private:
  // Constant after construction.
  const uint64_t num_samples_;
  const uint64_t epoch_;
  const bool stored_;
  const List list_;
  const std::vector<double> expected_;
  Population population_;
  std::vector<double> expected_by_stratum_;
};

// Copies out[k] from values[position + k], or from the only value.
template <typename T>
void CopyFrom(const std::vector<T>& values, uint64_t position, absl::Span<T> out) {
  if (values.size() == 1) {
    std::fill(out.begin(), out.end(), values[0]);
  } else {
    std::copy_n(values.begin() + position, out.size(), out.begin());
  }
}

void ListPlan::Draw(uint64_t position, absl::Span<uint32_t> indices,
                    absl::Span<double> probabilities, absl::Span<float> weights) const {
  std::copy_n(list_.samples.begin() + position, indices.size(), indices.begin());
  CopyFrom(list_.probabilities, position, probabilities);
  CopyFrom(list_.weights, position, weights);
}

void ListPlan::Expect(absl::Span<double> counts) const {
  if (!expected_.empty()) {
    std::copy(expected_.begin(), expected_.end(), counts.begin());
    return;
  }
  std::fill(counts.begin(), counts.end(), 0.0);
  if (expected_by_stratum_.empty()) {
    for (const uint32_t i : list_.samples) ++counts[i];
    return;
  }
  for (size_t g = 0; g < population_.num_strata(); ++g) {
    const uint64_t first = population_.first(g);
    for (uint64_t k = 0; k < population_.count(g); ++k) {
      counts[population_.sample(first + k)] = expected_by_stratum_[g];
    }
  }
}

std::string ListPlan::Serialize() const {
  if (!stored_) return "";
  std::vector<double> expected = expected_;
  if (!expected_by_stratum_.empty()) {
    expected.resize(num_samples_);
    Expect(absl::MakeSpan(expected));
  }
  const PlanTraits& traits = list_.traits;
  ByteWriter writer;
  writer.Put(kForm);
  writer.Put(static_cast<uint8_t>(traits.probability_kind));
  writer.Put(static_cast<uint8_t>(traits.unbiased_over));
  writer.Put(uint8_t{traits.fell_back_to_uniform});
  writer.Put(uint8_t{0});
  writer.Put(num_samples_);
  writer.Put(epoch_);
  writer.Put(uint64_t{list_.samples.size()});
  writer.Put(uint64_t{list_.probabilities.size()});
  writer.Put(uint64_t{list_.weights.size()});
  writer.Put(traits.distinct_samples);
  writer.Put(traits.effective_sample_ratio);
  writer.Put(uint64_t{expected.size()});
  writer.PutArray(list_.samples.data(), list_.samples.size());
  writer.PutArray(list_.probabilities.data(), list_.probabilities.size());
  writer.PutArray(list_.weights.data(), list_.weights.size());
  writer.PutArray(expected.data(), expected.size());
  return writer.Finish();
}

// Puts one value in place of equal ones, and sets what is the same at every position.
template <typename T>
std::optional<T> Fold(std::vector<T>* values) {
  if (values->empty()) return std::nullopt;
  const T first = values->front();
  for (const T value : *values) {
    if (value != first) return std::nullopt;
  }
  values->assign(1, first);
  values->shrink_to_fit();
  return first;
}

absl::StatusOr<DrawnSlots> DrawSlots(const PlanInput& input, const Population& population) {
  switch (input.spec.draw.kind) {
    case Draw::Kind::kEpoch:
      return DrawRepeats(input, population);
    case Draw::Kind::kIndependent:
      return DrawIndependent(input, population);
    case Draw::Kind::kRounds:
      return DrawRounds(input, population);
    case Draw::Kind::kBootstrap:
      return DrawBag(input, population);
    case Draw::Kind::kBlocks:
      return DrawBlocks(input, population);
    case Draw::Kind::kProvided:
      return DrawProvided(input, population);
    default:
      break;
  }
  SUBSET_CHECK(false);
  return DrawnSlots{};
}

void Shuffle(const PlanInput& input, DrawnSlots* drawn) {
  constexpr uint64_t kPiece = 1024;
  const size_t size = drawn->slots.size();
  if (!drawn->shuffle || size == 0) return;
  const Permutation order(size, DeriveKey(input.key, Purpose::kSlotOrder));
  std::vector<uint32_t> slots = HugeVector<uint32_t>(size);
  std::vector<double> factors(drawn->factors.size());
  ForEachPart(input.executor, size, [&](size_t, uint64_t first, uint64_t last) {
    uint32_t piece[kPiece];
    for (; first < last; first += kPiece) {
      const uint64_t count = std::min(kPiece, last - first);
      order.Fill(first, absl::MakeSpan(piece, count));
      for (uint64_t k = 0; k < count; ++k) slots[first + k] = drawn->slots[piece[k]];
      if (factors.empty()) continue;
      for (uint64_t k = 0; k < count; ++k) factors[first + k] = drawn->factors[piece[k]];
    }
  });
  drawn->slots = std::move(slots);
  drawn->factors = std::move(factors);
}

// The samples of slots, which are taken.
std::vector<uint32_t> SamplesOf(const Executor* executor, const Population& population,
                                std::vector<uint32_t> slots) {
  if (population.strata == nullptr) return slots;
  ForEachPart(executor, slots.size(), [&](size_t, uint64_t first, uint64_t last) {
    for (uint64_t p = first; p < last; ++p) slots[p] = population.sample(slots[p]);
  });
  return slots;
}

uint64_t CountDistinct(const std::vector<uint32_t>& slots, uint64_t num_slots) {
  SampleSet seen(num_slots);
  for (const uint32_t slot : slots) seen.Insert(slot);
  return seen.Count();
}

absl::Status Damaged(absl::string_view bytes) {
  return absl::DataLossError(
      absl::StrCat("stored plan of ", bytes.size(), " bytes is damaged or of another form"));
}

}  // namespace

bool DrawsList(const SamplerSpec& spec) {
  return spec.draw.kind > Draw::Kind::kSystematic || spec.repeats();
}

bool StoresList(const SamplerSpec& spec) {
  return spec.score_driven() || spec.draw.kind == Draw::Kind::kProvided;
}

absl::StatusOr<std::unique_ptr<EpochPlan>> BuildListPlan(const PlanInput& input,
                                                         const Population& population) {
  SUBSET_ASSIGN_OR_RETURN(DrawnSlots drawn, DrawSlots(input, population));
  List list;
  list.traits.distinct_samples = CountDistinct(drawn.slots, population.size());
  Shuffle(input, &drawn);
  ListWeights weighed = WeighSlots(input, population, drawn);
  list.samples = SamplesOf(input.executor, population, std::move(drawn.slots));
  list.probabilities = std::move(weighed.probabilities);
  list.weights = std::move(weighed.weights);
  list.traits.num_positions = list.samples.size();
  list.traits.probability_kind = drawn.probability_kind;
  list.traits.unbiased_over = weighed.unbiased_over;
  list.traits.probability = Fold(&list.probabilities);
  list.traits.weight = Fold(&list.weights);
  list.traits.effective_sample_ratio = weighed.effective_sample_ratio;
  list.traits.fell_back_to_uniform = drawn.fell_back_to_uniform;
  if (!drawn.expected_by_stratum.empty()) {
    return std::make_unique<ListPlan>(input, std::move(list), population,
                                      std::move(drawn.expected_by_stratum));
  }
  std::vector<double> expected;
  if (!drawn.expected_by_slot.empty()) {
    expected = HugeVector<double>(input.num_samples);
    ForEachPart(input.executor, population.size(), [&](size_t, uint64_t first, uint64_t last) {
      for (uint64_t slot = first; slot < last; ++slot) {
        expected[population.sample(slot)] = drawn.expected_by_slot[slot];
      }
    });
  }
  return std::make_unique<ListPlan>(input, std::move(list), std::move(expected));
}

absl::StatusOr<std::unique_ptr<EpochPlan>> ParseListPlan(const PlanInput& input,
                                                         absl::string_view serialized) {
  ByteReader reader(serialized);
  const auto form = reader.Get<uint32_t>();
  const auto probability_kind = reader.Get<uint8_t>();
  const auto unbiased_over = reader.Get<uint8_t>();
  const auto fell_back = reader.Get<uint8_t>();
  reader.Get<uint8_t>();
  const auto num_samples = reader.Get<uint64_t>();
  const auto epoch = reader.Get<uint64_t>();
  const auto positions = reader.Get<uint64_t>();
  const auto probabilities = reader.Get<uint64_t>();
  const auto weights = reader.Get<uint64_t>();
  List list;
  list.traits.num_positions = positions;
  list.traits.distinct_samples = reader.Get<uint64_t>();
  list.traits.effective_sample_ratio = reader.Get<double>();
  const auto expected = reader.Get<uint64_t>();
  if (!reader.ok() || form != kForm) return Damaged(serialized);
  if (num_samples != input.num_samples || epoch != input.key.epoch) {
    return absl::DataLossError(absl::StrCat("stored plan is of ", num_samples,
                                            " samples and epoch ", epoch, ", not of ",
                                            input.num_samples, " and ", input.key.epoch));
  }
  const auto fits = [&](uint64_t count) { return count == positions || (count == 1 && positions); };
  if (!fits(probabilities) || !fits(weights) || (expected != 0 && expected != num_samples) ||
      positions > reader.remaining() || num_samples > uint64_t{1} << 32 ||
      reader.remaining() != positions * sizeof(uint32_t) + probabilities * sizeof(double) +
                                weights * sizeof(float) + expected * sizeof(double)) {
    return Damaged(serialized);
  }
  list.samples.resize(positions);
  list.probabilities.resize(probabilities);
  list.weights.resize(weights);
  std::vector<double> counts(expected);
  reader.GetArray(list.samples.data(), positions);
  reader.GetArray(list.probabilities.data(), probabilities);
  reader.GetArray(list.weights.data(), weights);
  reader.GetArray(counts.data(), expected);
  for (const uint32_t i : list.samples) {
    if (i >= num_samples) return Damaged(serialized);
  }
  list.traits.probability_kind = static_cast<ProbabilityKind>(probability_kind);
  list.traits.unbiased_over = static_cast<UnbiasedOver>(unbiased_over);
  list.traits.fell_back_to_uniform = fell_back != 0;
  list.traits.probability = Fold(&list.probabilities);
  list.traits.weight = Fold(&list.weights);
  return std::make_unique<ListPlan>(input, std::move(list), std::move(counts));
}

}  // namespace subset::sampling
