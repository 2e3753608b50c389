// The live draws of a run that are kept: each global batch is drawn once, logged, and served from
// here from then on, so that a retry or another rank gets the same batch.

#ifndef SUBSET_ENGINE_LIVE_DRAWS_H_
#define SUBSET_ENGINE_LIVE_DRAWS_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "subset/log/v1/record.pb.h"

namespace subset {

// Thread-safe. A batch is pending from its draw until its record is in the log, then kept.
class LiveDraws {
 public:
  using Batch = std::shared_ptr<const log::v1::BatchDrawn>;
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::vector<Batch>>)>;
  using Key = std::pair<uint64_t, uint64_t>;  // epoch, step

  struct Kept {
    uint64_t sequence = 0;  // of its log record
    Batch batch;
  };

  // Steps first..last of an epoch.
  struct Steps {
    uint64_t epoch = 0;
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t last_drawn =
        0;              // >= last: if `last` was never drawn, those up to this are drawn with it
    uint32_t keep = 0;  // bounds how far ahead of those drawn a step may be
  };
  // Makes the batches of these steps from the scores of one moment.
  using Draw = absl::FunctionRef<std::vector<Batch>(const std::vector<uint64_t>& steps)>;
  // Queues the record of a batch; Logged is called with its outcome.
  using Submit = absl::FunctionRef<absl::Status(uint64_t step, Batch batch)>;

  // Calls `done` with the batches, once they are logged: at once where they are, else from Logged.
  // Draws those never drawn, and all before them, in order.
  // Fails with kFailedPrecondition, reason DRAW_GONE.
  void Request(const Steps& steps, Draw draw, Submit submit, Done done);
  // As Request, of what was drawn before; draws nothing.
  void Replay(const Steps& steps, Done done);

  // Ends the wait for a batch whose record was logged (or not: then it was never drawn).
  void Logged(uint64_t epoch, uint64_t step, const absl::Status& status);

  // Folds the record: keeps the batch, and the newest `keep` of the run's. First come, first kept.
  void Fold(uint64_t sequence, uint64_t step, Batch batch, uint32_t keep);
  // After replay: takes back what images held, in any order, then Settle(keep) once.
  void Load(uint64_t step, Kept kept);
  void Settle(uint32_t keep);

  // Forgets an epoch.
  void Drop(uint64_t epoch);

  // Steps of the epoch below this are not kept any more.
  uint64_t StepsGone(uint64_t epoch) const;
  void SetStepsGone(uint64_t epoch, uint64_t steps);

  std::map<Key, Kept> AllKept() const;

 private:
  struct Wait {
    size_t pending = 0;
    absl::Status status;
    std::vector<Batch> batches;
    Done done;
  };
  struct Pending {
    Batch batch;
    std::vector<std::shared_ptr<Wait>> waits;
  };

  // The step after the last one drawn.
  uint64_t NextStep(uint64_t epoch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Drawn(const Key& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Evict(uint32_t keep) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The steps to draw for these.
  absl::StatusOr<std::vector<uint64_t>> Missing(const Steps& steps) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Draws what is missing; an error leaves the steps before it pending.
  absl::Status DrawMissing(const Steps& steps, Draw draw, Submit submit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Collects batches, all of them drawn; returns whether they are logged, else `wait` waits.
  bool Collect(const Steps& steps, const std::shared_ptr<Wait>& wait)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  std::map<Key, Pending> pending_ ABSL_GUARDED_BY(mu_);
  std::map<Key, Kept> kept_ ABSL_GUARDED_BY(mu_);
  std::deque<Key> order_ ABSL_GUARDED_BY(mu_);              // of kept_, as logged
  std::map<uint64_t, uint64_t> gone_ ABSL_GUARDED_BY(mu_);  // epoch -> steps
};

}  // namespace subset

#endif  // SUBSET_ENGINE_LIVE_DRAWS_H_
