// Weighted draws, updates and the order of an epoch by number of samples, against the floor of
// random line reads, a Reverb-like structure and a shuffle in memory.
//
//   bench_draw [--n N ...] [--batch B] [--rounds R] [--json FILE]
//   bench_draw --serve --n N [--batch B]     for numpy_choice.py
//
// Rounds are interleaved, and long enough that what the others left in the caches does not count;
// figures are medians over the rounds in nanoseconds a sample, and a ratio is the median of the
// rounds' ratios.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/draw/contenders.h"
#include "bench/draw/reverb_like.h"
#include "bench/draw/rounds.h"
#include "bench/figures.h"

namespace subset::bench {
namespace {

// One line of the table: ours against others, by name.
struct Row {
  std::string what;
  uint64_t n = 0;
  double ours = 0;
  std::vector<std::pair<std::string, double>> others;
  std::vector<std::pair<std::string, double>> ratios;  // other / ours, of the same round
  const char* unit = "ns";
};

Row Compare(const std::string& what, const Workload& workload, int rounds, const Contender& ours,
            const std::vector<std::pair<std::string, Contender>>& others) {
  std::vector<double> our_times;
  std::vector<std::vector<double>> times(others.size());
  std::vector<std::vector<double>> ratios(others.size());
  for (int round = 0; round <= rounds; ++round) {
    const double our_time = TimeRound(ours, workload.batch_size, round);
    std::vector<double> other_times;
    for (const auto& other : others) {
      other_times.push_back(TimeRound(other.second, workload.batch_size, round));
    }
    if (round == 0) continue;  // warms up
    our_times.push_back(our_time);
    for (size_t i = 0; i < others.size(); ++i) {
      times[i].push_back(other_times[i]);
      ratios[i].push_back(other_times[i] / our_time);
    }
  }
  Row row;
  row.what = what;
  row.n = workload.num_samples;
  row.ours = Median(our_times);
  for (size_t i = 0; i < others.size(); ++i) {
    row.others.emplace_back(others[i].first, Median(times[i]));
    row.ratios.emplace_back(others[i].first, Median(ratios[i]));
  }
  return row;
}

void Print(const Row& row) {
  absl::PrintF("%12d  %-8s %9.2f %-2s", row.n, row.what, row.ours, row.unit);
  for (size_t i = 0; i < row.others.size(); ++i) {
    absl::PrintF("   %s %.2f (%.2fx)", row.others[i].first, row.others[i].second,
                 row.ratios[i].second);
  }
  absl::PrintF("\n");
  std::fflush(stdout);
}

std::string Json(const Row& row) {
  std::string text = absl::StrFormat(R"({"what": "%s", "n": %d, "unit": "%s", "ours": %.4g)",
                                     row.what, row.n, row.unit, row.ours);
  for (const auto& [name, value] : row.others) {
    absl::StrAppendFormat(&text, R"(, "%s": %.4g)", name, value);
  }
  for (const auto& [name, ratio] : row.ratios) {
    absl::StrAppendFormat(&text, R"(, "%s_over_ours": %.4g)", name, ratio);
  }
  return text + "}";
}

std::vector<Row> Measure(const Workload& workload, int rounds) {
  std::vector<Row> rows;
  const auto add = [&rows](Row row) {
    Print(row);
    rows.push_back(std::move(row));
  };
  const double samples = static_cast<double>(workload.num_samples);
  {
    const std::vector<float> scores = MakeScores(workload.num_samples);
    const auto draw = MakeScoreDraw(scores);
    ReverbLike peer(scores);
    sampling::HugeArray<char> memory(draw->memory_bytes());
    std::memset(memory.data(), 1, memory.size());  // pages that are there
    const Contender lines = LineReads(memory, workload);
    add(Compare("draw", workload, rounds, DrawOurs(*draw, workload),
                {{"line_reads", lines}, {"reverb_like", DrawPeer(peer, workload)}}));
    add(Compare("update", workload, rounds, UpdateOurs(draw.get(), scores, workload),
                {{"line_reads", lines}, {"reverb_like", UpdatePeer(&peer, scores, workload)}}));
    Row memory_row;
    memory_row.what = "memory";
    memory_row.n = workload.num_samples;
    memory_row.unit = "B";
    memory_row.ours = static_cast<double>(draw->memory_bytes()) / samples;
    const double peer_bytes = static_cast<double>(peer.memory_bytes()) / samples;
    memory_row.others = {{"reverb_like", peer_bytes}};
    memory_row.ratios = {{"reverb_like", peer_bytes / memory_row.ours}};
    add(memory_row);
  }
  add(Compare("order", workload, rounds, OrderOurs(workload),
              {{"shuffle_in_memory", OrderMaterialised(workload)}}));
  return rows;
}

// Draws one round of batches for each line on stdin and answers with nanoseconds a sample.
void Serve(const Workload& workload) {
  const auto draw = MakeScoreDraw(MakeScores(workload.num_samples));
  const Contender ours = DrawOurs(*draw, workload);
  std::cout << "ready" << std::endl;
  std::string line;
  for (uint64_t round = 0; std::getline(std::cin, line); ++round) {
    std::cout << TimeRound(ours, workload.batch_size, round) << std::endl;
  }
}

int Run(int argc, char** argv) {
  CLI::App app("Weighted draws and updates against floors and peers.");
  std::vector<uint64_t> sizes = {1000000, 10000000, 100000000};
  Workload workload;
  workload.batch_size = 8192;
  int rounds = 7;
  bool serve = false;
  std::string json;
  app.add_option("--n", sizes, "Numbers of samples")->check(CLI::Range(10000u, 4000000000u));
  app.add_option("--batch", workload.batch_size, "Batch size")->check(CLI::Range(1, 10000));
  app.add_option("--rounds", rounds, "Rounds of at least 40 ms each")->check(CLI::Range(5, 1000));
  app.add_option("--json", json, "Write the rows to this file");
  app.add_flag("--serve", serve, "Time a round of draws for each line on stdin");
  CLI11_PARSE(app, argc, argv);

  if (serve) {
    workload.num_samples = sizes[0];
    Serve(workload);
    return 0;
  }
  absl::PrintF("Batches of %d; ns a sample; (x): the other over ours.\n", workload.batch_size);
  std::vector<std::string> rows;
  for (const uint64_t n : sizes) {
    workload.num_samples = n;
    for (const Row& row : Measure(workload, rounds)) rows.push_back(Json(row));
  }
  WriteRows(json, "draw", rows);
  return 0;
}

}  // namespace
}  // namespace subset::bench

int main(int argc, char** argv) { return subset::bench::Run(argc, argv); }
