#include "sampling/eligible.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/forgetting.h"
#include "sampling/population.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using ::testing::ElementsAre;
using Kind = Predicate::Kind;
using Missing = Predicate::Missing;

constexpr float kNanF = std::numeric_limits<float>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// A dataset of a few columns.
class EligibleTest : public ::testing::Test {
 protected:
  template <typename T>
  void AddColumn(const std::string& name, ColumnView::Type type, const std::vector<T>& values) {
    input_.num_samples = values.size();
    std::vector<const void*>& chunks = chunks_[name];
    chunks.clear();
    for (uint64_t i = 0; i < values.size(); i += kChunkSamples) chunks.push_back(&values[i]);
    input_.columns.dataset[name] = {type, chunks};
  }
  void Add(Predicate predicate) {
    if (predicate.missing == Missing::kDefault) {
      predicate.missing = predicate.column.empty() ? Missing::kKeep : Missing::kDrop;
    }
    input_.spec.eligible.all.push_back(std::move(predicate));
  }

  std::vector<uint64_t> Members() {
    const auto set = EligibleSamples(input_);
    EXPECT_OK(set);
    std::vector<uint64_t> members;
    for (uint64_t i = 0; i < input_.num_samples; ++i) {
      if (set->Contains(i)) members.push_back(i);
    }
    EXPECT_EQ(set->Count(), members.size());
    return members;
  }
  uint64_t Count() { return Members().size(); }

  PlanInput input_;

 private:
  std::map<std::string, std::vector<const void*>> chunks_;
};

Predicate Range(const std::string& column, double minimum, double maximum) {
  Predicate predicate;
  predicate.column = column;
  predicate.minimum = minimum;
  predicate.maximum = maximum;
  return predicate;
}
Predicate Quantile(const std::string& column, double low, double high = 1) {
  Predicate predicate;
  predicate.column = column;
  predicate.kind = Kind::kQuantile;
  predicate.low = low;
  predicate.high = high;
  return predicate;
}
Predicate In(const std::string& column, std::vector<int64_t> values) {
  Predicate predicate;
  predicate.column = column;
  predicate.kind = Kind::kIn;
  predicate.values = std::move(values);
  return predicate;
}

TEST_F(EligibleTest, WithoutATestEverySampleIsEligible) {
  for (const uint64_t n : {1, 63, 64, 65, 70000}) {
    input_.num_samples = n;
    EXPECT_EQ(Count(), n);
  }
}

TEST_F(EligibleTest, ARangeTakesItsMinimumAndNotItsMaximum) {
  const std::vector<float> quality = {.1f, .9f, .5f, kNanF, .95f};
  AddColumn("quality", ColumnView::Type::kFloat32, quality);
  Add(Range("quality", .9, kInfinity));
  EXPECT_THAT(Members(), ElementsAre(1, 4)) << "a float32 0.9 is not below 0.9";
  input_.spec.eligible.all = {};
  Add(Range("quality", -kInfinity, .9));
  EXPECT_THAT(Members(), ElementsAre(0, 2));
  input_.spec.eligible.all[0].missing = Missing::kKeep;
  EXPECT_THAT(Members(), ElementsAre(0, 2, 3));
}

