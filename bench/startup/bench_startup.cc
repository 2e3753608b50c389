// Start-up time by N: from opening the data directory to the first batch of 8,192, every sample
// scored, against scanning one RocksDB key per sample (4-byte key, 4-byte value) into a vector.
//
//   bench_startup [--json FILE] [--rounds N] [--samples N,N,...] [--dir PATH]
//
// "cold" is after the files were dropped from the page cache (posix_fadvise; the kernel may keep
// some), "warm" right after. Ours includes the images of the score table, the replay of the log's
// tail, and the batch itself from the epoch's plan; the scan builds nothing. Each open is a process
// of its own, rounds are interleaved, a ratio is the median of the rounds' ratios.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "bench/durable/key_per_sample.h"
#include "bench/durable/scored_run.h"
#include "bench/figures.h"
#include "tests/testing/temp_dir.h"

namespace subset::bench {
namespace {

constexpr uint32_t kBatch = 8192;
constexpr uint64_t kMessage = 16384;

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Runs `task` in a process of its own and returns the seconds it says it took. It needs one:
// threads of RocksDB do not survive a fork, so this process starts none.
double InChild(const std::function<double()>& task) {
  int ends[2];
  if (pipe(ends) != 0) Fail("pipe");
  const pid_t child = fork();
  if (child == 0) {
    const double seconds = task();
    _exit(write(ends[1], &seconds, sizeof(seconds)) == sizeof(seconds) ? 0 : 1);
  }
  close(ends[1]);
  double seconds = 0;
  const bool got = read(ends[0], &seconds, sizeof(seconds)) == sizeof(seconds);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!got || status != 0) Fail("a measured process");
  return seconds;
}

// Drops the files of `path` from the page cache.
void Evict(const std::string& path) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (!entry.is_regular_file()) continue;
    const int fd = open(entry.path().c_str(), O_RDONLY);
    if (fd < 0) continue;
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
  }
}

uint64_t DiskBytes(const std::string& path) {
  uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

double OpenToFirstBatch(const std::string& path, uint64_t samples) {
  const Stopwatch watch;
  ScoredRun run(path, samples);
  if (run.FirstBatch(kBatch) != kBatch) Fail("a short batch");
  return watch.seconds();
}

double OpenAndScan(const std::string& path, uint64_t samples) {
  const Stopwatch watch;
  KeyPerSample peer(path);
  peer.Scan(samples);
  return watch.seconds();
}

// Every sample reported once, in messages of 16,384; folded, and a short tail left in the log.
void FillSubset(const std::string& path, uint64_t samples) {
  ScoredRun run(path, samples);
  std::vector<uint32_t> indices;
  std::vector<float> losses;
  const auto send = [&](uint64_t begin, uint64_t end) {
    indices.clear();
    losses.clear();
    for (uint64_t i = begin; i < end; ++i) {
      indices.push_back(static_cast<uint32_t>(i));
      losses.push_back(BenchLoss(i));
    }
    run.Report({reinterpret_cast<const char*>(indices.data()), 4 * indices.size()},
               {reinterpret_cast<const char*>(losses.data()), 4 * losses.size()}, 8);
  };
  for (uint64_t i = 0; i < samples; i += kMessage) send(i, std::min(samples, i + kMessage));
  run.Finish();
  run.Fold();
  for (uint64_t i = 0; i < 64; ++i) send(0, std::min(samples, kMessage));
}

int Main(int argc, char** argv) {
  std::string json;
  std::string where = "/tmp";
  int rounds = 3;
  std::vector<uint64_t> sizes = {1000000, 10000000, 100000000};
  CLI::App app("Start-up time");
  app.add_option("--json", json, "write the rows here");
  app.add_option("--rounds", rounds, "interleaved rounds");
  app.add_option("--dir", where, "a directory on the disk to measure");
  app.add_option("--samples", sizes, "sizes of the dataset")->delimiter(',');
  CLI11_PARSE(app, argc, argv);
  ConfigureLog(LogLevel::kWarning, LogFormat::kConsole);

  std::printf("%12s %6s %12s %12s %8s %14s %14s\n", "samples", "cache", "subset s", "scan s",
              "ratio", "subset B/sample", "scan B/sample");
  std::vector<std::string> rows;
  for (const uint64_t samples : sizes) {
    TempDir dir(where);
    const std::string ours = dir.File("subset");
    const std::string peer = dir.File("peer");
    InChild([&] {
      FillSubset(ours, samples);
      return 0.0;
    });
    InChild([&] {
      KeyPerSample(peer).Load(samples);
      return 0.0;
    });
    std::map<std::string, std::vector<double>> subset_seconds, scan_seconds, ratios;
    for (int round = 0; round < rounds; ++round) {
      for (const std::string cache : {"cold", "warm"}) {
        if (cache == "cold") Evict(ours);
        const double subset = InChild([&] { return OpenToFirstBatch(ours, samples); });
        if (cache == "cold") Evict(peer);
        const double scan = InChild([&] { return OpenAndScan(peer, samples); });
        subset_seconds[cache].push_back(subset);
        scan_seconds[cache].push_back(scan);
        ratios[cache].push_back(scan / subset);
      }
    }
    for (const std::string cache : {"cold", "warm"}) {
      const double subset_bytes =
          static_cast<double>(DiskBytes(ours)) / static_cast<double>(samples);
      const double peer_bytes = static_cast<double>(DiskBytes(peer)) / static_cast<double>(samples);
      std::printf("%12llu %6s %12.3f %12.3f %7.1fx %14.1f %14.1f\n",
                  static_cast<unsigned long long>(samples), cache.c_str(),
                  Median(subset_seconds[cache]), Median(scan_seconds[cache]), Median(ratios[cache]),
                  subset_bytes, peer_bytes);
      std::fflush(stdout);
      rows.push_back(
          absl::StrFormat("{\"samples\": %u, \"cache\": \"%s\", \"subset_seconds\": %.4f, "
                          "\"scan_seconds\": %.4f, \"ratio\": %.3f}",
                          samples, cache, Median(subset_seconds[cache]),
                          Median(scan_seconds[cache]), Median(ratios[cache])));
    }
  }
  WriteRows(json, "startup", rows);
  return 0;
}

}  // namespace
}  // namespace subset::bench

int main(int argc, char** argv) { return subset::bench::Main(argc, argv); }
