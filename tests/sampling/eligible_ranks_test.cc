// Quantiles, and ranges that keep a minimum of each group.

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/philox.h"
#include "sampling/population.h"
#include "tests/sampling/eligible_testing.h"

namespace subset::sampling {
namespace {

using ::testing::ElementsAre;
using EligibleRanksTest = EligibleTest;

TEST_F(EligibleRanksTest, KeptCountsOfQuantilesAreExact) {
  std::mt19937_64 random(2);
  for (const uint64_t n : {1, 7, 10, 100, 1000, 200001}) {
    std::vector<float> spread(n), tied(n), constant(n, 3);
    for (auto& v : spread) v = std::uniform_real_distribution<float>(-5, 5)(random);
    for (auto& v : tied) v = static_cast<float>(random() % 3);
    AddColumn("spread", ColumnView::Type::kFloat32, spread);
    AddColumn("tied", ColumnView::Type::kFloat32, tied);
    AddColumn("constant", ColumnView::Type::kFloat32, constant);
    for (const char* column : {"spread", "tied", "constant"}) {
      for (const auto& [low, high] : {std::pair(.3, 1.0), {0.0, .9}, {.29, .9}, {.5, .75}}) {
        input_.spec.eligible.all = {};
        Add(Quantile(column, low, high));
        EXPECT_EQ(Count(), n - FloorFraction(low, n) - FloorFraction(1 - high, n))
            << column << " " << n << " " << low << " " << high;
      }
    }
  }
}

// The obvious slow way for one group: sort what has a number, cut by rank, grow to the minimum.
std::vector<uint64_t> Sorted(const std::vector<double>& values, const std::vector<int>& groups,
                             const Predicate& predicate, const PhiloxKey& ties) {
  std::vector<uint64_t> members;
  for (const int group : std::set<int>(groups.begin(), groups.end())) {
    using Rank = std::tuple<double, uint64_t, uint64_t>;
    std::vector<Rank> ranked;
    for (uint64_t i = 0; i < values.size(); ++i) {
      if (groups[i] != group) continue;
      if (std::isnan(values[i])) {
        if (predicate.missing == Missing::kKeep) members.push_back(i);
      } else {
        ranked.emplace_back(values[i], Philox(ties, i)[0], i);
      }
    }
    std::sort(ranked.begin(), ranked.end());
    const int64_t n = ranked.size();
    int64_t begin = 0;
    int64_t end = n;
    if (predicate.kind == Kind::kQuantile) {
      begin = FloorFraction(predicate.low, n);
      end = n - FloorFraction(1 - predicate.high, n);
    } else {
      while (begin < n && std::get<0>(ranked[begin]) < predicate.minimum) ++begin;
      end = begin;
      while (end < n && std::get<0>(ranked[end]) < predicate.maximum) ++end;
    }
    const int64_t least = CeilFraction(predicate.minimum_keep, n);
    while (end - begin < least && begin > 0) --begin;
    while (end - begin < least) ++end;
    for (int64_t k = begin; k < end; ++k) members.push_back(std::get<2>(ranked[k]));
  }
  std::sort(members.begin(), members.end());
  return members;
}

TEST_F(EligibleRanksTest, RanksWithinGroupsAgreeWithSortingForEveryTypeAndTie) {
  std::mt19937_64 random(3);
  const auto uniform = [&] { return std::uniform_real_distribution<>(0, 1)(random); };
  for (int trial = 0; trial < 400; ++trial) {
    const uint64_t n = 1 + random() % 300;
    const int distinct = 1 + random() % 50;
    std::vector<double> values(n);
    std::vector<float> floats(n);
    std::vector<double> doubles(n);
    std::vector<int64_t> longs(n);
    std::vector<uint8_t> bytes(n);
    std::vector<uint32_t> group(n);
    const int type = trial % 4;
    for (uint64_t i = 0; i < n; ++i) {
      group[i] = random() % 4 * 100000;
      values[i] = static_cast<double>(random() % distinct) - (type == 3 ? 0 : 20);
      if (type < 2 && random() % 5 == 0) values[i] = NAN;
      if (type < 2 && random() % 9 == 0) values[i] = -0.0;
      floats[i] = static_cast<float>(values[i]);
      doubles[i] = values[i];
      if (type >= 2) longs[i] = static_cast<int64_t>(values[i]);
      if (type == 3) bytes[i] = static_cast<uint8_t>(values[i]);
    }
    AddColumn("group", ColumnView::Type::kUint32, group);
    if (type == 0) AddColumn("x", ColumnView::Type::kFloat32, floats);
    if (type == 1) AddColumn("x", ColumnView::Type::kFloat64, doubles);
    if (type == 2) AddColumn("x", ColumnView::Type::kInt64, longs);
    if (type == 3) AddColumn("x", ColumnView::Type::kUint8, bytes);
    input_.key.seed = trial;
    input_.spec.eligible.all = {};
    Predicate predicate = random() % 2 == 0 ? Quantile("x", uniform() * .8, .8 + uniform() * .2)
                                            : Range("x", uniform() * 40 - 20, kInfinity);
    if (predicate.kind == Kind::kRange && random() % 2 == 0) {
      predicate.maximum = predicate.minimum + 5;
    }
    predicate.minimum_keep = random() % 3 == 0 ? 0 : uniform();
    predicate.missing = random() % 2 == 0 ? Missing::kKeep : Missing::kDrop;
    if (random() % 3 > 0) predicate.within = "group";
    Add(predicate);
    std::vector<int> groups(group.begin(), group.end());
    if (predicate.within.empty()) std::fill(groups.begin(), groups.end(), 0);
    const PhiloxKey ties = DeriveKey({static_cast<uint64_t>(trial), 0, 0}, Purpose::kFilterTies, 0);
    ASSERT_EQ(Members(), Sorted(values, groups, predicate, ties)) << "trial " << trial;
  }
}

TEST_F(EligibleRanksTest, RanksOfManySamplesAgreeWithSorting) {
  std::mt19937_64 random(4);
  const uint64_t n = 300000;
  std::vector<double> values(n);
  std::vector<float> floats(n);
  const std::vector<int> groups(n, 0);
  for (const bool skewed : {false, true}) {
    for (uint64_t i = 0; i < n; ++i) {
      floats[i] = std::exponential_distribution<float>()(random);
      if (skewed && random() % 2 == 0) floats[i] = i % 7 == 0 ? 1e30f : 1;
      values[i] = floats[i];
    }
    AddColumn("x", ColumnView::Type::kFloat32, floats);
    for (const auto& [low, high] : {std::pair(.3, .95), {.5, .50001}, {.01, 1.0}}) {
      input_.spec.eligible.all = {};
      Add(Quantile("x", low, high));
      const PhiloxKey ties = DeriveKey({0, 0, 0}, Purpose::kFilterTies, 0);
      ASSERT_EQ(Members(), Sorted(values, groups, input_.spec.eligible.all[0], ties));
    }
  }
}

TEST_F(EligibleRanksTest, AMinorityIsNotFilteredAway) {
  // The small group is the worst throughout.
  std::vector<float> quality;
  std::vector<uint16_t> dialect;
  for (int i = 0; i < 1000; ++i) {
    dialect.push_back(i < 20 ? 1 : 0);
    quality.push_back(static_cast<float>(i));
  }
  AddColumn("quality", ColumnView::Type::kFloat32, quality);
  AddColumn("dialect", ColumnView::Type::kUint16, dialect);
  Predicate threshold = Range("quality", 500, kInfinity);
  threshold.within = "dialect";
  threshold.minimum_keep = .3;
  Add(threshold);
  const std::vector<uint64_t> members = Members();
  EXPECT_EQ(std::count_if(members.begin(), members.end(), [](uint64_t i) { return i < 20; }), 6);
  EXPECT_EQ(members.size(), 506);
  EXPECT_THAT(std::vector<uint64_t>(members.begin(), members.begin() + 6),
              ElementsAre(14, 15, 16, 17, 18, 19));
}

TEST_F(EligibleRanksTest, TiesDoNotGoByIndexAndARisingQuantileOnlyTakesAway) {
  const std::vector<float> constant(1000, 1);
  AddColumn("x", ColumnView::Type::kFloat32, constant);
  std::vector<uint64_t> before;
  for (const double low : {.2, .4, .6, .8}) {
    input_.spec.eligible.all = {};
    Add(Quantile("x", low));
    ++input_.key.epoch;
    ++input_.key.sampler_version;
    const std::vector<uint64_t> members = Members();
    if (!before.empty()) {
      EXPECT_TRUE(std::includes(before.begin(), before.end(), members.begin(), members.end()));
    }
    // Of 1000 shuffled samples the first half holds half, +- 5 standard deviations.
    const auto half = std::lower_bound(members.begin(), members.end(), 500) - members.begin();
    EXPECT_NEAR(half, members.size() / 2.0, 5 * std::sqrt(1000 * .25 * low * (1 - low)));
    before = members;
  }
  ++input_.key.seed;
  EXPECT_NE(Members(), before);
}

}  // namespace
}  // namespace subset::sampling
