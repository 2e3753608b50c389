#include "engine/planner.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/image_names.h"

namespace subset {
namespace {

// How often waiting requests are asked whether they were cancelled or timed out.
constexpr absl::Duration kSweepEvery = absl::Milliseconds(20);

absl::Status ShuttingDown() {
  return WithReason(absl::UnavailableError("the server is shutting down"), "SHUTTING_DOWN");
}

absl::Duration FeedbackTimeout(const v1::Run& run) {
  return absl::Seconds(run.feedback_timeout().seconds()) +
         absl::Nanoseconds(run.feedback_timeout().nanos());
}

}  // namespace

Planner::Planner(const EngineOptions& options, Store* store, Catalog* catalog, Writer* writer,
                 ImageKeeper* keeper, const MemoryLimit* memory)
    : store_(store),
      catalog_(catalog),
      writer_(writer),
      keeper_(keeper),
      memory_(memory),
      observer_(options.observer),
      clock_(options.clock),
      keep_plans_(options.keep_plans),
      keep_live_batches_(options.keep_live_batches),
      thread_([this] { Loop(); }) {}

Planner::~Planner() { Stop(); }

void Planner::Request(std::shared_ptr<Run> run, uint64_t epoch, bool now,
                      Engine::Cancelled cancelled, Done done) {
  Target target;
  target.now = now;
  target.waiters.push_back({std::move(cancelled), std::move(done)});
  Add(std::move(run), epoch, std::move(target));
}

void Planner::Provide(std::shared_ptr<Run> run, uint64_t epoch,
                      std::shared_ptr<const ProvidedContent> content, Done done) {
  Target target;
  target.provided = std::move(content);
  target.waiters.push_back({nullptr, std::move(done)});
  Add(std::move(run), epoch, std::move(target));
}

void Planner::Add(std::shared_ptr<Run> run, uint64_t epoch, Target wanted) {
  waiting_.fetch_add(1, std::memory_order_relaxed);
  Post([this, run = std::move(run), epoch, wanted = std::move(wanted)]() mutable {
    Waiter& waiter = wanted.waiters.front();
    if (refusing_) {
      waiting_.fetch_sub(1, std::memory_order_relaxed);
      return waiter.done(ShuttingDown());
    }
    const Uid uid = run->uid();
    Waiting& waiting = runs_[uid];
    waiting.run = std::move(run);
    const auto [it, added] = waiting.targets.try_emplace(epoch);
    Target& target = it->second;
    if (added) target.since = clock_->Monotonic();
    target.now = target.now || wanted.now;
    if (target.provided == nullptr) target.provided = std::move(wanted.provided);
    target.waiters.push_back(std::move(waiter));
    Look(uid);
  });
}

void Planner::Poke(Uid run) {
  Post([this, run] { Look(run); });
}

void Planner::StopWaiting() {
  Post([this] {
    refusing_ = true;
    for (auto& [uid, waiting] : runs_) FinishAll(waiting, ShuttingDown());
  });
}

void Planner::Stop() {
  StopWaiting();
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void Planner::Post(absl::AnyInvocable<void()> task) {
  MutexLock lock(&mu_);
  tasks_.push_back(std::move(task));
  wake_.NotifyOne();
}

void Planner::Loop() {
  absl::Duration swept = absl::ZeroDuration();
  while (true) {
    absl::AnyInvocable<void()> task;
    {
      MutexLock lock(&mu_);
      while (tasks_.empty() && !stopped_) {
        if (runs_.empty()) {
          wake_.Wait(&mu_);
        } else if (!wake_.WaitWithTimeout(&mu_, kSweepEvery)) {
          break;
        }
      }
      if (tasks_.empty() && stopped_) return;
      if (!tasks_.empty()) {
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
    }
    if (task) task();
    // A busy queue must not keep those who wait from being asked.
    const absl::Duration now = Clock::Real()->Monotonic();
    if (now - swept < kSweepEvery) continue;
    swept = now;
    Sweep();
  }
}

void Planner::Sweep() {
  std::vector<Uid> uids;
  for (auto& [uid, waiting] : runs_) {
    uids.push_back(uid);
    for (auto& [epoch, target] : waiting.targets) {
      std::vector<Waiter> still;
      for (Waiter& waiter : target.waiters) {
        if (waiter.cancelled && waiter.cancelled()) {
          waiting_.fetch_sub(1, std::memory_order_relaxed);
          waiter.done(absl::CancelledError("the caller went away"));
        } else {
          still.push_back(std::move(waiter));
        }
      }
      target.waiters = std::move(still);
    }
  }
  for (const Uid uid : uids) Look(uid);
}

void Planner::Finish(Waiting& waiting, uint64_t epoch,
                     const absl::StatusOr<std::shared_ptr<const Epoch>>& result) {
  const auto target = waiting.targets.find(epoch);
  if (target == waiting.targets.end()) return;
  std::vector<Waiter> waiters = std::move(target->second.waiters);
  waiting.targets.erase(target);
  for (Waiter& waiter : waiters) {
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    waiter.done(result);
  }
}

void Planner::FinishAll(Waiting& waiting, const absl::Status& status) {
  while (!waiting.targets.empty()) Finish(waiting, waiting.targets.begin()->first, status);
}

void Planner::FinishDecided(Waiting& waiting) {
  const Run& run = *waiting.run;
  if (catalog_->FindRun(run.uid()) == nullptr) {
    return FinishAll(waiting, NotFound("run", run.settings().name()));
  }
  std::vector<uint64_t> epochs;
  for (const auto& [epoch, target] : waiting.targets) epochs.push_back(epoch);
  for (const uint64_t epoch : epochs) {
    const std::shared_ptr<const Epoch> open = run.FindEpoch(epoch);
    const RunProgress progress = run.Progress();
    if (open != nullptr) {
      Finish(waiting, epoch, open);
    } else if (progress.any_epoch && epoch <= progress.newest_epoch) {
      Finish(waiting, epoch,
             WithReason(absl::FailedPreconditionError(
                            absl::StrCat("epoch ", epoch, " of run \"", run.settings().name(),
                                         "\" is not kept, or was never opened: epoch ",
                                         progress.newest_epoch, " is open")),
                        "EPOCH_GONE"));
    } else if (waiting.targets[epoch].waiters.empty()) {
      waiting.targets.erase(epoch);
    }
  }
}

std::optional<std::pair<uint64_t, v1::Epoch::Opened>> Planner::Next(const Waiting& waiting) {
  const Run& run = *waiting.run;
  const uint64_t first = waiting.targets.begin()->first;
  const RunProgress progress = run.Progress();
  const std::shared_ptr<const SamplerVersion> sampler =
      VersionFor(catalog_->FindSampler(run.settings().sampler_uid()), first, progress.next_step);
  if (sampler == nullptr) return std::nullopt;  // deleted with its runs
  if (!sampler->waits_for_feedback()) return std::make_pair(first, v1::Epoch::NOT_SCORE_DRIVEN);
  if (!progress.any_epoch) return std::make_pair(first, v1::Epoch::FIRST);
  if (progress.feedback_complete) {
    return std::make_pair(first,
                          progress.parked ? v1::Epoch::REST_PARKED : v1::Epoch::FEEDBACK_COMPLETE);
  }
  for (const auto& [epoch, target] : waiting.targets) {
    if (target.now) return std::make_pair(epoch, v1::Epoch::EXPLICIT);
  }
  const absl::Duration waited = clock_->Monotonic() - waiting.targets.begin()->second.since;
  if (waited >= FeedbackTimeout(run.settings())) return std::make_pair(first, v1::Epoch::TIMEOUT);
  return std::nullopt;
}

void Planner::Look(Uid run_uid) {
  const auto it = runs_.find(run_uid);
  if (it == runs_.end()) return;
  Waiting& waiting = it->second;
  while (true) {
    if (!waiting.opening.has_value()) FinishDecided(waiting);
    if (waiting.opening.has_value()) return;
    if (waiting.targets.empty()) break;
    const auto next = Next(waiting);
    if (!next.has_value()) return;
    const absl::Status status =
        Open(waiting.run, next->first, next->second, waiting.targets.at(next->first).provided);
    if (status.ok()) {
      waiting.opening = next->first;
    } else {
      Finish(waiting, next->first, status);
    }
  }
  runs_.erase(it);
}

void Planner::Opened(const std::shared_ptr<Run>& run, uint64_t epoch, const absl::Status& status) {
  const auto it = runs_.find(run->uid());
  if (it == runs_.end()) return;
  it->second.opening.reset();
  if (status.ok()) {
    // Those who wait for a later epoch wait for this one's feedback from now on.
    for (auto& [number, target] : it->second.targets) target.since = clock_->Monotonic();
  } else if (!absl::IsAborted(status)) {
    Finish(it->second, epoch, status);
  }
  Look(run->uid());
}

}  // namespace subset
