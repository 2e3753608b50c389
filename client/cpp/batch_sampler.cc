#include "subset/batch_sampler.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "client/cpp/connection.h"
#include "client/cpp/epoch_reader.h"
#include "client/cpp/uniform_batch.h"

namespace subset {
namespace {

constexpr absl::Duration kOpening = absl::Seconds(30);  // what opening an epoch may take by itself
constexpr absl::Duration kPatience = absl::Minutes(8);
constexpr uint32_t kMaxInFlight = 1024;  // what the server accepts

absl::Status Validate(const v1::Run& run, const BatchSamplerOptions& options) {
  if (run.uid() == 0) return InvalidField("run", "has no uid: take it from CreateRun or GetRun");
  if (options.rank >= options.world_size) {
    return InvalidField(
        "rank", absl::StrCat(options.rank, " is outside [0, world_size ", options.world_size, ")"));
  }
  if (options.in_flight < 1 || options.in_flight > kMaxInFlight) {
    return InvalidField("in_flight",
                        absl::StrCat(options.in_flight, " is outside [1, ", kMaxInFlight, "]"));
  }
  if (options.patience && *options.patience < absl::ZeroDuration()) {
    return InvalidField("patience",
                        absl::StrCat(absl::FormatDuration(*options.patience), " is negative"));
  }
  if (options.on_outage != OnOutage::kUniform) return absl::OkStatus();
  if (options.patience == absl::ZeroDuration()) {
    return InvalidField("patience", "0 with kUniform would wait for no batch at all");
  }
  if (options.world_size > 1 && !options.agree) {
    return InvalidField("agree", absl::StrCat("is not given: all of ", options.world_size,
                                              " ranks must draw the same steps here"));
  }
  return absl::OkStatus();
}

// For how long a server that is away is waited for: to open an epoch, and to read it but for
// kUniform.
absl::Duration Patience(const BatchSamplerOptions& options) {
  if (options.on_outage == OnOutage::kUniform) return kPatience;
  const bool raise = options.on_outage == OnOutage::kRaise;
  return options.patience.value_or(raise ? absl::ZeroDuration() : kPatience);
}

}  // namespace

absl::StatusOr<std::unique_ptr<BatchSampler>> BatchSampler::Create(
    const client_internal::Connection& connection, v1::Run run, BatchSamplerOptions options) {
  SUBSET_RETURN_IF_ERROR(Validate(run, options));
  ClientOptions client_options = connection.options;
  client_options.retry.max_attempts = std::numeric_limits<int>::max();
  client_options.retry.patience = Patience(options);
  auto patient = std::make_shared<client_internal::Connection>(connection.channel, client_options);
  return std::unique_ptr<BatchSampler>(
      new BatchSampler(std::move(patient), std::move(run), std::move(options)));
}

BatchSampler::BatchSampler(std::shared_ptr<client_internal::Connection> connection, v1::Run run,
                           BatchSamplerOptions options)
    : connection_(std::move(connection)), run_(std::move(run)), options_(std::move(options)) {}

BatchSampler::~BatchSampler() = default;

absl::StatusOr<const BatchView*> BatchSampler::Next() {
  if (reader_ == nullptr) SUBSET_RETURN_IF_ERROR(Begin());
  if (place_.step >= opened_->num_steps()) {
    reader_.reset();
    place_ = {place_.epoch + 1, 0};
    return static_cast<const BatchView*>(nullptr);
  }
  const auto batch = reader_->Next();
  if (!batch.ok()) {
    reader_.reset();  // the next call begins again at place_
    return batch.status();
  }
  ++place_.step;
  if ((*batch)->fallback()) ++fallback_batches_;
  return batch;
}

void BatchSampler::SetEpoch(uint64_t epoch) {
  if (epoch == place_.epoch) return;
  reader_.reset();
  place_ = {epoch, 0};
}

std::string BatchSampler::State(const BatchView& after) const {
  return MakeState(run_, Following({after.epoch(), after.step() + 1}));
}

absl::Status BatchSampler::LoadState(absl::string_view state) {
  SUBSET_ASSIGN_OR_RETURN(place_, ReadState(state, run_));
  reader_.reset();
  return absl::OkStatus();
}

Place BatchSampler::Following(Place place) const {
  const bool over = opened_ && opened_->epoch() == place.epoch && place.step > 0 &&
                    place.step >= opened_->num_steps();
  return over ? Place{place.epoch + 1, 0} : place;
}

absl::Status BatchSampler::Open() {
  if (opened_ && opened_->epoch() == place_.epoch) return absl::OkStatus();
  v1::OpenEpochRequest request;
  request.set_run_uid(run_.uid());
  request.set_epoch(place_.epoch);
  const absl::Duration timeout = absl::Seconds(run_.feedback_timeout().seconds()) + kOpening +
                                 connection_->options.retry.patience;
  SUBSET_ASSIGN_OR_RETURN(
      opened_, client_internal::CallUnary(*connection_, *connection_->training,
                                          &v1::TrainingService::Stub::OpenEpoch, request, timeout));
  return absl::OkStatus();
}

absl::Status BatchSampler::Begin() {
  SUBSET_RETURN_IF_ERROR(Open());
  if (place_.step > 0 && place_.step == opened_->num_steps()) {  // a state after the last batch
    place_ = {place_.epoch + 1, 0};
    SUBSET_RETURN_IF_ERROR(Open());
  }
  if (place_.step > opened_->num_steps()) {
    return absl::OutOfRangeError(absl::StrCat("step ", place_.step, " is past epoch ", place_.epoch,
                                              ", which has ", opened_->num_steps()));
  }
  if (options_.on_outage == OnOutage::kUniform) {
    v1::GetSamplerRequest request;
    request.set_name(run_.sampler());
    SUBSET_ASSIGN_OR_RETURN(
        const v1::Sampler sampler,
        client_internal::CallUnary(*connection_, *connection_->samplers,
                                   &v1::SamplerService::Stub::GetSampler, request, std::nullopt));
    SUBSET_RETURN_IF_ERROR(client_internal::CheckUnrestricted(sampler));
  }
  reader_ = std::make_unique<client_internal::EpochReader>(connection_, run_, *opened_, options_,
                                                           place_.step);
  return absl::OkStatus();
}

}  // namespace subset
