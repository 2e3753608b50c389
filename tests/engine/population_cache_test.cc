// A population is built anew exactly where it may differ.

#include "engine/population_cache.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/spec.h"
#include "tests/testing/status_matchers.h"

namespace subset {
namespace {

using sampling::ColumnView;
using sampling::PlanInput;
using sampling::Predicate;

// Ten samples, of which those of some quality stay.
class PopulationCacheTest : public ::testing::Test {
 protected:
  PopulationCacheTest() {
    Predicate predicate;
    predicate.column = "quality";
    predicate.minimum = 3;
    spec_.eligible.all = {predicate};
  }
  // The samples, for a run of this seed.
  const sampling::Strata* Fill(uint64_t seed, const PinnedColumns& columns = {}) {
    PlanInput input;
    input.spec = spec_;
    input.key.seed = seed;
    input.num_samples = quality_.size();
    input.columns.dataset["quality"] = {ColumnView::Type::kUint8, chunks_};
    const absl::Status filled = cache_.Fill(spec_, columns, &input);
    EXPECT_TRUE(filled.ok()) << filled;
    return input.population.has_value() ? input.population->strata.get() : nullptr;
  }

  std::vector<uint8_t> quality_ = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::vector<const void*> chunks_ = {quality_.data()};
  sampling::SamplerSpec spec_;
  PopulationCache cache_;
};

TEST_F(PopulationCacheTest, AThresholdKeepsTheSameWhateverTheSeed) {
  const sampling::Strata* const first = Fill(1);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->members.size(), 7u);
  EXPECT_EQ(Fill(1), first);
  EXPECT_EQ(Fill(2), first);
}

TEST_F(PopulationCacheTest, OtherColumnsMakeAnother) {
  Fill(1);
  quality_.assign(10, 9);
  EXPECT_EQ(Fill(1)->members.size(), 7u);  // the same columns, as far as it can know
  EXPECT_EQ(Fill(1, {{"quality", nullptr}})->members.size(), 10u);
}

TEST_F(PopulationCacheTest, TiesOfAQuantileGoByTheSeed) {
  quality_.assign(10, 1);  // all alike
  spec_.eligible.all[0].kind = Predicate::Kind::kQuantile;
  spec_.eligible.all[0].low = .5;
  const auto members = [this](uint64_t seed) {
    const sampling::Strata* const strata = Fill(seed);
    return std::vector<uint32_t>(strata->members.begin(), strata->members.end());
  };
  const std::vector<uint32_t> first = members(1);
  EXPECT_EQ(first.size(), 5u);
  EXPECT_NE(members(2), first);
  EXPECT_EQ(members(1), first);
}

TEST_F(PopulationCacheTest, WhatScoresDecideIsNotKept) {
  spec_.eligible.all[0].column = "";
  spec_.eligible.all[0].score = "loss";
  EXPECT_EQ(Fill(1), nullptr);
}

}  // namespace
}  // namespace subset
