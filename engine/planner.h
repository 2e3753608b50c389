// Opens epochs: keeps the requests that wait for one, decides when it may open, builds its plan and
// logs it. All of it on one thread, off the writer's; requests are parked, no thread waits for
// them.

#ifndef SUBSET_ENGINE_PLANNER_H_
#define SUBSET_ENGINE_PLANNER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "engine/catalog.h"
#include "engine/engine.h"
#include "engine/image_keeper.h"
#include "engine/memory_limit.h"
#include "engine/provide.h"
#include "engine/writer.h"
#include "storage/store.h"

namespace subset {

// Thread-safe.
class Planner {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<const Epoch>>)>;

  Planner(const EngineOptions& options, Store* store, Catalog* catalog, Writer* writer,
          ImageKeeper* keeper, const MemoryLimit* memory);
  ~Planner();

  // Calls `done` on the planner's thread once the epoch is open, by the rules of OpenEpoch.
  void Request(std::shared_ptr<Run> run, uint64_t epoch, bool now, Engine::Cancelled cancelled,
               Done done);

  // Runs a task on the planner's thread: what takes O(N) must hold up no other. Not after Stop.
  void Post(absl::AnyInvocable<void()> task);

  // As Request, for an epoch that is handed in. Of several that come before it is open, the first
  // counts; one that is open is returned, whatever it holds.
  void Provide(std::shared_ptr<Run> run, uint64_t epoch,
               std::shared_ptr<const ProvidedContent> content, Done done);

  // Builds what the epochs of the run keep from one to the next, so that opening the first of them
  // takes no longer than the others: nothing waits for it.
  void Prepare(std::shared_ptr<Run> run);

  // Looks again at what waits on the run: its feedback became complete, or it was deleted.
  void Poke(Uid run);

  // Ends all waiting requests with kUnavailable, and those to come.
  void StopWaiting();

  // StopWaiting, then joins the thread. The writer must be stopped. Idempotent.
  void Stop();

  // Requests that wait.
  size_t waiting() const { return waiting_.load(std::memory_order_relaxed); }

 private:
  struct Waiter {
    Engine::Cancelled cancelled;
    Done done;
  };
  // Those who wait for one epoch.
  struct Target {
    std::vector<Waiter> waiters;
    absl::Duration since;  // of the clock's Monotonic
    bool now = false;
    std::shared_ptr<const ProvidedContent> provided;  // null: it is drawn
  };
  struct Waiting {
    std::shared_ptr<Run> run;
    std::map<uint64_t, Target> targets;  // by epoch
    std::optional<uint64_t> opening;     // its record is on the way
  };
  // An epoch's plan, built.
  struct Built;

  void Loop();
  // What someone waits for, added to what is waited for.
  void Add(std::shared_ptr<Run> run, uint64_t epoch, Target target);

  // On the planner's thread:
  void Look(Uid run_uid);
  void Sweep();
  void Finish(Waiting& waiting, uint64_t epoch,
              const absl::StatusOr<std::shared_ptr<const Epoch>>& result);
  void FinishAll(Waiting& waiting, const absl::Status& status);
  // Ends what is open or can never be.
  void FinishDecided(Waiting& waiting);
  // Returns the epoch that may open now, and why.
  std::optional<std::pair<uint64_t, v1::Epoch::Opened>> Next(const Waiting& waiting);
  absl::StatusOr<Built> Build(Run& run, uint64_t epoch, v1::Epoch::Opened reason,
                              const std::shared_ptr<const ProvidedContent>& provided);
  absl::Status WritePlan(const std::string& bytes, Built* built);
  // Returns an error if nothing is on the way.
  absl::Status Open(const std::shared_ptr<Run>& run, uint64_t epoch, v1::Epoch::Opened reason,
                    const std::shared_ptr<const ProvidedContent>& provided);
  void Opened(const std::shared_ptr<Run>& run, uint64_t epoch, const absl::Status& status);

  Store* const store_;
  Catalog* const catalog_;
  Writer* const writer_;
  ImageKeeper* const keeper_;
  const MemoryLimit* const memory_;
  EngineObserver* const observer_;
  Clock* const clock_;
  const uint32_t keep_plans_;
  const uint32_t keep_live_batches_;
  std::atomic<size_t> waiting_{0};

  // Of the planner's thread.
  std::map<Uid, Waiting> runs_;
  bool refusing_ = false;
  uint32_t plans_ = 0;  // counter of plan uids

  Mutex mu_;
  CondVar wake_;
  std::deque<absl::AnyInvocable<void()>> tasks_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace subset

#endif  // SUBSET_ENGINE_PLANNER_H_
