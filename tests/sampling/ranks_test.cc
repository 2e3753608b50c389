// Ranks are those that comparing score, tie and slot gives, whoever works on the parts.

#include "sampling/ranks.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "base/thread_executor.h"
#include "gtest/gtest.h"
#include "sampling/parts.h"
#include "tests/sampling/spec_case.h"

namespace subset::sampling {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr PhiloxKey kTies = {7, 11};

// The obvious slow way: slots by score and tie, the largest first.
struct Ranked {
  double score;
  uint32_t tie;
  uint64_t slot;
};
std::vector<Ranked> SortedSlots(const RankedBy& by, const std::vector<double>& of_samples,
                                uint64_t first, uint64_t last) {
  std::vector<Ranked> ranked;
  for (uint64_t slot = first; slot < last; ++slot) {
    const uint32_t sample = by.population.sample(slot);
    const double score = std::isnan(of_samples[sample]) ? by.unscored : of_samples[sample];
    if (std::isnan(score)) continue;
    ranked.push_back({score, by.ties.has_value() ? Philox(*by.ties, sample)[0] : 0, slot});
  }
  std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    return std::tie(a.score, a.tie, a.slot) > std::tie(b.score, b.tie, b.slot);
  });
  return ranked;
}

void ExpectAsSorted(const RankedBy& by, const std::vector<double>& of_samples, uint64_t first,
                    uint64_t last) {
  const ThreadExecutor threads(3);
  const std::vector<Ranked> expected = SortedSlots(by, of_samples, first, last);
  for (const Executor* executor :
       {static_cast<const Executor*>(nullptr), static_cast<const Executor*>(&threads)}) {
    const Ranks ranks(by, first, last, executor);
    ASSERT_EQ(ranks.size(), expected.size());
    uint64_t wrong = 0;
    for (uint64_t rank = 0; rank < ranks.size(); ++rank) {
      wrong += ranks.slot(rank) != expected[rank].slot;
      if (rank + 1 == ranks.size() || by.ties.has_value()) continue;
      wrong += ranks.TiedWithNext(rank) != (expected[rank].score == expected[rank + 1].score);
    }
    EXPECT_EQ(wrong, 0u);
  }
}

using Distribution = std::function<double(std::mt19937_64& random)>;

// Scores that floats hold, that they round, that they do not reach; alone and together.
std::map<std::string, Distribution> Distributions() {
  const auto unit = [](std::mt19937_64& random) {
    return std::generate_canonical<double, 53>(random);
  };
  const auto one_of = [](std::vector<double> values) {
    return [values](std::mt19937_64& random) { return values[random() % values.size()]; };
  };
  const auto mixed = [](double share, Distribution rare, Distribution usual) {
    return [=](std::mt19937_64& random) {
      return std::generate_canonical<double, 53>(random) < share ? rare(random) : usual(random);
    };
  };
  const Distribution floats = [=](std::mt19937_64& random) {
    return static_cast<float>(-std::log(1 - unit(random)) - .5);
  };
  return {
      {"floats", floats},
      {"floats of both signs, some missing", mixed(.3, one_of({kNan}), floats)},
      {"a few floats", one_of({-1, 0, -0., .5, 2, 1e-40f, -1e-45f})},
      {"all alike, a float", one_of({2})},
      {"all alike, not a float", one_of({.1})},
      {"all missing", one_of({kNan})},
      {"infinities", one_of({kInfinity, -kInfinity, kNan, 1e300, -1e300, 3.5e38, 0})},
      {"doubles", unit},
      {"doubles of few floats", [=](std::mt19937_64& random) { return 1e9 + unit(random); }},
      {"a few doubles of one float", one_of({1 + 1e-10, 1 + 2e-10, 1 + 3e-10})},
      {"doubles without end",
       [=](std::mt19937_64& random) {
         return std::ldexp(unit(random) - .5, static_cast<int>(random() % 2000) - 1000);
       }},
      {"neighbours and outliers", mixed(1e-4, one_of({1e300, -1e300, 0}),
                                        [=](std::mt19937_64& random) {
                                          return 1 + 1e-13 * static_cast<double>(random() % 50);
                                        })},
      {"denormals",
       [=](std::mt19937_64& random) {
         return static_cast<double>(random() % 1000) * 5e-324 * (random() % 2 == 0 ? 1 : -1);
       }},
      {"floats and one double", mixed(.2, one_of({.1}), floats)},
  };
}

// Around what is few, a piece, a part, and more than two of them.
constexpr uint64_t kSizes[] = {1, 2, 64, 65, 1025, kPartSize, kPartSize + 1, 2 * kPartSize + 77};

TEST(RanksTest, AreThoseOfSorting) {
  std::mt19937_64 random(9);
  for (const auto& [name, distribution] : Distributions()) {
    for (const uint64_t size : kSizes) {
      SCOPED_TRACE(name + ", " + std::to_string(size));
      std::vector<double> scores;
      for (uint64_t i = 0; i < size; ++i) scores.push_back(distribution(random));
      Case c(Preference::Kind::kRank, std::vector<float>(size, 1));
      c.preference().column = "score";
      c.SetColumn("score", scores);
      const Population population = c.population();
      const PreferredScores preferred(c.input, population);
      ExpectAsSorted({preferred, kNan, population, kTies}, scores, 0, size);
      ExpectAsSorted({preferred, kNan, population, std::nullopt}, scores, 0, size);
      ExpectAsSorted({preferred, .7, population, kTies}, scores, 0, size);
    }
  }
}

TEST(RanksTest, OfAStratumHashTheSampleAndNotTheSlot) {
  std::mt19937_64 random(10);
  for (const uint64_t size : {uint64_t{100}, 3 * kPartSize}) {
    SCOPED_TRACE(size);
    std::vector<double> scores;
    std::vector<uint16_t> labels;
    for (uint64_t i = 0; i < size; ++i) {
      scores.push_back(static_cast<double>(random() % 3));
      labels.push_back(static_cast<uint16_t>(random() % 4 == 0));
    }
    Case c(Preference::Kind::kRank, std::vector<float>(size, 1));
    c.preference().column = "score";
    c.SetColumn("score", scores);
    c.Stratify(labels);
    const Population population = c.population();
    const PreferredScores preferred(c.input, population);
    const RankedBy by = {preferred, kNan, population, kTies};
    for (size_t g = 0; g < population.num_strata(); ++g) {
      const uint64_t first = population.first(g);
      ExpectAsSorted(by, scores, first, first + population.count(g));
    }
  }
}

TEST(RanksTest, AllTiedAndConsecutiveIsTheOrderOfTheirHashes) {
  for (const uint64_t size : {uint64_t{10}, uint64_t{300}, kPartSize + 300}) {
    const std::vector<double> scores(size, 1);
    Case c(Preference::Kind::kRank, std::vector<float>(size, 1));
    const Population population = c.population();
    const PreferredScores preferred(c.input, population);
    ExpectAsSorted({preferred, kNan, population, kTies}, scores, 0, size);
  }
}

}  // namespace
}  // namespace subset::sampling
