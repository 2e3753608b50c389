// Filters of columns of label sets.

#include <random>
#include <set>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sampling/eligible_testing.h"

namespace subset::sampling {
namespace {

using ::testing::ElementsAre;
using EligibleLabelsTest = EligibleTest;

Predicate Labels(Kind kind, std::vector<int64_t> values) {
  Predicate predicate = In("classes", std::move(values));
  predicate.kind = kind;
  return predicate;
}

TEST_F(EligibleLabelsTest, LabelSetsAreTestedAsSets) {
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

TEST_F(EligibleLabelsTest, LabelSetsAgreeWithTheObviousSets) {
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

TEST_F(EligibleLabelsTest, LabelSetsAndNumbersAreNotMistakenForEachOther) {
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

}  // namespace
}  // namespace subset::sampling
