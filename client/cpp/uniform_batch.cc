#include "client/cpp/uniform_batch.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/philox.h"

namespace subset::client_internal {
namespace {

constexpr uint64_t kPurpose = 0x7375627365740001;  // apart from other uses of the run's seed

template <class Index>
void SetIndices(absl::Span<const uint64_t> indices, v1::Batch* batch) {
  const std::vector<Index> bytes(indices.begin(), indices.end());
  batch->set_index_width(sizeof(Index));
  batch->set_indices(bytes.data(), bytes.size() * sizeof(Index));
}

}  // namespace

std::vector<uint64_t> UniformIndices(uint64_t seed, uint64_t epoch, uint64_t step,
                                     uint64_t num_samples, uint64_t total) {
  std::vector<uint64_t> indices(total);
  absl::flat_hash_map<uint64_t, uint64_t> moved;  // what stands at a place, where not its number
  PhiloxBlock words{};
  for (uint64_t i = 0; i < total; ++i) {
    if (i % 4 == 0) words = Philox({seed, kPurpose}, {i / 4 + 1, 0, step, epoch});
    const uint64_t word = words[i % 4];
    if (total > num_samples) {
      indices[i] = MultiplyHigh(word, num_samples);
      continue;
    }
    const auto at = [&moved](uint64_t place) {
      const auto found = moved.find(place);
      return found == moved.end() ? place : found->second;
    };
    const uint64_t other = i + MultiplyHigh(word, num_samples - i);
    indices[i] = at(other);
    moved[other] = at(i);
  }
  return indices;
}

v1::Batch UniformBatch(const v1::Run& run, const v1::Epoch& epoch, uint64_t step, uint32_t rank,
                       uint32_t world_size) {
  const uint64_t first = step * run.global_batch_size();
  const uint64_t total = std::min<uint64_t>(run.global_batch_size(), epoch.num_positions() - first);
  const uint64_t begin = rank * total / world_size, end = (rank + uint64_t{1}) * total / world_size;
  const bool padding = begin == end;
  const auto all = UniformIndices(run.seed(), epoch.epoch(), step, run.num_samples(), total);
  const absl::Span<const uint64_t> share(all.data() + begin, end - begin + padding);
  v1::Batch batch;
  batch.set_epoch(epoch.epoch());
  batch.set_position(first + begin);
  batch.set_step(step);
  if (run.num_samples() <= uint64_t{1} << 32) {
    SetIndices<uint32_t>(share, &batch);
  } else {
    SetIndices<uint64_t>(share, &batch);
  }
  batch.set_probability(1.0 / static_cast<double>(run.num_samples()));
  batch.set_weight(padding ? 0 : 1);
  batch.set_probability_kind(v1::PROBABILITY_KIND_PER_DRAW);
  batch.set_unbiased_over(v1::UNBIASED_OVER_NOTHING);
  batch.set_padding(padding);
  batch.set_global_samples(static_cast<uint32_t>(total));
  return batch;
}

absl::Status CheckUnrestricted(const v1::Sampler& sampler) {
  const v1::SamplerSpec& spec = sampler.spec();
  const char* limit = spec.eligible().all_size() > 0                         ? "eligible"
                      : spec.proportion().kind() == v1::Proportion::EXPLICIT ? "proportion EXPLICIT"
                                                                             : nullptr;
  if (limit == nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("uniform batches would be drawn from all samples, and sampler \"",
                   sampler.name(), "\" has ", limit, ", which leaves some out"));
}

}  // namespace subset::client_internal
