#include "engine/batch.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/base/config.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/types.h"
#include "engine/spec_proto.h"

#ifndef ABSL_IS_LITTLE_ENDIAN
#error "batches are sent as the memory of a little-endian machine"
#endif

namespace subset {
namespace {

absl::Status EpochEnd(absl::string_view field, uint64_t value, uint64_t end,
                      absl::string_view unit) {
  return WithReason(
      WithField(absl::OutOfRangeError(absl::StrCat(
                    field, " ", value, " is past the end: the epoch has ", end, " ", unit)),
                field),
      "EPOCH_END");
}

// The values of a bytes field, to draw into. What a string holds inline may be aligned for less
// than T: then values are drawn beside it and copied.
template <typename T>
class ValuesOf {
 public:
  ValuesOf(std::string* bytes, size_t count) : bytes_(bytes), count_(count) {
    bytes_->resize(count * sizeof(T));
    if (reinterpret_cast<uintptr_t>(bytes_->data()) % alignof(T) != 0) beside_.resize(count);
  }
  ~ValuesOf() {
    if (!beside_.empty()) std::memcpy(bytes_->data(), beside_.data(), count_ * sizeof(T));
  }
  absl::Span<T> span() {
    return beside_.empty() ? absl::MakeSpan(reinterpret_cast<T*>(bytes_->data()), count_)
                           : absl::MakeSpan(beside_);
  }

 private:
  std::string* const bytes_;
  const size_t count_;
  std::vector<T> beside_;
};

void FillHeader(const Epoch& epoch, const sampling::PlanTraits& traits, const BatchAddress& address,
                const v1::ScoreVersion& version, v1::Batch* reply) {
  reply->set_epoch(epoch.number());
  reply->set_position(address.position);
  reply->set_step(address.step);
  reply->set_attempt(1);
  reply->set_index_width(sizeof(uint32_t));
  reply->set_probability_kind(ProbabilityKindToProto(traits.probability_kind));
  reply->set_unbiased_over(UnbiasedOverToProto(traits.unbiased_over));
  reply->set_sampler_version(epoch.opened.sampler_version());
  *reply->mutable_score_version() = version;
  reply->set_padding(address.padding);
  reply->set_global_samples(address.global_samples);
}

void PadWeight(const BatchAddress& address, v1::Batch* reply) {
  if (address.padding == 0) return;
  reply->clear_weights();
  reply->set_weight(0);
}

}  // namespace

absl::Status ValidateAddress(const v1::GetBatchRequest& request) {
  const auto outside = [](absl::string_view field, uint64_t value) {
    return InvalidField(field, absl::StrCat(value, " is outside [1, ", kMaxBatchSize, "]"));
  };
  if (request.num_batches() > 1) {
    return InvalidField("num_batches", absl::StrCat(request.num_batches(),
                                                    " is outside [0, 1], or in a stream [0, ",
                                                    kMaxBatchesAsked, "]"));
  }
  switch (request.address_case()) {
    case v1::GetBatchRequest::kAssigned: {
      const auto& assigned = request.assigned();
      if (assigned.world_size() == 0 || assigned.world_size() > kMaxBatchSize) {
        return outside("assigned.world_size", assigned.world_size());
      }
      if (assigned.rank() >= assigned.world_size()) {
        return InvalidField("assigned.rank", absl::StrCat(assigned.rank(), " is outside [0, ",
                                                          assigned.world_size(), ")"));
      }
      return absl::OkStatus();
    }
    case v1::GetBatchRequest::kPositions:
      if (request.positions().batch_size() == 0 ||
          request.positions().batch_size() > kMaxBatchSize) {
        return outside("positions.batch_size", request.positions().batch_size());
      }
      return absl::OkStatus();
    case v1::GetBatchRequest::kLeased:
      if (request.replay()) return InvalidField("replay", "is not for a leased address");
      return absl::OkStatus();
    case v1::GetBatchRequest::ADDRESS_NOT_SET:
      break;
  }
  return InvalidField("address", "is not set: one of assigned, positions and leased");
}

absl::StatusOr<BatchAddress> ResolveAddress(const v1::GetBatchRequest& request, const v1::Run& run,
                                            uint64_t num_positions) {
  BatchAddress address;
  if (request.has_positions()) {
    address.position = request.positions().position();
    if (address.position >= num_positions) {
      return EpochEnd("positions.position", address.position, num_positions, "positions");
    }
    address.count = static_cast<uint32_t>(
        std::min<uint64_t>(request.positions().batch_size(), num_positions - address.position));
    address.global_samples = address.count;
    return address;
  }
  const auto& assigned = request.assigned();
  const uint64_t steps = NumSteps(num_positions, run);
  if (assigned.step() >= steps) return EpochEnd("assigned.step", assigned.step(), steps, "steps");
  const uint64_t start = assigned.step() * run.global_batch_size();
  const uint64_t samples = std::min<uint64_t>(run.global_batch_size(), num_positions - start);
  const uint64_t first = assigned.rank() * samples / assigned.world_size();
  const uint64_t last = (assigned.rank() + uint64_t{1}) * samples / assigned.world_size();
  address.step = assigned.step();
  address.global_samples = static_cast<uint32_t>(samples);
  if (first == last) {
    // Every rank takes part in every step: this one with a sample that does not count.
    address.position = start;
    address.count = 1;
    address.padding = 1;
  } else {
    address.position = start + first;
    address.count = static_cast<uint32_t>(last - first);
  }
  return address;
}

void FillBatch(const Epoch& epoch, const BatchAddress& address, bool omit_probabilities,
               v1::Batch* reply) {
  const sampling::PlanTraits& traits = epoch.plan->traits();
  FillHeader(epoch, traits, address, epoch.opened.score_version(), reply);
  if (traits.probability.has_value()) reply->set_probability(*traits.probability);
  if (traits.weight.has_value()) reply->set_weight(*traits.weight);
  const bool probabilities = !traits.probability.has_value() && !omit_probabilities;
  const bool weights = !traits.weight.has_value() && address.padding == 0;
  {
    ValuesOf<uint32_t> indices(reply->mutable_indices(), address.count);
    ValuesOf<double> probability(reply->mutable_probabilities(), probabilities ? address.count : 0);
    ValuesOf<float> weight(reply->mutable_weights(), weights ? address.count : 0);
    epoch.plan->Draw(address.position, indices.span(), probability.span(), weight.span());
  }
  PadWeight(address, reply);
}

void FillLiveBatch(const Epoch& epoch, uint32_t global_batch_size, const BatchAddress& address,
                   absl::Span<const LiveDraws::Batch> batches, bool omit_probabilities,
                   v1::Batch* reply) {
  FillHeader(epoch, epoch.live_traits, address, batches.front()->score_version(), reply);
  reply->clear_indices();
  uint64_t position = address.position;
  uint64_t left = address.count;
  for (const LiveDraws::Batch& batch : batches) {
    const uint64_t from = position - batch->position();
    const uint64_t count = std::min<uint64_t>(left, global_batch_size - from);
    const auto append = [from, count](const std::string& values, size_t width, std::string* out) {
      out->append(values, from * width, count * width);
    };
    append(batch->indices(), sizeof(uint32_t), reply->mutable_indices());
    if (!omit_probabilities) {
      append(batch->probabilities(), sizeof(double), reply->mutable_probabilities());
    }
    append(batch->weights(), sizeof(float), reply->mutable_weights());
    position += count;
    left -= count;
  }
  PadWeight(address, reply);
}

}  // namespace subset
