// What choices cost: draws and updates of a combined sampler (filter, two nested strata,
// score^alpha, floor) against the plain weighted ones, and the opening of plans against one pass
// over the columns that they read.
//
//   bench_plans [--n N] [--rounds R] [--threads T] [--only CASE] [--json FILE]
//
// What the engine keeps from epoch to epoch (strata, and the population where no filter reads
// scores) is prepared when a run is created; epochs are opened from it.
// Plans are opened by T threads, as the engine does it by all that the machine has; the pass is
// that of one thread. Rounds are interleaved; times are medians over them, ratios medians of the
// rounds' ratios.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "base/malloc.h"
#include "base/thread_executor.h"
#include "bench/draw/contenders.h"
#include "bench/draw/rounds.h"
#include "bench/figures.h"
#include "bench/plans/table.h"
#include "sampling/eligible.h"
#include "sampling/population.h"
#include "sampling/strata.h"

namespace subset::bench {
namespace {

using sampling::Draw;
using sampling::PlanInput;
using sampling::Preference;
using sampling::Proportion;
using sampling::SamplerSpec;

constexpr uint32_t kBatch = 8192;
// A virtual machine pays for memory that it has not touched lately: some rounds are needed until
// what plans are built in is at hand.
constexpr double kWarmUpSeconds = 1;
constexpr int kWarmUpRounds = 20;

// Dialects alike within labels, whose shares are flattened; of the better 70 %.
void FilterAndNest(SamplerSpec* spec) {
  sampling::Predicate predicate;
  predicate.column = "quality";
  predicate.minimum = .3;
  spec->eligible.all = {predicate};
  const auto within = std::make_shared<Proportion>();
  within->kind = Proportion::Kind::kEqual;
  within->column = "dialect";
  spec->proportion.kind = Proportion::Kind::kTemperature;
  spec->proportion.temperature = 2;
  spec->proportion.column = "label";
  spec->proportion.within = within;
}

void Prefer(SamplerSpec* spec, double alpha) {
  spec->preference.kind = Preference::Kind::kScorePower;
  spec->preference.alpha = alpha;
}

// A sampler to open an epoch of.
struct Case {
  std::string name;
  SamplerSpec spec;
  std::vector<std::string> reads;  // columns
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  const auto add = [&cases](const char* name, std::vector<std::string> reads, auto set) {
    Case added{name, {}, std::move(reads)};
    set(&added.spec);
    SUBSET_CHECK(sampling::ResolveSpec(&added.spec).ok());
    cases.push_back(std::move(added));
  };
  add("uniform", {}, [](SamplerSpec*) {});
  add("filter, nested", {"quality", "label", "dialect"}, FilterAndNest);
  add("score", {"loss"}, [](SamplerSpec* spec) { Prefer(spec, 1); });
  add("score^0.6", {"loss"}, [](SamplerSpec* spec) { Prefer(spec, .6); });
  add("combined", {"quality", "label", "dialect", "loss"}, [](SamplerSpec* spec) {
    FilterAndNest(spec);
    Prefer(spec, .6);
    spec->guard.uniform_floor = .1;
  });
  add("rank", {"loss"}, [](SamplerSpec* spec) {
    spec->preference.kind = Preference::Kind::kRank;
    spec->preference.alpha = .7;
  });
  add("hardest half", {"loss"}, [](SamplerSpec* spec) {
    spec->preference.kind = Preference::Kind::kBand;
    spec->preference.keep = .5;
    spec->draw.kind = sampling::Draw::Kind::kEpoch;
  });
  add("hardest half, with replacement", {"loss"}, [](SamplerSpec* spec) {
    spec->preference.kind = Preference::Kind::kBand;
    spec->preference.keep = .5;
  });
  add("pruned below mean", {"loss"}, [](SamplerSpec* spec) {
    spec->preference.kind = Preference::Kind::kBelowMeanPruning;
    spec->preference.total_epochs = 1000000;
  });
  add("quantile of loss", {"loss"}, [](SamplerSpec* spec) {
    sampling::Predicate predicate;
    predicate.score = "loss";
    predicate.kind = sampling::Predicate::Kind::kQuantile;
    predicate.high = .9;
    spec->eligible.all = {predicate};
  });
  add("systematic", {"loss"}, [](SamplerSpec* spec) {
    Prefer(spec, .6);
    spec->draw.kind = Draw::Kind::kSystematic;
    spec->draw.fraction = .5;
  });
  add("rounds", {}, [](SamplerSpec* spec) {
    spec->draw.kind = Draw::Kind::kRounds;
    spec->draw.fraction = .3;
  });
  add("bootstrap", {}, [](SamplerSpec* spec) { spec->draw.kind = Draw::Kind::kBootstrap; });
  return cases;
}

PlanInput InputOf(const Table& table, const SamplerSpec& spec, uint64_t epoch,
                  const Executor& executor) {
  PlanInput input;
  input.spec = spec;
  input.key = {1, 1, epoch};
  input.num_samples = table.num_samples();
  input.batch_size = kBatch;
  input.columns = table.columns();
  input.executor = &executor;
  return input;
}

// What the engine keeps from epoch to epoch.
void Prepare(PlanInput* input) {
  if (sampling::ReadsStrata(input->spec)) {
    const std::string& column = input->spec.proportion.column;
    auto strata = sampling::BuildStrata(input->columns.dataset.at(column), input->num_samples,
                                        column, input->executor);
    SUBSET_CHECK(strata.ok());
    input->strata = *std::move(strata);
  }
  if (sampling::FilterReadsScores(input->spec)) return;  // that is a part of opening
  auto population = sampling::BuildPopulation(*input);
  SUBSET_CHECK(population.ok());
  input->population = *std::move(population);
}

void Open(const PlanInput& input) {
  const auto plan = sampling::BuildPlan(input);
  SUBSET_CHECK(plan.ok() && (*plan)->traits().num_positions > 0);
}

// One line of the table.
struct Row {
  std::string what;
  std::string unit;
  double ours = 0;
  std::string other;  // what it is compared with, if anything
  double others = 0;
  double ratio = 0;  // ours / other
};

struct Times {
  std::vector<double> ours;
  std::vector<double> others;

