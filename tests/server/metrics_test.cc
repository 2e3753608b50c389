#include "server/metrics.h"

#include <ctime>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "server/state_metrics.h"
#include "tests/server/http_get.h"
#include "tests/server/serving.h"
#include "tests/testing/fake_engine.h"

namespace subset {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Every name that dashboards and alerts may rely on.
constexpr const char* kNames[] = {"grpc_server_started_total",
                                  "grpc_server_handled_total",
                                  "grpc_server_msg_received_total",
                                  "grpc_server_msg_sent_total",
                                  "grpc_server_handling_seconds",
                                  "subset_build_info",
                                  "subset_start_timestamp_seconds",
                                  "subset_incarnation",
                                  "subset_ready",
                                  "subset_draining",
                                  "subset_read_only",
                                  "subset_inflight_requests",
                                  "subset_rejected_requests_total",
                                  "subset_deadline_expired_before_start_total",
                                  "subset_queue_depth",
                                  "subset_draw_seconds",
                                  "subset_batch_size",
                                  "subset_batches_served_total",
                                  "subset_draws_total",
                                  "subset_feedback_updates_total",
                                  "subset_feedback_messages_total",
                                  "subset_feedback_duplicates_total",
                                  "subset_feedback_ack_seconds",
                                  "subset_feedback_rejected_values_total",
                                  "subset_rocksdb_write_seconds",
                                  "subset_rocksdb_group_commit_batches",
                                  "subset_rocksdb_size_bytes",
                                  "subset_leases_active",
                                  "subset_leases_expired_total",
                                  "subset_leases_late_acks_total",
                                  "subset_redelivered_samples_total",
                                  "subset_parked_blocks",
                                  "subset_epoch",
                                  "subset_epoch_progress_ratio",
                                  "subset_dataset_samples",
                                  "subset_dataset_bytes",
                                  "subset_streams_active",
                                  "subset_effective_sample_ratio",
                                  "subset_score_unset_samples",
                                  "subset_recovery_seconds",
                                  "subset_structure_rebuild_seconds",
                                  "subset_fold_seconds",
                                  "subset_fold_bytes_total",
                                  "process_cpu_seconds_total",
                                  "process_resident_memory_bytes",
                                  "process_virtual_memory_bytes",
                                  "process_open_fds",
                                  "process_max_fds",
                                  "process_threads",
                                  "process_start_time_seconds"};

RunStats Run(int i) {
  RunStats run;
  run.dataset = "d";
  run.run = absl::StrCat("run-", i);
  run.preset = i % 2 == 0 ? "uniform" : "importance";
  run.epoch = 3;
  run.epoch_progress_ratio = 0.25;
  run.batches_served = 10;
  run.samples_drawn = 80;
  run.feedback_messages = 4;
  run.feedback_updates = 32;
  run.feedback_duplicates = 1;
  run.scored_samples = 900;
  run.effective_sample_ratio = 0.5;
  return run;
}

EngineStats SomeStats(int runs) {
  EngineStats stats;
  stats.incarnation = 12;
  stats.read_only = true;
  stats.queued_records = 5;
  stats.waiting_requests = 6;
  stats.recovery = absl::Milliseconds(1500);
  stats.store.log_bytes = 100;
  stats.store.image_bytes = 20;
  stats.datasets.push_back({"d", 1000, 8000});
  for (int i = 0; i < runs; ++i) stats.runs.push_back(Run(i));
  return stats;
}

std::string StateText(const EngineStats& stats, Readiness readiness = {true, false}) {
  return MetricsText(StateMetrics([&] { return stats; }, [&] { return readiness; }));
}

TEST(MetricsTest, ThePageHasEveryNameAtTheStart) {
  FakeEngine engine;
  ServerOptions options = LoopbackOptions();
  options.metrics_listen = "127.0.0.1:0";
  Serving serving(&engine, options);
  const std::string page = HttpGet(serving.server->metrics_address(), "/metrics");
  EXPECT_THAT(page, HasSubstr("200 OK"));
  for (const char* name : kNames) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat("# TYPE ", name, " "))) << name;
    EXPECT_THAT(page, HasSubstr(absl::StrCat("# HELP ", name, " "))) << name;
  }
  EXPECT_EQ(SeriesValue(page, "subset_ready"), 1);
  EXPECT_EQ(SeriesValue(page, "subset_draining"), 0);
  EXPECT_GT(SeriesValue(page, "process_resident_memory_bytes"), 1e6);
  EXPECT_GT(SeriesValue(page, "process_open_fds"), 3);
  EXPECT_GT(SeriesValue(page, "process_start_time_seconds"), 1e9);
}

