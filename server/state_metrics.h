// What /metrics shows of the state: read from the engine and the kernel when scraped, so that the
// hot path counts nothing twice.

#ifndef SUBSET_SERVER_STATE_METRICS_H_
#define SUBSET_SERVER_STATE_METRICS_H_

#include <prometheus/collectable.h>

#include <functional>
#include <vector>

#include "engine/engine.h"
#include "server/process_stats.h"

namespace subset {

// What the server knows of itself.
struct Readiness {
  bool ready = false;
  bool draining = false;
};

// Thread-safe if its sources are.
class StateMetrics : public prometheus::Collectable {
 public:
  StateMetrics(std::function<EngineStats()> engine, std::function<Readiness()> readiness)
      : engine_(std::move(engine)), readiness_(std::move(readiness)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  // Constant after construction.
  const std::function<EngineStats()> engine_;
  const std::function<Readiness()> readiness_;
};

// Runs beyond this many are counted together, with the label run="other".
inline constexpr size_t kMaxMetricRuns = 50;

}  // namespace subset

#endif  // SUBSET_SERVER_STATE_METRICS_H_