  void Add(double our_time, double other) {
    ours.push_back(our_time);
    others.push_back(other);
  }
  Row ToRow(std::string what, std::string unit, std::string other) const {
    std::vector<double> ratios;
    for (size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / others[i]);
    return {std::move(what),  std::move(unit), Median(ours),
            std::move(other), Median(others),  Median(ratios)};
  }
};

template <typename F>
double Milliseconds(F f) {
  const double start = Seconds();
  f();
  return 1e3 * (Seconds() - start);
}

std::vector<Row> MeasureOpening(const Table& table, const Case& opened, int rounds,
                                const Executor& executor) {
  const bool prepares =
      !opened.spec.proportion.column.empty() ||
      (sampling::HasFilter(opened.spec) && !sampling::FilterReadsScores(opened.spec));
  Times prepare;
  Times open;
  uint64_t sum = 0;
  const double start = Seconds();
  int warm = kWarmUpRounds;
  for (int round = 0; round < warm + rounds; ++round) {
    const double pass = Milliseconds([&] { sum += table.Sum(opened.reads); });
    PlanInput input = InputOf(table, opened.spec, round, executor);
    const double prepare_time = Milliseconds([&] { Prepare(&input); });
    const double open_time = Milliseconds([&] { Open(input); });
    if (round < warm) {
      if (Seconds() - start > kWarmUpSeconds) warm = round + 1;
      continue;
    }
    prepare.Add(prepare_time, pass);
    open.Add(open_time, pass);
  }
  SUBSET_CHECK(opened.reads.empty() || sum != 0);  // it was read
  const std::string other = opened.reads.empty() ? "" : "pass";
  std::vector<Row> rows;
  if (prepares) rows.push_back(prepare.ToRow(absl::StrCat(opened.name, ", prepared"), "ms", other));
  rows.push_back(open.ToRow(absl::StrCat(opened.name, ", opened"), "ms", other));
  return rows;
}

std::vector<Row> MeasureDraws(const Table& table, const SamplerSpec& spec, int rounds,
                              const Executor& executor) {
  PlanInput input = InputOf(table, spec, 0, executor);
  Prepare(&input);
  const auto combined = sampling::ScoreDraw::Build(input);
  SUBSET_CHECK(combined.ok());
  const std::vector<float> scores = MakeScores(table.num_samples());
  const auto plain = MakeScoreDraw(scores);
  const Workload all = {table.num_samples(), kBatch};
  const Workload eligible = {(*combined)->traits().num_positions, kBatch};
  const Contender draws[] = {DrawOurs(**combined, eligible), DrawOurs(*plain, all)};
  const Contender updates[] = {UpdateOurs(combined->get(), scores, all),
                               UpdateOurs(plain.get(), scores, all)};
  Times draw;
  Times update;
  for (int round = 0; round <= rounds; ++round) {
    const auto add = [round](const Contender* pair, Times* times) {
      const double ours = TimeRound(pair[0], kBatch, round);
      const double other = TimeRound(pair[1], kBatch, round);
      if (round > 0) times->Add(ours, other);
    };
    add(draws, &draw);
    add(updates, &update);
  }
  return {draw.ToRow("combined draw", "ns", "plain"),
          update.ToRow("combined update", "ns", "plain")};
}

void Print(const Row& row) {
  absl::PrintF("%-24s %9.2f %s", row.what, row.ours, row.unit);
  if (!row.other.empty()) absl::PrintF("   %s %.2f (%.2fx)", row.other, row.others, row.ratio);
  absl::PrintF("\n");
  std::fflush(stdout);
}

std::string Json(const Row& row, uint64_t n) {
  std::string text = absl::StrFormat(R"({"what": "%s", "n": %d, "unit": "%s", "ours": %.4g)",
                                     row.what, n, row.unit, row.ours);
  if (!row.other.empty()) {
    absl::StrAppendFormat(&text, R"(, "%s": %.4g, "ours_over_%s": %.4g)", row.other, row.others,
                          row.other, row.ratio);
  }
  return text + "}";
}

int Run(int argc, char** argv) {
  CLI::App app("Combined samplers against plain draws, and plans against a pass over columns.");
  uint64_t n = 10000000;
  int rounds = 7;
  size_t threads = AllThreads().threads();
  std::string only;
  std::string json;
  app.add_option("--n", n, "Number of samples")->check(CLI::Range(10000u, 1000000000u));
  app.add_option("--rounds", rounds, "Rounds")->check(CLI::Range(3, 1000));
  app.add_option("--threads", threads, "Threads that open plans")->check(CLI::Range(1, 1024));
  app.add_option("--only", only, "Measure this case only: combined, score, ...");
  app.add_option("--json", json, "Write the rows to this file");
  CLI11_PARSE(app, argc, argv);

  KeepFreedMemory();  // as subsetd does

  absl::PrintF("N = %d; plans opened by %d threads, the pass is that of one; (x): ours over it.\n",
               n, threads);
  const ThreadExecutor executor(threads);
  const Table table(n);
  std::vector<std::string> lines;
  const auto add = [&](const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      Print(row);
      lines.push_back(Json(row, n));
    }
  };
  for (const Case& opened : Cases()) {
    if (!only.empty() && opened.name != only) continue;
    if (opened.name == "combined") add(MeasureDraws(table, opened.spec, rounds, executor));
    add(MeasureOpening(table, opened, rounds, executor));
  }
  WriteRows(json, "plans", lines);
  return 0;
}

}  // namespace
}  // namespace subset::bench

int main(int argc, char** argv) { return subset::bench::Run(argc, argv); }
