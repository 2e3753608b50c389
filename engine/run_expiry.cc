// The engine's side of a run's time to live: the clock is read here, never while folding.

#include "base/log.h"
#include "engine/local_engine.h"

namespace subset {

void LocalEngine::Use(Run& run) const {
  if (run.settings().has_time_to_live()) run.Touch(options_.clock->Monotonic());
}

size_t LocalEngine::ExpireIdleRuns() {
  const absl::Duration now = options_.clock->Monotonic();
  size_t expired = 0;
  for (const auto& run : catalog_->Runs()) {
    const auto& live = run->settings().time_to_live();
    if (!run->settings().has_time_to_live()) continue;
    // Not since the start: its time begins now.
    if (run->last_used() == absl::ZeroDuration()) run->Touch(now);
    const absl::Duration idle = now - run->last_used();
    if (idle < absl::Seconds(live.seconds()) + absl::Nanoseconds(live.nanos())) continue;
    ++expired;
    log::v1::Record record = NewRecord();
    record.mutable_run_deleted()->set_uid(run->uid());
    Submit(std::move(record), [name = run->settings().name()](const Outcome& outcome) {
      if (!outcome.status.ok()) return;  // deleted meanwhile, or tried again in a second
      Log(LogLevel::kInfo, "run expired: nobody used it for its time to live", {{"run", name}});
    });
  }
  return expired;
}

}  // namespace subset
