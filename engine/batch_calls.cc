// The engine's calls about epochs and batches. GetBatch is the hot path: no disk, no allocation but
// the reply's bytes, no lock but for looking up the run and its epoch.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/local_engine.h"

namespace subset {
namespace {

constexpr uint64_t kMaxEpoch = (uint64_t{1} << 32) - 1;

absl::Status CheckEpoch(uint64_t epoch) {
  if (epoch <= kMaxEpoch) return absl::OkStatus();
  return InvalidField("epoch", absl::StrCat(epoch, " is outside [0, ", kMaxEpoch, "]"));
}

}  // namespace

void LocalEngine::OpenEpoch(const v1::OpenEpochRequest& request, Cancelled cancelled,
                            Done<v1::Epoch> done) {
  const auto run = RequireRun(request.run_uid());
  if (!run.ok()) return done(run.status());
  const absl::Status valid = CheckEpoch(request.epoch());
  if (!valid.ok()) return done(valid);
  if (const auto epoch = (*run)->FindEpoch(request.epoch())) {
    return done((*run)->DescribeEpoch(*epoch));
  }
  planner_.Request(*run, request.epoch(), request.now(), std::move(cancelled),
                   [run = *run, done = std::move(done)](
                       absl::StatusOr<std::shared_ptr<const Epoch>> epoch) mutable {
                     if (!epoch.ok()) return done(epoch.status());
                     done(run->DescribeEpoch(**epoch));
                   });
}

void LocalEngine::GetBatch(const v1::GetBatchRequest& request, v1::Batch* reply,
                           Cancelled cancelled, BatchDone done) {
  const std::shared_ptr<Run> run = catalog_->FindRun(request.run_uid());
  if (run == nullptr) return done(RequireRun(request.run_uid()).status());
  Use(*run);
  absl::Status valid = ValidateAddress(request);
  if (valid.ok()) valid = CheckEpoch(request.epoch());
  if (!valid.ok()) return done(valid);
  if (const auto epoch = run->FindEpoch(request.epoch())) {
    return Serve(run, epoch, request, reply, std::move(done));
  }
  if (request.replay()) {
    return done(
        WithReason(WithField(absl::FailedPreconditionError(absl::StrCat(
                                 "epoch ", request.epoch(), " of run \"", run->settings().name(),
                                 "\" is not open, or no longer kept: there is nothing to replay")),
                             "epoch"),
                   "EPOCH_NOT_OPEN"));
  }
  planner_.Request(run, request.epoch(), /*now=*/false, std::move(cancelled),
                   [this, run, request, reply, done = std::move(done)](
                       absl::StatusOr<std::shared_ptr<const Epoch>> epoch) mutable {
                     if (!epoch.ok()) return done(epoch.status());
                     Serve(run, *epoch, request, reply, std::move(done));
                   });
}

void LocalEngine::Serve(const std::shared_ptr<Run>& run, const std::shared_ptr<const Epoch>& epoch,
                        const v1::GetBatchRequest& request, v1::Batch* reply, BatchDone done) {
  if (request.has_leased()) return ServeLeased(run, epoch, request, reply, std::move(done));
  const auto address = ResolveAddress(request, run->settings(), epoch->num_positions());
  if (!address.ok()) return done(address.status());
  ServeRange(run, epoch, *address, request, reply, std::move(done));
}

void LocalEngine::ServeRange(const std::shared_ptr<Run>& run,
                             const std::shared_ptr<const Epoch>& epoch, const BatchAddress& address,
                             const v1::GetBatchRequest& request, v1::Batch* reply, BatchDone done) {
  reply->set_generation(run->generation());
  if (request.replay()) {
    const Block block{address.position, address.position + address.count};
    for (v1::AcknowledgedBlock& known : run->AuditOf(epoch->number(), block)) {
      *reply->add_acknowledged() = std::move(known);
    }
  } else {
    run->counters().batches_served.fetch_add(1, std::memory_order_relaxed);
    run->counters().samples_drawn.fetch_add(address.count - address.padding,
                                            std::memory_order_relaxed);
  }
  if (epoch->live()) {
    return ServeLive(run, epoch, address, request, reply, std::move(done));
  }
  FillBatch(*epoch, address, request.omit_probabilities(), reply);
  done(absl::OkStatus());
}

void LocalEngine::ServeLive(const std::shared_ptr<Run>& run,
                            const std::shared_ptr<const Epoch>& epoch, const BatchAddress& address,
                            const v1::GetBatchRequest& request, v1::Batch* reply, BatchDone done) {
  const uint32_t global_batch_size = run->settings().global_batch_size();
  LiveDraws::Steps steps;
  steps.epoch = epoch->number();
  steps.first = address.position / global_batch_size;
  steps.last = (address.position + address.count - 1) / global_batch_size;
  const uint64_t end = (epoch->num_positions() + global_batch_size - 1) / global_batch_size;
  const uint64_t together = epoch->sampler->steps_together();
  steps.last_drawn = std::min(end, (steps.last / together + 1) * together) - 1;
  steps.keep = epoch->opened.keep_live_batches();
  auto fill = [epoch, global_batch_size, address, omit = request.omit_probabilities(), reply,
               done =
                   std::move(done)](absl::StatusOr<std::vector<LiveDraws::Batch>> batches) mutable {
    if (!batches.ok()) return done(batches.status());
    FillLiveBatch(*epoch, global_batch_size, address, *batches, omit, reply);
    done(absl::OkStatus());
  };
  if (request.replay()) return run->live_draws().Replay(steps, std::move(fill));
  run->live_draws().Request(
      steps,
      [&](const std::vector<uint64_t>& missing) {
        return run->DrawLive(*epoch, missing, incarnation_);
      },
      [&](uint64_t step, LiveDraws::Batch batch) { return LogLive(run, step, std::move(batch)); },
      std::move(fill));
}

absl::Status LocalEngine::LogLive(const std::shared_ptr<Run>& run, uint64_t step,
                                  LiveDraws::Batch batch) {
  auto record = std::make_shared<log::v1::Record>(NewRecord());
  *record->mutable_batch_drawn() = *batch;
  auto outcome = std::make_shared<Outcome>();
  Writer::Entry entry;
  entry.record = record->SerializeAsString();
  entry.sync = false;
  entry.apply = [this, record, outcome](uint64_t sequence) {
    *outcome = catalog_->Apply(sequence, *record);
  };
  entry.done = [run, outcome, epoch = batch->epoch(), step](const absl::Status& logged) {
    run->live_draws().Logged(epoch, step, logged.ok() ? outcome->status : logged);
  };
  return writer_.Submit(std::move(entry));
}

}  // namespace subset