TEST(MetricsTest, CpuSecondsFollowTheWorkOfTheProcess) {
  const auto cpu_seconds = [] {
    return SeriesValue(StateText(SomeStats(0)), "process_cpu_seconds_total");
  };
  const double before = cpu_seconds();
  const std::clock_t start = std::clock();
  while (std::clock() - start < CLOCKS_PER_SEC / 10) {
  }
  EXPECT_GE(cpu_seconds() - before, 0.08);  // a kernel may count in ticks of 10 ms
}

TEST(MetricsTest, EveryOtherPathIsNotFound) {
  FakeEngine engine;
  ServerOptions options = LoopbackOptions();
  options.metrics_listen = "127.0.0.1:0";
  Serving serving(&engine, options);
  EXPECT_THAT(HttpGet(serving.server->metrics_address(), "/../etc/passwd"),
              Not(HasSubstr("200 OK")));
  EXPECT_THAT(HttpGet(serving.server->metrics_address(), "/"), Not(HasSubstr("200 OK")));
}

TEST(MetricsTest, EverySeriesOfEveryMethodStartsAtZero) {
  Metrics metrics;
  const std::string text = MetricsText(*metrics.collectable());
  std::set<std::string> methods;
  size_t series = 0, handled = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty() || line[0] == '#') continue;
    ++series;
    if (absl::StartsWith(line, "subset_build_info")) continue;
    if (absl::StartsWith(line, "subset_start_timestamp_seconds")) continue;
    EXPECT_TRUE(absl::EndsWith(line, " 0")) << line;
    if (absl::StartsWith(line, "grpc_server_handled_total")) ++handled;
  }
  EXPECT_EQ(handled, kNumMethods * 17);
  EXPECT_LE(series, 2250u);  // three quarters of what a server with 20 datasets may have
}

TEST(MetricsTest, MethodsAreNamedAsTheProtoNamesThem) {
  // One service after the other, in the order of enum Method.
  std::vector<std::string> names;
  for (const char* name : {"DatasetService", "SamplerService", "TrainingService"}) {
    const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
        absl::StrCat("subset.v1.", name));
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i) {
      const auto* method = service->method(i);
      const char* type = method->client_streaming() && method->server_streaming() ? "bidi_stream"
                         : method->client_streaming()                             ? "client_stream"
                         : method->server_streaming()                             ? "server_stream"
                                                                                  : "unary";
      names.push_back(absl::StrCat("{grpc_method=\"", method->name(), "\",grpc_service=\"",
                                   service->full_name(), "\",grpc_type=\"", type, "\"}"));
    }
  }
  ASSERT_EQ(names.size(), kNumMethods);
  for (size_t i = 0; i < kNumMethods; ++i) {
    Metrics metrics;
    metrics.Of(static_cast<Method>(i)).Started();
    EXPECT_EQ(
        SeriesValue(MetricsText(*metrics.collectable()), "grpc_server_started_total" + names[i]), 1)
        << names[i];
  }
}

