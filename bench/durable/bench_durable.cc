// Durable updates per second, in messages of 4,096 samples (u32 index, f32 value), against raw
// append + fdatasync of the same bytes and against one RocksDB key per sample.
//
//   bench_durable [--json FILE] [--rounds N] [--seconds S] [--dir PATH] [--samples N]
//
// "subset" is Engine::ReportFeedback with 8 messages in flight: on disk, applied to the score
// table, and at the end of each round folded into images, inside the time. "store" is the log
// alone, one message at a time. "key_per_sample" writes each message as one synced WriteBatch, 8
// threads at once. Rounds are interleaved; figures are medians, a ratio is the median of the
// rounds' ratios.

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "bench/durable/key_per_sample.h"
#include "bench/durable/scored_run.h"
#include "bench/figures.h"
#include "storage/rocks_store.h"
#include "tests/testing/temp_dir.h"

namespace subset::bench {
namespace {

constexpr size_t kMessage = 4096;
constexpr int kInFlight = 8;

struct Message {
  std::vector<uint32_t> indices;
  std::vector<float> losses;

  absl::string_view index_bytes() const {
    return {reinterpret_cast<const char*>(indices.data()), indices.size() * sizeof(uint32_t)};
  }
  absl::string_view loss_bytes() const {
    return {reinterpret_cast<const char*>(losses.data()), losses.size() * sizeof(float)};
  }
  std::string bytes() const { return absl::StrCat(index_bytes(), loss_bytes()); }
};

std::vector<Message> MakeMessages(uint64_t samples) {
  std::mt19937_64 rng(1);
  std::vector<Message> messages(64);
  for (Message& message : messages) {
    for (size_t i = 0; i < kMessage; ++i) {
      message.indices.push_back(static_cast<uint32_t>(rng() % samples));
      message.losses.push_back(BenchLoss(rng()));
    }
  }
  return messages;
}

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Updates per second of `send`, called for `seconds` with the number of the message; then `finish`,
// which counts too.
double Rate(
    double seconds, const std::function<void(size_t)>& send,
    const std::function<void()>& finish = [] {}) {
  const Stopwatch watch;
  size_t sent = 0;
  while (watch.seconds() < seconds) send(sent++);
  finish();
  return static_cast<double>(sent * kMessage) / watch.seconds();
}

// The same of one key per sample, with that many threads.
double PeerRate(KeyPerSample* peer, const std::vector<Message>& messages, double seconds,
                int num_threads) {
  std::atomic<size_t> sent{0};
  const Stopwatch watch;
  std::vector<std::thread> threads;
  for (int t = 0; t < num_threads; ++t) {
    threads.emplace_back([&] {
      while (watch.seconds() < seconds) {
        const Message& message = messages[sent++ % messages.size()];
        peer->Report(message.indices.data(), message.losses.data(), kMessage);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(sent * kMessage) / watch.seconds();
}

int Main(int argc, char** argv) {
  std::string json;
  std::string where = "/tmp";
  int rounds = 5;
  double seconds = 2;
  uint64_t samples = 1000000;
  CLI::App app("Durable updates per second");
  app.add_option("--json", json, "write the rows here");
  app.add_option("--rounds", rounds, "interleaved rounds");
  app.add_option("--seconds", seconds, "of each leg in each round");
  app.add_option("--dir", where, "a directory on the disk to measure");
  app.add_option("--samples", samples, "of the dataset");
  CLI11_PARSE(app, argc, argv);
  ConfigureLog(LogLevel::kWarning, LogFormat::kConsole);

  TempDir dir(where);
  const std::vector<Message> messages = MakeMessages(samples);
  std::vector<std::string> packed;
  for (const Message& message : messages) packed.push_back(message.bytes());

  ScoredRun run(dir.File("subset"), samples);
  RocksStoreOptions store_options;
  store_options.path = dir.File("store");
  absl::StatusOr<std::unique_ptr<Store>> store = RocksStore::Open(store_options);
  if (!store.ok()) Fail(store.status().ToString());
  KeyPerSample peer(dir.File("peer"));
  const int raw = open(dir.File("raw").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);

  const std::vector<std::pair<std::string, std::function<double()>>> legs = {
      {"subset",
       [&] {
         return Rate(
             seconds,
             [&](size_t i) {
               const Message& message = messages[i % messages.size()];
               run.Report(message.index_bytes(), message.loss_bytes(), kInFlight);
             },
             [&] {
               run.Finish();
               run.Fold();
             });
       }},
      {"store",
       [&] {
         return Rate(seconds, [&](size_t i) {
           const absl::string_view record = packed[i % packed.size()];
           if (auto status = (*store)->Append({record}, true); !status.ok()) {
             Fail(status.status().ToString());
           }
           if (i % 1024 == 1023) (*store)->Trim((*store)->Info().next_sequence).IgnoreError();
         });
       }},
      {"raw_append",
       [&] {
         return Rate(seconds, [&](size_t i) {
           const std::string& bytes = packed[i % packed.size()];
           if (write(raw, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
               fdatasync(raw) != 0) {
             Fail("write of the raw file");
           }
         });
       }},
      {"key_per_sample_1", [&] { return PeerRate(&peer, messages, seconds, 1); }},
      {"key_per_sample_8", [&] { return PeerRate(&peer, messages, seconds, kInFlight); }},
  };

  std::map<std::string, std::vector<double>> rates;
  std::map<std::string, std::vector<double>> ratios;  // subset or store / leg
  for (int round = 0; round < rounds; ++round) {
    std::map<std::string, double> rate;
    for (const auto& [name, leg] : legs) rates[name].push_back(rate[name] = leg());
    for (const auto& [name, leg] : legs) {
      ratios["subset/" + name].push_back(rate["subset"] / rate[name]);
      ratios["store/" + name].push_back(rate["store"] / rate[name]);
    }
  }

  std::printf(
      "messages of %zu samples, %llu samples, %d rounds of %.1f s each, %.1f MiB folded\n\n",
      kMessage, static_cast<unsigned long long>(samples), rounds, seconds,
      static_cast<double>(run.folded_bytes()) / (1 << 20));
  std::printf("%-16s %14s %14s %14s\n", "", "M updates/s", "subset is", "store is");
  std::vector<std::string> rows;
  for (const auto& [name, leg] : legs) {
    const double subset_ratio = Median(ratios["subset/" + name]);
    const double store_ratio = Median(ratios["store/" + name]);
    std::printf("%-16s %14.3f %13.2fx %13.2fx\n", name.c_str(), Median(rates[name]) / 1e6,
                subset_ratio, store_ratio);
    rows.push_back(
        absl::StrFormat("{\"leg\": \"%s\", \"updates_per_second\": %.0f, \"subset_ratio\": %.4f, "
                        "\"store_ratio\": %.4f}",
                        name, Median(rates[name]), subset_ratio, store_ratio));
  }
  close(raw);
  WriteRows(json, "durable", rows);
  return 0;
}

}  // namespace
}  // namespace subset::bench

int main(int argc, char** argv) { return subset::bench::Main(argc, argv); }