TEST_F(EligibleTest, IntegerBoundsAreExactAtEveryWidth) {
  const int64_t big = int64_t{1} << 62;
  const std::vector<int64_t> wide = {-big, -3,  0,       2,
                                     3,    big, big + 1, std::numeric_limits<int64_t>::max()};
  AddColumn("wide", ColumnView::Type::kInt64, wide);
  const auto members = [&](double minimum, double maximum) {
    input_.spec.eligible.all = {};
    Add(Range("wide", minimum, maximum));
    return Members();
  };
  EXPECT_THAT(members(-3, 3), ElementsAre(1, 2, 3));
  EXPECT_THAT(members(2.5, 1e300), ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(members(std::ldexp(1, 62), kInfinity), ElementsAre(5, 6, 7));
  EXPECT_THAT(members(1e300, kInfinity), ElementsAre());
  EXPECT_THAT(members(-1e300, -2.5), ElementsAre(0, 1));
  const std::vector<uint8_t> narrow = {0, 7, 255};
  AddColumn("narrow", ColumnView::Type::kUint8, narrow);
  input_.spec.eligible.all = {};
  Add(Range("narrow", -5, 255));
  EXPECT_THAT(Members(), ElementsAre(0, 1));
  input_.spec.eligible.all = {};
  Add(Range("narrow", 255, 1000));
  EXPECT_THAT(Members(), ElementsAre(2));
}

TEST_F(EligibleTest, ValuesInAndNotInAgreeWithASetAtEveryWidth) {
  std::mt19937_64 random(1);
  const auto check = [&](const auto& values, ColumnView::Type type,
                         const std::vector<int64_t>& listed) {
    AddColumn("c", type, values);
    const std::set<int64_t> set(listed.begin(), listed.end());
    for (const Kind kind : {Kind::kIn, Kind::kNotIn}) {
      input_.spec.eligible.all = {};
      Add(In("c", listed));
      input_.spec.eligible.all[0].kind = kind;
      std::vector<uint64_t> expected;
      for (uint64_t i = 0; i < values.size(); ++i) {
        if ((set.count(static_cast<int64_t>(values[i])) > 0) == (kind == Kind::kIn)) {
          expected.push_back(i);
        }
      }
      ASSERT_EQ(Members(), expected);
    }
  };
  std::vector<uint8_t> bytes(70001);
  for (auto& v : bytes) v = random();
  check(bytes, ColumnView::Type::kUint8, {3, 255, 256, -1});
  std::vector<uint32_t> words(70001);
  for (auto& v : words) v = random() % 5 * 1000000007;
  check(words, ColumnView::Type::kUint32, {1000000007, 4000000028, -5});
  std::vector<int64_t> longs(70001);
  for (auto& v : longs) v = static_cast<int64_t>(random() % 7) * (int64_t{1} << 60) - 5;
  check(longs, ColumnView::Type::kInt64, {-5, (int64_t{1} << 60) - 5, 17});
  check(longs, ColumnView::Type::kInt64, {17});
}

TEST_F(EligibleTest, KeptCountsOfQuantilesAreExact) {
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
        ranked.emplace_back(values[i], BlockLow(Philox(ties, i)), i);
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

TEST_F(EligibleTest, RanksWithinGroupsAgreeWithSortingForEveryTypeAndTie) {
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

TEST_F(EligibleTest, RanksOfManySamplesAgreeWithSorting) {
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

TEST_F(EligibleTest, AMinorityIsNotFilteredAway) {
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

TEST_F(EligibleTest, TiesDoNotGoByIndexAndARisingQuantileOnlyTakesAway) {
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

TEST_F(EligibleTest, ScoresAreTestedAndUnscoredStaysUnlessItIsDropped) {
  input_.num_samples = 2 * kChunkSamples;
  std::vector<float> first(kChunkSamples, 1);
  first[5] = 9;
  first[6] = kNanF;
  const std::vector<const float*> chunks = {first.data(), nullptr};
  input_.columns.scores["loss"] = {chunks};
  Predicate predicate = Range("", 2, kInfinity);
  predicate.score = "loss";
  Add(predicate);
  EXPECT_EQ(Count(), 2 + kChunkSamples);
  input_.spec.eligible.all[0].missing = Missing::kDrop;
  EXPECT_THAT(Members(), ElementsAre(5));
  input_.spec.eligible.all[0].score = "never";
  EXPECT_EQ(Count(), 0);
}

// Forgotten 0, 1, 1 and 3 times; never learned; never presented.
class ForgottenTest : public EligibleTest {
 protected:
  ForgottenTest() { input_.columns.scores[kForgettingColumn] = {chunks_}; }

  std::vector<uint64_t> Members(Predicate predicate, Missing missing) {
    predicate.score = kForgettingColumn;
    predicate.missing = missing;
    input_.num_samples = states_.size();
    input_.spec.eligible.all = {std::move(predicate)};
    return EligibleTest::Members();
  }

 private:
  const std::vector<float> states_ = {
      PackForgetting({false, 0, 2000, true}), PackForgetting({false, 1, 2, false}),
      PackForgetting({false, 1, 900, true}),  PackForgetting({false, 3, 9, false}),
      PackForgetting({true, 0, 1, false}),    kNanF};
  const std::vector<const float*> chunks_ = {states_.data()};
};

TEST_F(ForgottenTest, IsTestedByItsNumberOfEvents) {
  EXPECT_THAT(Members(Range("", 1, kInfinity), Missing::kDrop), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Members(Range("", 1, 2), Missing::kDrop), ElementsAre(1, 2));
  EXPECT_THAT(Members(Range("", 0, 1), Missing::kDrop), ElementsAre(0));
  EXPECT_THAT(Members(Quantile("", .2, .6), Missing::kDrop), ElementsAre(1, 2));
}

TEST_F(ForgottenTest, NeverLearnedIsAboveEveryCountAndNeverPresentedIsMissing) {
  EXPECT_THAT(Members(Range("", 2048, kInfinity), Missing::kDrop), ElementsAre(4));
  EXPECT_THAT(Members(Range("", 2048, kInfinity), Missing::kKeep), ElementsAre(4, 5));
  EXPECT_THAT(Members(Range("", -kInfinity, 2048), Missing::kDrop), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Members(Quantile("", .8), Missing::kDrop), ElementsAre(4));
}

TEST_F(EligibleTest, TestsAreAndedWhateverTheirOrder) {
  std::mt19937_64 random(5);
  std::vector<float> x(1000), y(1000);
  for (auto& v : x) v = std::uniform_real_distribution<float>()(random);
  for (auto& v : y) v = std::uniform_real_distribution<float>()(random);
  AddColumn("x", ColumnView::Type::kFloat32, x);
  AddColumn("y", ColumnView::Type::kFloat32, y);
  const auto members = [&](std::vector<Predicate> all) {
    input_.spec.eligible.all = {};
    for (Predicate& predicate : all) Add(predicate);
    return Members();
  };
  const auto a = members({Quantile("x", .5)});
  const auto b = members({Range("y", .3, .6)});
  std::vector<uint64_t> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  EXPECT_EQ(members({Quantile("x", .5), Range("y", .3, .6)}), both);
  EXPECT_EQ(members({Range("y", .3, .6), Quantile("x", .5)}), both);
}

TEST_F(EligibleTest, AMissingIrreducibleLossExcludesWhereTheSpecSaysSo) {
  const std::vector<float> irreducible = {1, kNanF, -2};
  AddColumn("il", ColumnView::Type::kFloat32, irreducible);
  input_.spec.preference.irreducible = "il";
  EXPECT_EQ(Count(), 3);
  EXPECT_FALSE(HasFilter(input_.spec));
  input_.spec.preference.missing_irreducible = Preference::MissingIrreducible::kExclude;
  EXPECT_TRUE(HasFilter(input_.spec));
  EXPECT_THAT(Members(), ElementsAre(0, 2));
}

Predicate Labels(Kind kind, std::vector<int64_t> values) {
  Predicate predicate = In("classes", std::move(values));
  predicate.kind = kind;
  return predicate;
}

TEST_F(EligibleTest, LabelSetsAreTestedAsSets) {
  const LabelSets sets({{}, {3}, {3, 7}, {7, 4000000000}, {1, 3, 7}});
  input_.num_samples = 5;
  input_.columns.label_sets["classes"] = sets.view();
  const auto members = [this](Kind kind, std::vector<int64_t> values) {
    input_.spec.eligible.all.clear();
    Add(Labels(kind, std::move(values)));
    return Members();
  };
  EXPECT_THAT(members(Kind::kAnyOf, {3, 1}), ElementsAre(1, 2, 4));
  EXPECT_THAT(members(Kind::kAllOf, {7, 3}), ElementsAre(2, 4));
  EXPECT_THAT(members(Kind::kNoneOf, {3, 1}), ElementsAre(0, 3));
  EXPECT_THAT(members(Kind::kAllOf, {3, 3}), ElementsAre(1, 2, 4));
  EXPECT_THAT(members(Kind::kAnyOf, {4000000000}), ElementsAre(3));
  // What is no label of any sample: 2^32 + 3 is not taken for 3.
  EXPECT_THAT(members(Kind::kAnyOf, {(int64_t{1} << 32) + 3, -1}), ElementsAre());
  EXPECT_THAT(members(Kind::kAllOf, {3, -1}), ElementsAre());
  EXPECT_THAT(members(Kind::kNoneOf, {99}), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(EligibleTest, LabelSetsAgreeWithTheObviousSets) {
  std::mt19937_64 random(11);
  constexpr uint64_t kSamples = 70000;  // two chunks
  std::vector<std::vector<uint32_t>> labels(kSamples);
  for (auto& each : labels) {
    std::set<uint32_t> set;
    for (uint64_t k = random() % 6; k > 0; --k) {
      set.insert(static_cast<uint32_t>(random() % 20 * (random() % 9 == 0 ? 200000000 : 1)));
    }
    each.assign(set.begin(), set.end());
  }
  const LabelSets sets(labels);
  input_.num_samples = kSamples;
  input_.columns.label_sets["classes"] = sets.view();
  for (const Kind kind : {Kind::kAnyOf, Kind::kAllOf, Kind::kNoneOf}) {
    for (int round = 0; round < 4; ++round) {
      std::set<int64_t> wanted;
      for (int k = 0; k <= round; ++k) {
        wanted.insert(static_cast<int64_t>(random() % 20 * (round == 3 ? 200000000 : 1)));
      }
      input_.spec.eligible.all.clear();
      Add(Labels(kind, {wanted.begin(), wanted.end()}));
      std::vector<uint64_t> expected;
      for (uint64_t i = 0; i < kSamples; ++i) {
        size_t found = 0;
        for (const uint32_t label : labels[i]) found += wanted.count(label);
        const bool passes = kind == Kind::kAnyOf   ? found > 0
                            : kind == Kind::kAllOf ? found == wanted.size()
                                                   : found == 0;
        if (passes) expected.push_back(i);
      }
      EXPECT_EQ(Members(), expected);
    }
  }
}

TEST_F(EligibleTest, LabelSetsAndNumbersAreNotMistakenForEachOther) {
  const std::vector<float> x = {1};
  AddColumn("x", ColumnView::Type::kFloat32, x);
  const LabelSets sets(std::vector<std::vector<uint32_t>>(1, {1}));
  input_.columns.label_sets["classes"] = sets.view();
  for (Predicate wrong : {Range("classes", 0, 1), Quantile("classes", .5), In("classes", {1}),
                          Labels(Kind::kAnyOf, {1})}) {
    if (wrong.kind == Kind::kAnyOf) wrong.column = "x";
    input_.spec.eligible.all.clear();
    Add(wrong);
    EXPECT_THAT(EligibleSamples(input_).status(), FieldIs("eligible.all[0].column"));
  }
}

TEST_F(EligibleTest, AWrongColumnIsRefusedByItsPath) {
  const std::vector<float> x = {1};
  AddColumn("x", ColumnView::Type::kFloat32, x);
  Add(Range("x", 0, 2));
  Add(In("x", {1}));
  EXPECT_THAT(EligibleSamples(input_).status(), FieldIs("eligible.all[1].column"));
  input_.spec.eligible.all[1] = Range("y", 0, 1);
  EXPECT_THAT(EligibleSamples(input_).status(), FieldIs("eligible.all[1].column"));
  input_.spec.eligible.all[1] = Quantile("x", .5);
  input_.spec.eligible.all[1].within = "x";
  EXPECT_THAT(EligibleSamples(input_).status(), FieldIs("eligible.all[1].within"));
  input_.spec.eligible.all[1].within = "y";
  EXPECT_THAT(EligibleSamples(input_).status(), FieldIs("eligible.all[1].within"));
}

}  // namespace
}  // namespace subset::sampling