TEST(MetricsTest, WhatTheEngineTellsIsObserved) {
  Metrics metrics;
  metrics.OnCommit(3, absl::Milliseconds(2));
  metrics.OnPlanBuilt(absl::Milliseconds(4));
  metrics.OnFold(1000, absl::Seconds(1));
  const std::string text = MetricsText(*metrics.collectable());
  EXPECT_EQ(SeriesValue(text, "subset_rocksdb_write_seconds_count"), 1);
  EXPECT_EQ(SeriesValue(text, "subset_rocksdb_write_seconds_bucket{le=\"0.001\"}"), 0);
  EXPECT_EQ(SeriesValue(text, "subset_rocksdb_write_seconds_bucket{le=\"0.005\"}"), 1);
  EXPECT_EQ(SeriesValue(text, "subset_rocksdb_group_commit_batches_sum"), 3);
  EXPECT_EQ(SeriesValue(text, "subset_structure_rebuild_seconds_count"), 1);
  EXPECT_EQ(SeriesValue(text, "subset_fold_bytes_total"), 1000);
}

TEST(StateMetricsTest, ShowsTheEnginesState) {
  const std::string text = StateText(SomeStats(1), {false, true});
  EXPECT_EQ(SeriesValue(text, "subset_incarnation"), 12);
  EXPECT_EQ(SeriesValue(text, "subset_ready"), 0);
  EXPECT_EQ(SeriesValue(text, "subset_draining"), 1);
  EXPECT_EQ(SeriesValue(text, "subset_read_only{reason=\"storage\"}"), 1);
  EXPECT_EQ(SeriesValue(text, "subset_queue_depth{pool=\"writer\"}"), 5);
  EXPECT_EQ(SeriesValue(text, "subset_queue_depth{pool=\"epoch\"}"), 6);
  EXPECT_EQ(SeriesValue(text, "subset_recovery_seconds"), 1.5);
  EXPECT_EQ(SeriesValue(text, "subset_rocksdb_size_bytes{kind=\"total\"}"), 120);
  EXPECT_EQ(SeriesValue(text, "subset_dataset_samples{dataset=\"d\"}"), 1000);
  EXPECT_EQ(SeriesValue(text, "subset_dataset_bytes{dataset=\"d\"}"), 8000);
  const std::string run = "{dataset=\"d\",run=\"run-0\"}";
  const std::string with_preset = "{dataset=\"d\",run=\"run-0\",preset=\"uniform\"}";
  EXPECT_EQ(SeriesValue(text, "subset_batches_served_total" + with_preset), 10);
  EXPECT_EQ(SeriesValue(text, "subset_draws_total" + with_preset), 80);
  EXPECT_EQ(SeriesValue(text, "subset_feedback_messages_total" + run), 4);
  EXPECT_EQ(SeriesValue(text, "subset_feedback_updates_total" + run), 32);
  EXPECT_EQ(SeriesValue(text, "subset_feedback_duplicates_total" + run), 1);
  EXPECT_EQ(SeriesValue(text, "subset_epoch" + run), 3);
  EXPECT_EQ(SeriesValue(text, "subset_epoch_progress_ratio" + run), 0.25);
  EXPECT_EQ(SeriesValue(text, "subset_effective_sample_ratio" + run), 0.5);
  EXPECT_EQ(SeriesValue(text, "subset_score_unset_samples" + run), 100);
}

TEST(StateMetricsTest, RunsBeyondTheLimitAreCountedTogether) {
  const std::string text = StateText(SomeStats(static_cast<int>(kMaxMetricRuns) + 7));
  EXPECT_EQ(SeriesValue(text, "subset_epoch{dataset=\"d\",run=\"run-49\"}"), 3);
  EXPECT_EQ(SeriesValue(text, "subset_epoch{dataset=\"d\",run=\"run-50\"}"), -1);
  EXPECT_EQ(SeriesValue(text, "subset_draws_total{dataset=\"d\",run=\"other\",preset=\"uniform\"}"),
            4 * 80);
  EXPECT_EQ(
      SeriesValue(text, "subset_draws_total{dataset=\"d\",run=\"other\",preset=\"importance\"}"),
      3 * 80);
  EXPECT_EQ(SeriesValue(text, "subset_feedback_updates_total{dataset=\"d\",run=\"other\"}"),
            7 * 32);
  EXPECT_EQ(SeriesValue(text, "subset_epoch{dataset=\"d\",run=\"other\"}"), -1);
}

}  // namespace
}  // namespace subset
