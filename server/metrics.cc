#include "server/metrics.h"

#include <grpcpp/grpcpp.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "server/grpc_status.h"
#include "server/version.h"

namespace subset {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Labels;
using Buckets = prometheus::Histogram::BucketBoundaries;

struct MethodName {
  const char* type;
  const char* service;
  const char* method;
};

// In the order of enum Method.
constexpr MethodName kMethods[kNumMethods] = {
    {"client_stream", "subset.v1.DatasetService", "ImportDataset"},
    {"unary", "subset.v1.DatasetService", "GetDataset"},
    {"unary", "subset.v1.DatasetService", "ListDatasets"},
    {"unary", "subset.v1.DatasetService", "DeleteDataset"},
    {"unary", "subset.v1.SamplerService", "CreateSampler"},
    {"unary", "subset.v1.SamplerService", "UpdateSampler"},
    {"unary", "subset.v1.SamplerService", "GetSampler"},
    {"unary", "subset.v1.SamplerService", "ListSamplers"},
    {"unary", "subset.v1.SamplerService", "DeleteSampler"},
    {"unary", "subset.v1.SamplerService", "ListPresets"},
    {"unary", "subset.v1.SamplerService", "PreviewSampler"},
    {"unary", "subset.v1.SamplerService", "ExplainSample"},
    {"unary", "subset.v1.TrainingService", "CreateRun"},
    {"unary", "subset.v1.TrainingService", "GetRun"},
    {"unary", "subset.v1.TrainingService", "ListRuns"},
    {"unary", "subset.v1.TrainingService", "DeleteRun"},
    {"unary", "subset.v1.TrainingService", "OpenEpoch"},
    {"client_stream", "subset.v1.TrainingService", "ProvideEpoch"},
    {"unary", "subset.v1.TrainingService", "Select"},
    {"unary", "subset.v1.TrainingService", "GetOutOfBag"},
    {"unary", "subset.v1.TrainingService", "GetBatch"},
    {"bidi_stream", "subset.v1.TrainingService", "StreamBatches"},
    {"unary", "subset.v1.TrainingService", "OpenSession"},
    {"unary", "subset.v1.TrainingService", "ReportFeedback"},
    {"unary", "subset.v1.TrainingService", "Acknowledge"},
    {"unary", "subset.v1.TrainingService", "RenewLeases"},
    {"unary", "subset.v1.TrainingService", "ListLeases"},
    {"unary", "subset.v1.TrainingService", "ReleaseParked"},
    {"unary", "subset.v1.TrainingService", "Commit"},
    {"unary", "subset.v1.TrainingService", "Rollback"},
};

// As Go writes them: existing dashboards and alerts match these words. By code number.
constexpr const char* kCodes[] = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

// The reasons of refusals that have a series of their own; any other counts as "other".
constexpr const char* kReasons[] = {"INVALID_FIELD",
                                    "NOT_FOUND",
                                    "ALREADY_EXISTS",
                                    "SEQ_EXPIRED",
                                    "EPOCH_GONE",
                                    "EPOCH_END",
                                    "EPOCH_NOT_OPEN",
                                    "DRAW_GONE",
                                    "PARTLY_ACKNOWLEDGED",
                                    "IN_USE",
                                    "DRAINING",
                                    "NOTHING_TO_DRAW",
                                    "LEASE_UNKNOWN",
                                    "LEASE_FOREIGN",
                                    "LEASE_EXPIRED",
                                    "GENERATION_PASSED",
                                    "CHECKPOINT_GONE",
                                    "SCORES_GONE",
                                    "NOT_PARKED",
                                    "EPOCH_NOT_PROVIDED",
                                    "other"};

const Buckets kLatency = {1e-5,  5e-5, 1e-4, 3e-4, 6e-4, 1e-3, 2e-3, 5e-3, 0.01,
                          0.025, 0.05, 0.1,  0.25, 0.5,  1,    2.5,  5,    10};

// 1, 2, 4 ... 2^last.
Buckets PowersOfTwo(int last) {
  Buckets bounds;
  for (int i = 0; i <= last; ++i) bounds.push_back(std::ldexp(1.0, i));
  return bounds;
}

// Refused because of what the caller asked, not because the server could not.
bool IsRejection(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

}  // namespace

void MethodMetrics::Started() {
  started_->Increment();
  inflight_->Increment();
}

void MethodMetrics::Finished(const absl::Status& status, absl::Duration duration) {
  inflight_->Decrement();
  handling_->Observe(absl::ToDoubleSeconds(duration));
  handled_[static_cast<size_t>(status.code()) % kNumCodes]->Increment();
  if (!IsRejection(status.code())) return;
  const auto found = rejected_.find(ReasonOf(status));
  (found == rejected_.end() ? rejected_.at("other") : found->second)->Increment();
}

Metrics::Metrics(Clock* clock) {
  AddRpcSeries();
  AddServiceSeries(clock);
}

void Metrics::AddRpcSeries() {
  auto& started = BuildCounter()
                      .Name("grpc_server_started_total")
                      .Help("RPCs that arrived.")
                      .Register(*registry_);
  auto& handled = BuildCounter()
                      .Name("grpc_server_handled_total")
                      .Help("RPCs that were answered, by status code.")
                      .Register(*registry_);
  auto& received = BuildCounter()
                       .Name("grpc_server_msg_received_total")
                       .Help("Messages received.")
                       .Register(*registry_);
  auto& sent =
      BuildCounter().Name("grpc_server_msg_sent_total").Help("Messages sent.").Register(*registry_);
  auto& handling = BuildHistogram()
                       .Name("grpc_server_handling_seconds")
                       .Help("From the arrival of an RPC to its status; of streams, their life.")
                       .Register(*registry_);
  auto& inflight = BuildGauge()
                       .Name("subset_inflight_requests")
                       .Help("RPCs that have arrived and are not answered.")
                       .Register(*registry_);
  auto& expired = BuildCounter()
                      .Name("subset_deadline_expired_before_start_total")
                      .Help("RPCs not executed because their deadline had passed.")
                      .Register(*registry_);
  auto& rejected = BuildCounter()
                       .Name("subset_rejected_requests_total")
                       .Help("RPCs refused for what they asked, by the reason they were told.")
                       .Register(*registry_);
  for (size_t i = 0; i < kNumMethods; ++i) {
    const MethodName& name = kMethods[i];
    const Labels labels = {
        {"grpc_type", name.type}, {"grpc_service", name.service}, {"grpc_method", name.method}};
    const Labels method = {{"method", name.method}};
    MethodMetrics& series = methods_[i];
    series.started_ = &started.Add(labels);
    series.received_ = &received.Add(labels);
    series.sent_ = &sent.Add(labels);
    series.handling_ = &handling.Add(labels, kLatency);
    series.inflight_ = &inflight.Add(method);
    series.expired_ = &expired.Add(method);
    for (size_t code = 0; code < MethodMetrics::kNumCodes; ++code) {
      Labels with_code = labels;
      with_code["grpc_code"] = kCodes[code];
      series.handled_[code] = &handled.Add(with_code);
    }
    for (const char* reason : kReasons) {
      series.rejected_[reason] = &rejected.Add({{"method", name.method}, {"reason", reason}});
    }
  }
}

void Metrics::AddServiceSeries(Clock* clock) {
  BuildGauge()
      .Name("subset_build_info")
      .Help("What this build is; always 1.")
      .Register(*registry_)
      .Add({{"version", kVersion},
            {"revision", kRevision},
            {"grpc_version", grpc::Version()},
            {"rocksdb_version", kRocksdbVersion},
            {"sanitizer", kSanitizer}})
      .Set(1);
  BuildGauge()
      .Name("subset_start_timestamp_seconds")
      .Help("When the server started, in seconds since 1970.")
      .Register(*registry_)
      .Add({})
      .Set(absl::ToDoubleSeconds(clock->Now() - absl::UnixEpoch()));
  draw_ = &BuildHistogram()
               .Name("subset_draw_seconds")
               .Help("Choosing the samples of one batch, without transport and waiting.")
               .Register(*registry_)
               .Add({}, kLatency);
  batch_size_ = &BuildHistogram()
                     .Name("subset_batch_size")
                     .Help("Samples per batch served.")
                     .Register(*registry_)
                     .Add({}, PowersOfTwo(16));
  auto& ack = BuildHistogram()
                  .Name("subset_feedback_ack_seconds")
                  .Help("From the arrival of feedback to its acknowledgement.")
                  .Register(*registry_);
  durable_ack_ = &ack.Add({{"durability", "durable"}}, kLatency);
  applied_ack_ = &ack.Add({{"durability", "applied"}}, kLatency);
  auto& refused = BuildCounter()
                      .Name("subset_feedback_rejected_values_total")
                      .Help("Values of refused feedback that no score may have.")
                      .Register(*registry_);
  refused_nan_ = &refused.Add({{"reason", "nan"}});
  refused_inf_ = &refused.Add({{"reason", "inf"}});
  refused_negative_ = &refused.Add({{"reason", "negative"}});
  streams_ = &BuildGauge()
                  .Name("subset_streams_active")
                  .Help("StreamBatches calls that are open.")
                  .Register(*registry_)
                  .Add({});
  write_ = &BuildHistogram()
                .Name("subset_rocksdb_write_seconds")
                .Help("Writing one group of log records, fsync included.")
                .Register(*registry_)
                .Add({}, kLatency);
  group_ = &BuildHistogram()
                .Name("subset_rocksdb_group_commit_batches")
                .Help("Log records per group.")
                .Register(*registry_)
                .Add({}, PowersOfTwo(10));
  plan_ = &BuildHistogram()
               .Name("subset_structure_rebuild_seconds")
               .Help("Building the plan and index of one epoch.")
               .Register(*registry_)
               .Add({}, kLatency);
  fold_ = &BuildHistogram()
               .Name("subset_fold_seconds")
               .Help("Writing the state back as images, so that the log can be dropped.")
               .Register(*registry_)
               .Add({}, kLatency);
  fold_bytes_ = &BuildCounter()
                     .Name("subset_fold_bytes_total")
                     .Help("Bytes of images written by folds.")
                     .Register(*registry_)
                     .Add({});
}

void Metrics::Drew(size_t samples, absl::Duration selection) {
  draw_->Observe(absl::ToDoubleSeconds(selection));
  batch_size_->Observe(static_cast<double>(samples));
}

void Metrics::Acknowledged(v1::Durability durability, absl::Duration duration) {
  (durability == v1::DURABILITY_APPLIED ? applied_ack_ : durable_ack_)
      ->Observe(absl::ToDoubleSeconds(duration));
}

void Metrics::RefusedFeedback(const v1::ReportFeedbackRequest& request) {
  size_t nans = 0, infinities = 0, negatives = 0;
  for (const v1::Feedback& feedback : request.feedback()) {
    for (const v1::FloatColumn& column : feedback.values()) {
      const std::string& bytes = column.values();
      for (size_t at = 0; at + sizeof(float) <= bytes.size(); at += sizeof(float)) {
        float value;
        std::memcpy(&value, bytes.data() + at, sizeof(value));
        nans += std::isnan(value);
        infinities += std::isinf(value);
        negatives += column.name() == "loss" && value < 0 && !std::isinf(value);
      }
    }
  }
  if (nans > 0) refused_nan_->Increment(static_cast<double>(nans));
  if (infinities > 0) refused_inf_->Increment(static_cast<double>(infinities));
  if (negatives > 0) refused_negative_->Increment(static_cast<double>(negatives));
}

void Metrics::OnCommit(size_t records, absl::Duration write) {
  write_->Observe(absl::ToDoubleSeconds(write));
  group_->Observe(static_cast<double>(records));
}

void Metrics::OnPlanBuilt(absl::Duration build) { plan_->Observe(absl::ToDoubleSeconds(build)); }

void Metrics::OnFold(uint64_t bytes, absl::Duration duration) {
  fold_->Observe(absl::ToDoubleSeconds(duration));
  fold_bytes_->Increment(static_cast<double>(bytes));
}

}  // namespace subset
