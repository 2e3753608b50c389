#include "server/state_metrics.h"

#include <prometheus/metric_family.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>

namespace subset {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using LabelList = std::vector<ClientMetric::Label>;

// Collects families one by one: Begin, then Add for each series.
class Page {
 public:
  void Begin(MetricType type, const char* name, const char* help) {
    families_.push_back({name, help, type, {}});
  }
  void Add(double value, LabelList labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    metric.counter.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void Gauge(const char* name, const char* help, double value) {
    Begin(MetricType::Gauge, name, help);
    Add(value);
  }
  void Counter(const char* name, const char* help, double value) {
    Begin(MetricType::Counter, name, help);
    Add(value);
  }
  // A family without series still shows its name, type and help.
  std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
  std::vector<MetricFamily> families_;
};

void AddServer(const EngineStats& stats, const Readiness& readiness, Page& page) {
  page.Gauge("subset_incarnation", "Rises by one at every start on this data.",
             static_cast<double>(stats.incarnation));
  page.Gauge("subset_ready", "1 while the server takes calls.", readiness.ready ? 1 : 0);
  page.Gauge("subset_draining", "1 from SIGTERM on.", readiness.draining ? 1 : 0);
  page.Begin(MetricType::Gauge, "subset_read_only",
             "1 while nothing can be written; draws are still served.");
  page.Add(stats.read_only ? 1 : 0, {{"reason", "storage"}});
  page.Begin(MetricType::Gauge, "subset_queue_depth", "Work that waits, by pool.");
  page.Add(static_cast<double>(stats.queued_records), {{"pool", "writer"}});
  page.Add(static_cast<double>(stats.waiting_requests), {{"pool", "epoch"}});
  page.Gauge("subset_recovery_seconds", "What opening the data took.",
             absl::ToDoubleSeconds(stats.recovery));
  page.Gauge("subset_recovery_records", "Log records replayed at the start.",
             static_cast<double>(stats.recovery_records));
}

void AddStore(const StoreInfo& store, Page& page) {
  page.Begin(MetricType::Gauge, "subset_rocksdb_size_bytes", "Approximate size on disk, by kind.");
  page.Add(static_cast<double>(store.log_bytes), {{"kind", "log"}});
  page.Add(static_cast<double>(store.image_bytes), {{"kind", "images"}});
  page.Add(static_cast<double>(store.log_bytes + store.image_bytes), {{"kind", "total"}});
  page.Gauge("subset_log_next_sequence", "Sequence number the next log record gets.",
             static_cast<double>(store.next_sequence));
  page.Gauge("subset_log_first_sequence", "Sequence number of the oldest log record kept.",
             static_cast<double>(store.first_sequence));
  page.Gauge("subset_log_durable_sequence", "Every log record up to this one is on disk.",
             static_cast<double>(store.durable_sequence));
}

void AddDatasets(const std::vector<DatasetStats>& datasets, Page& page) {
  page.Begin(MetricType::Gauge, "subset_dataset_samples", "Samples of a dataset.");
  for (const auto& d : datasets) page.Add(static_cast<double>(d.samples), {{"dataset", d.dataset}});
  page.Begin(MetricType::Gauge, "subset_dataset_bytes",
             "Memory of a dataset's columns and their strata.");
  for (const auto& d : datasets) page.Add(static_cast<double>(d.bytes), {{"dataset", d.dataset}});
}

// Sums what can be summed of the runs beyond the limit, by (dataset, preset).
std::vector<RunStats> NamedAndOthers(const std::vector<RunStats>& runs) {
  const size_t named = std::min(runs.size(), kMaxMetricRuns);
  std::vector<RunStats> shown(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(named));
  std::map<std::pair<std::string, std::string>, RunStats> others;
  for (size_t i = named; i < runs.size(); ++i) {
    const RunStats& run = runs[i];
    RunStats& other = others[{run.dataset, run.preset}];
    other.batches_served += run.batches_served;
    other.samples_drawn += run.samples_drawn;
    other.feedback_messages += run.feedback_messages;
    other.feedback_updates += run.feedback_updates;
    other.feedback_duplicates += run.feedback_duplicates;
    other.leases.active += run.leases.active;
    other.leases.expired += run.leases.expired;
    other.leases.late_acknowledgements += run.leases.late_acknowledgements;
    other.leases.redelivered_samples += run.leases.redelivered_samples;
    other.parked_blocks += run.parked_blocks;
  }
  for (auto& [key, other] : others) {
    std::tie(other.dataset, other.preset) = key;
    other.run = "other";
    shown.push_back(std::move(other));
  }
  return shown;
}

void AddRuns(const EngineStats& stats, Page& page) {
  const std::vector<RunStats> runs = NamedAndOthers(stats.runs);
  const size_t named = std::min(stats.runs.size(), kMaxMetricRuns);

  const auto with_preset = [&](const char* name, const char* help, auto value) {
    page.Begin(MetricType::Counter, name, help);
    for (const RunStats& run : runs) {
      page.Add(static_cast<double>(value(run)),
               {{"dataset", run.dataset}, {"run", run.run}, {"preset", run.preset}});
    }
  };
  with_preset("subset_batches_served_total", "Batches served.",
              [](const RunStats& run) { return run.batches_served; });
  with_preset("subset_draws_total", "Samples served in batches.",
              [](const RunStats& run) { return run.samples_drawn; });

  // "other" may hold several presets of a dataset: these counters have no preset, so sum them.
  const auto summed = [&](MetricType type, const char* name, const char* help, auto value) {
    page.Begin(type, name, help);
    std::map<std::pair<std::string, std::string>, double> sums;
    for (const RunStats& run : runs) {
      sums[{run.dataset, run.run}] += static_cast<double>(value(run));
    }
    for (const auto& [key, sum] : sums) {
      page.Add(sum, {{"dataset", key.first}, {"run", key.second}});
    }
  };
  const auto counter = [&](const char* name, const char* help, auto value) {
    summed(MetricType::Counter, name, help, value);
  };
  counter("subset_feedback_messages_total", "Feedback messages acknowledged, repeats included.",
          [](const RunStats& run) { return run.feedback_messages; });
  counter("subset_feedback_updates_total", "Reported values applied.",
          [](const RunStats& run) { return run.feedback_updates; });
  counter("subset_feedback_duplicates_total", "Feedback messages sent again: nothing changed.",
          [](const RunStats& run) { return run.feedback_duplicates; });
  counter("subset_leases_expired_total", "Leases that ended without an acknowledgement.",
          [](const RunStats& run) { return run.leases.expired; });
  counter("subset_leases_late_acks_total",
          "Acknowledgements by a lease that had ended, its block with nobody else.",
          [](const RunStats& run) { return run.leases.late_acknowledgements; });
  counter("subset_redelivered_samples_total", "Samples of leased blocks delivered again.",
          [](const RunStats& run) { return run.leases.redelivered_samples; });
  summed(MetricType::Gauge, "subset_leases_active", "Leases that workers hold now.",
         [](const RunStats& run) { return run.leases.active; });
  summed(MetricType::Gauge, "subset_parked_blocks",
         "Leased blocks that failed too often: not delivered until released.",
         [](const RunStats& run) { return run.parked_blocks; });

  // What cannot be summed is shown for the named runs only.
  const auto gauge = [&](const char* name, const char* help, auto value) {
    page.Begin(MetricType::Gauge, name, help);
    for (size_t i = 0; i < named; ++i) {
      page.Add(static_cast<double>(value(runs[i])),
               {{"dataset", runs[i].dataset}, {"run", runs[i].run}});
    }
  };
  gauge("subset_epoch", "Newest open epoch.", [](const RunStats& run) { return run.epoch; });
  gauge("subset_epoch_progress_ratio", "Acknowledged share of the newest open epoch.",
        [](const RunStats& run) { return run.epoch_progress_ratio; });
  gauge("subset_effective_sample_ratio", "1 / (N sum q^2) of the newest open epoch.",
        [](const RunStats& run) { return run.effective_sample_ratio; });
  std::map<std::string, uint64_t> samples;
  for (const DatasetStats& dataset : stats.datasets) samples[dataset.dataset] = dataset.samples;
  gauge("subset_score_unset_samples", "Samples without a score.", [&](const RunStats& run) {
    const uint64_t all = samples[run.dataset];
    return all > run.scored_samples ? all - run.scored_samples : 0;
  });
}

void AddProcess(const ProcessStats& process, Page& page) {
  page.Counter("process_cpu_seconds_total", "User and system CPU time spent.", process.cpu_seconds);
  page.Gauge("process_resident_memory_bytes", "Resident memory.", process.resident_bytes);
  page.Gauge("process_virtual_memory_bytes", "Virtual memory.", process.virtual_bytes);
  page.Gauge("process_open_fds", "Open file descriptors.", process.open_fds);
  page.Gauge("process_max_fds", "Limit of open file descriptors.", process.max_fds);
  page.Gauge("process_threads", "Threads.", process.threads);
  page.Gauge("process_start_time_seconds", "When the process started, in seconds since 1970.",
             process.start_timestamp_seconds);
}

}  // namespace

std::vector<MetricFamily> StateMetrics::Collect() const {
  const EngineStats stats = engine_();
  Page page;
  AddServer(stats, readiness_(), page);
  AddStore(stats.store, page);
  AddDatasets(stats.datasets, page);
  AddRuns(stats, page);
  AddProcess(ReadProcessStats(), page);
  return page.Take();
}

}  // namespace subset
