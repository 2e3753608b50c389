#include "engine/local_engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace subset {

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(const EngineOptions& options,
                                                     std::unique_ptr<Store> store) {
  const absl::Duration start = options.clock->Monotonic();
  auto catalog = std::make_unique<Catalog>();
  SUBSET_ASSIGN_OR_RETURN(Recovered recovered, Recover(store.get(), catalog.get()));
  log::v1::Record started;
  started.set_time_micros(absl::ToUnixMicros(options.clock->Now()));
  started.mutable_server_started();
  const std::string bytes = started.SerializeAsString();
  const absl::string_view record = bytes;
  SUBSET_ASSIGN_OR_RETURN(const uint64_t sequence, store->Append({&record, 1}, /*sync=*/true));
  catalog->Apply(sequence, started);
  const absl::Duration recovery = options.clock->Monotonic() - start;
  Log(LogLevel::kInfo, "recovered",
      {{"incarnation", absl::StrCat(catalog->incarnation())},
       {"records", absl::StrCat(recovered.records)},
       {"seconds", absl::StrCat(absl::ToDoubleSeconds(recovery))}});
  return std::make_unique<LocalEngine>(options, std::move(store), std::move(catalog),
                                       std::move(recovered), recovery);
}

LocalEngine::LocalEngine(const EngineOptions& options, std::unique_ptr<Store> store,
                         std::unique_ptr<Catalog> catalog, Recovered recovered,
                         absl::Duration recovery)
    : options_(options),
      recovered_(std::move(recovered)),
      recovery_(recovery),
      incarnation_(catalog->incarnation()),
      store_(std::move(store)),
      catalog_(std::move(catalog)),
      memory_(catalog_.get(), options.max_memory_bytes),
      writer_(store_.get(), options.observer, [this](size_t bytes) { keeper_.NoteLog(bytes); }),
      keeper_(options, store_.get(), catalog_.get(), &writer_, recovered_.catalog_sequence,
              recovered_.live_images),
      planner_(options, store_.get(), catalog_.get(), &writer_, &keeper_, &memory_),
      expiry_([this] { ExpireIdleRuns(); }) {}

LocalEngine::~LocalEngine() {
  expiry_.Stop();
  planner_.StopWaiting();
  keeper_.Stop();
  writer_.Stop();
  planner_.Stop();
}

log::v1::Record LocalEngine::NewRecord() const {
  log::v1::Record record;
  record.set_time_micros(absl::ToUnixMicros(options_.clock->Now()));
  return record;
}

void LocalEngine::Submit(log::v1::Record record, bool sync, Attachments attachments,
                         absl::AnyInvocable<void(Outcome)> done) {
  struct Call {
    log::v1::Record record;
    Attachments attachments;
    Outcome outcome;
    absl::AnyInvocable<void(Outcome)> done;
  };
  auto call = std::make_shared<Call>();
  call->record = std::move(record);
  call->attachments = std::move(attachments);
  call->done = std::move(done);
  Writer::Entry entry;
  entry.record = call->record.SerializeAsString();
  entry.sync = sync;
  entry.apply = [this, call](uint64_t sequence) {
    call->outcome = catalog_->Apply(sequence, call->record, std::move(call->attachments));
  };
  entry.done = [this, call](const absl::Status& logged) {
    if (!logged.ok()) call->outcome.status = logged;
    keeper_.Delete(std::move(call->outcome.garbage));
    keeper_.DeleteAfterCatalog(std::move(call->outcome.garbage_after_catalog));
    for (const Uid run : call->outcome.deleted_runs) planner_.Poke(run);
    if (call->outcome.feedback.epoch_complete || call->outcome.acknowledged.epoch_complete) {
      planner_.Poke(call->outcome.run->uid());
    }
    call->done(std::move(call->outcome));
  };
  const absl::Status queued = writer_.Submit(std::move(entry));
  if (queued.ok()) return;
  Outcome refused;
  refused.status = queued;
  call->done(std::move(refused));
}

RunStats LocalEngine::StatsOf(Run& run) const {
  RunStats stats;
  const v1::Run described = Describe(run);
  stats.run = described.name();
  stats.dataset = described.sampler().substr(0, described.sampler().find('/'));
  if (const auto sampler = catalog_->FindSampler(described.sampler_uid())) {
    stats.preset = sampler->proto.preset();
  }
  stats.scored_samples = described.scored_samples();
  stats.score_records = described.score_version().records();
  if (!described.epochs().empty()) {
    const v1::Epoch& newest = described.epochs(described.epochs_size() - 1);
    stats.epoch = newest.epoch();
    stats.effective_sample_ratio = newest.effective_sample_ratio();
    const uint64_t needed = NumPositionsToReport(newest.num_positions(), described);
    stats.epoch_progress_ratio =
        needed == 0 ? 1
                    : std::min(1.0, static_cast<double>(newest.acknowledged_positions()) /
                                        static_cast<double>(needed));
  }
  const RunCounters& counters = run.counters();
  stats.batches_served = counters.batches_served.load(std::memory_order_relaxed);
  stats.samples_drawn = counters.samples_drawn.load(std::memory_order_relaxed);
  stats.feedback_messages = counters.feedback_messages.load(std::memory_order_relaxed);
  stats.feedback_updates = counters.feedback_updates.load(std::memory_order_relaxed);
  stats.feedback_duplicates = counters.feedback_duplicates.load(std::memory_order_relaxed);
  stats.leases = run.leases().Stats(options_.clock->Monotonic());
  stats.parked_blocks = run.num_parked_blocks();
  return stats;
}

EngineStats LocalEngine::Stats() {
  EngineStats stats;
  stats.incarnation = incarnation_;
  stats.store = store_->Info();
  stats.read_only = stats.store.read_only;
  stats.queued_records = writer_.queued();
  stats.waiting_requests = planner_.waiting();
  stats.recovery = recovery_;
  stats.recovery_records = recovered_.records;
  for (const auto& dataset : catalog_->Datasets()) {
    stats.datasets.push_back({dataset->name(), dataset->num_samples(), dataset->memory_bytes()});
  }
  for (const auto& run : catalog_->Runs()) stats.runs.push_back(StatsOf(*run));
  return stats;
}

}  // namespace subset
