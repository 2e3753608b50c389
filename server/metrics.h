// What the server measures. Names and help are in metrics.cc (counted as things happen) and
// state_metrics.cc (read from the engine when scraped), and nowhere else.
//
// Labels are bounded: methods, codes, fixed words, and at most 50 runs by name. Every series that
// can exist from the start exists from the start, with 0.

#ifndef SUBSET_SERVER_METRICS_H_
#define SUBSET_SERVER_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "engine/engine.h"

namespace subset {

// The methods of the API, in the order of the .proto files.
enum class Method {
  kImportDataset,
  kGetDataset,
  kListDatasets,
  kDeleteDataset,
  kCreateSampler,
  kUpdateSampler,
  kGetSampler,
  kListSamplers,
  kDeleteSampler,
  kListPresets,
  kPreviewSampler,
  kExplainSample,
  kCreateRun,
  kGetRun,
  kListRuns,
  kDeleteRun,
  kOpenEpoch,
  kProvideEpoch,
  kSelect,
  kGetOutOfBag,
  kGetBatch,
  kStreamBatches,
  kOpenSession,
  kReportFeedback,
  kAcknowledge,
  kRenewLeases,
  kListLeases,
  kReleaseParked,
  kCommit,
  kRollback,
};
inline constexpr size_t kNumMethods = static_cast<size_t>(Method::kRollback) + 1;

// The series of one method. Thread-safe; each call costs some tens of nanoseconds.
class MethodMetrics {
 public:
  void Started();
  void Received() { received_->Increment(); }
  void Sent() { sent_->Increment(); }
  void ExpiredBeforeStart() { expired_->Increment(); }
  // The one end of a call that Started.
  void Finished(const absl::Status& status, absl::Duration duration);

 private:
  friend class Metrics;
  static constexpr size_t kNumCodes = 17;

  // Constant after construction; owned by the registry.
  prometheus::Counter* started_ = nullptr;
  prometheus::Counter* received_ = nullptr;
  prometheus::Counter* sent_ = nullptr;
  prometheus::Counter* expired_ = nullptr;
  prometheus::Gauge* inflight_ = nullptr;
  prometheus::Histogram* handling_ = nullptr;
  std::array<prometheus::Counter*, kNumCodes> handled_{};
  std::map<std::string, prometheus::Counter*> rejected_;  // by reason; "other" is always there
};

// Thread-safe.
class Metrics : public EngineObserver {
 public:
  explicit Metrics(Clock* clock = Clock::Real());

  MethodMetrics& Of(Method method) { return methods_[static_cast<size_t>(method)]; }

  // One batch was chosen, without waiting.
  void Drew(size_t samples, absl::Duration selection);
  // ReportFeedback answered OK.
  void Acknowledged(v1::Durability durability, absl::Duration duration);
  // ReportFeedback refused `request`: counts the values that no score may have.
  void RefusedFeedback(const v1::ReportFeedbackRequest& request);
  void StreamOpened() { streams_->Increment(); }
  void StreamClosed() { streams_->Decrement(); }

  void OnCommit(size_t records, absl::Duration write) override;
  void OnPlanBuilt(absl::Duration build) override;
  void OnFold(uint64_t bytes, absl::Duration duration) override;

  std::shared_ptr<prometheus::Collectable> collectable() const { return registry_; }

 private:
  void AddRpcSeries();
  void AddServiceSeries(Clock* clock);

  // Constant after construction; the series are owned by the registry.
  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  std::array<MethodMetrics, kNumMethods> methods_;
  prometheus::Histogram* draw_ = nullptr;
  prometheus::Histogram* batch_size_ = nullptr;
  prometheus::Histogram* durable_ack_ = nullptr;
  prometheus::Histogram* applied_ack_ = nullptr;
  prometheus::Counter* refused_nan_ = nullptr;
  prometheus::Counter* refused_inf_ = nullptr;
  prometheus::Counter* refused_negative_ = nullptr;
  prometheus::Gauge* streams_ = nullptr;
  prometheus::Histogram* write_ = nullptr;
  prometheus::Histogram* group_ = nullptr;
  prometheus::Histogram* plan_ = nullptr;
  prometheus::Histogram* fold_ = nullptr;
  prometheus::Counter* fold_bytes_ = nullptr;
};

}  // namespace subset

#endif  // SUBSET_SERVER_METRICS_H_
