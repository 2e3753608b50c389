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
#include "tests/sampling/eligible_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using ::testing::ElementsAre;

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
