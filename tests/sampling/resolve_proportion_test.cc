// What ResolveSpec says of proportions.

#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/proportion.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Kind = Proportion::Kind;

TEST(ResolveProportionTest, WhatMakesNoSenseIsRefusedByFieldAndBound) {
  struct Refused {
    const char* field;
    const char* message;
    std::function<void(Proportion&)> change;
  };
  const auto within = [](Proportion& p, const std::function<void(Proportion&)>& change) {
    Proportion inner;
    inner.column = "dialect";
    change(inner);
    p.within = std::make_shared<const Proportion>(inner);
  };
  const std::vector<Refused> cases = {
      {"proportion.column", "TEMPERATURE needs",
       [](Proportion& p) {
         p.kind = Kind::kTemperature;
         p.column = "";
       }},
      {"proportion.column", "does not match", [](Proportion& p) { p.column = "A"; }},
      {"proportion.temperature", "0 is outside (0, infinity)",
       [](Proportion& p) {
         p.kind = Kind::kTemperature;
         p.temperature = 0;
       }},
      {"proportion.effective_beta", "1.5 is outside [0, 1]",
       [](Proportion& p) {
         p.kind = Kind::kEffectiveNumber;
         p.effective_beta = 1.5;
       }},
      {"proportion.max_epochs", "0.5 is outside [1, infinity)",
       [](Proportion& p) {
         p.kind = Kind::kUnimax;
         p.max_epochs = .5;
       }},
      {"proportion.eta", "-1 is outside (0, 1000]",
       [](Proportion& p) {
         p.kind = Kind::kGroupDro;
         p.eta = -1;
       }},
      {"proportion.epsilon", "2 is outside [0, 1]",
       [](Proportion& p) {
         p.kind = Kind::kDoremi;
         p.epsilon = 2;
       }},
      {"proportion.shares", "has 0 entries", [](Proportion& p) { p.kind = Kind::kExplicit; }},
      {"proportion.shares", "sum to 0.9, not to 1",
       [](Proportion& p) {
         p.kind = Kind::kExplicit;
         p.shares = {{0, .4}, {1, .5}};
       }},
      {"proportion.shares[1]", "-0.5 is outside [0, 1]",
       [](Proportion& p) {
         p.kind = Kind::kExplicit;
         p.shares = {{0, 1}, {1, -.5}, {2, .5}};
       }},
      {"proportion.size_column", "does not go with EQUAL",
       [](Proportion& p) {
         p.kind = Kind::kEqual;
         p.size_column = "seconds";
       }},
      {"proportion.within.kind", "UNIMAX is not one of",
       [&](Proportion& p) { within(p, [](Proportion& w) { w.kind = Kind::kUnimax; }); }},
      {"proportion.within.column", "EQUAL needs",
       [&](Proportion& p) {
         within(p, [](Proportion& w) {
           w.kind = Kind::kEqual;
           w.column = "";
         });
       }},
      {"proportion.within.column", "is the column of the outer strata",
       [&](Proportion& p) { within(p, [](Proportion& w) { w.column = "label"; }); }},
      {"proportion.within.within", "strata nest once",
       [&](Proportion& p) {
         within(p, [](Proportion& w) { w.within = std::make_shared<const Proportion>(w); });
       }},
      {"proportion.within.temperature", "-1 is outside (0, infinity)",
       [&](Proportion& p) {
         within(p, [](Proportion& w) {
           w.kind = Kind::kTemperature;
           w.temperature = -1;
         });
       }},
  };
  for (const Refused& refused : cases) {
    SamplerSpec spec;
    spec.proportion.column = "label";
    refused.change(spec.proportion);
    const absl::Status status = ResolveSpec(&spec);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(StartsWith(refused.field), HasSubstr(refused.message))));
    EXPECT_THAT(status, FieldIs(refused.field));
  }
}

TEST(ResolveProportionTest, ExactQuotasAreRefusedWhereSomethingElseSetsTheOrder) {
  const std::vector<std::pair<const char*, std::function<void(SamplerSpec&)>>> cases = {
      {"EPOCH and WITH_REPLACEMENT only",
       [](SamplerSpec& s) { s.draw.kind = Draw::Kind::kSystematic; }},
      {"below_mean_pruning",
       [](SamplerSpec& s) { s.preference.kind = Preference::Kind::kBelowMeanPruning; }},
      {"draw.jittered", [](SamplerSpec& s) { s.draw.jittered = true; }},
      {"guard.floor_by_target", [](SamplerSpec& s) { s.guard.floor_by_target = true; }},
  };
  for (const auto& [message, change] : cases) {
    SamplerSpec spec;
    spec.proportion.column = "label";
    spec.proportion.exact_quotas = true;
    SamplerSpec base = spec;
    EXPECT_OK(ResolveSpec(&base));
    change(spec);
    const absl::Status status = ResolveSpec(&spec);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
    EXPECT_THAT(status, FieldIs("proportion.exact_quotas"));
  }
}

TEST(ResolveProportionTest, FieldsOfOtherKindsGoBackToTheirDefaults) {
  SamplerSpec spec;
  spec.proportion.temperature = -1;
  spec.proportion.shares = {{1, 7}};
  spec.proportion.eta = NAN;
  ASSERT_OK(ResolveSpec(&spec));
  EXPECT_EQ(spec.proportion.temperature, 1);
  EXPECT_TRUE(spec.proportion.shares.empty());
  EXPECT_EQ(spec.proportion.eta, 0);
}

}  // namespace
}  // namespace subset::sampling
