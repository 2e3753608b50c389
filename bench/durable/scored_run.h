// An engine on a store on disk, with one dataset, one importance-sampled run and one session: what
// the benchmarks of feedback and of start-up measure.

#ifndef SUBSET_BENCH_DURABLE_SCORED_RUN_H_
#define SUBSET_BENCH_DURABLE_SCORED_RUN_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "engine/engine.h"

namespace subset::bench {

// Prints `what` and ends the process.
[[noreturn]] void Fail(const std::string& what);

// Failures end the process. One thread at a time.
class ScoredRun final : public EngineObserver {
 public:
  // Opens or makes the data directory `path`; if it is new, a dataset of `num_samples` without
  // columns, and a run over it, whose epoch 0 is open.
  ScoredRun(const std::string& path, uint64_t num_samples);
  ~ScoredRun() override;

  // Sends one feedback message of u32 indices and f32 losses, once fewer than `in_flight` others
  // are unanswered.
  void Report(absl::string_view indices, absl::string_view losses, int in_flight);
  // Waits for every answer.
  void Finish();
  // Writes all state as images now.
  void Fold();

  // The first `batch_size` samples of epoch 0.
  uint32_t FirstBatch(uint32_t batch_size);

  uint64_t folded_bytes() const { return folded_bytes_; }
  EngineStats Stats() { return engine_->Stats(); }

 private:
  void OnCommit(size_t, absl::Duration) override {}
  void OnPlanBuilt(absl::Duration) override {}
  void OnFold(uint64_t bytes, absl::Duration) override { folded_bytes_ += bytes; }

  std::atomic<uint64_t> folded_bytes_{0};
  std::unique_ptr<Engine> engine_;
  uint64_t run_uid_ = 0;
  uint64_t session_id_ = 0;
  uint64_t sequence_ = 0;
  Mutex mu_;
  CondVar answered_;
  int in_flight_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace subset::bench

#endif  // SUBSET_BENCH_DURABLE_SCORED_RUN_H_
