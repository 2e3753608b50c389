#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/spec.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Kind = Predicate::Kind;

Predicate Range(const std::string& column, double minimum, double maximum) {
  Predicate predicate;
  predicate.column = column;
  predicate.minimum = minimum;
  predicate.maximum = maximum;
  return predicate;
}

TEST(ResolveEligibleTest, WhatMakesNoSenseIsRefusedByFieldAndBound) {
  struct Refused {
    const char* field;
    const char* message;
    std::function<void(Predicate&)> change;
  };
  const auto of_score = [](Kind kind) {
    return [kind](Predicate& p) {
      p.kind = kind;
      p.values = {1};
      p.column = "";
      p.score = "loss";
    };
  };
  const std::vector<Refused> cases = {
      {"eligible.all[0]", "neither a column nor a score", [](Predicate& p) { p.column = ""; }},
      {"eligible.all[0]", "both a column and a score", [](Predicate& p) { p.score = "loss"; }},
      {"eligible.all[0].column", "does not match", [](Predicate& p) { p.column = "A"; }},
      {"eligible.all[0].within", "does not match", [](Predicate& p) { p.within = "A"; }},
      {"eligible.all[0].range", "minimum 2 is not below maximum 2",
       [](Predicate& p) { p.minimum = p.maximum = 2; }},
      {"eligible.all[0].range.minimum", "nan is outside",
       [](Predicate& p) { p.minimum = std::nan(""); }},
      {"eligible.all[0].minimum_keep", "1.5 is outside [0, 1]",
       [](Predicate& p) { p.minimum_keep = 1.5; }},
      {"eligible.all[0].quantile.low", "-0.5 is outside [0, 1)",
       [](Predicate& p) {
         p.kind = Kind::kQuantile;
         p.low = -.5;
       }},
      {"eligible.all[0].quantile", "low 0.5 is not below high 0.5",
       [](Predicate& p) {
         p.kind = Kind::kQuantile;
         p.low = p.high = .5;
       }},
      {"eligible.all[0].in.values", "has 0 entries", [](Predicate& p) { p.kind = Kind::kIn; }},
      {"eligible.all[0].not_in.values", "has 65537 entries",
       [](Predicate& p) {
         p.kind = Kind::kNotIn;
         p.values.resize(65537);
       }},
      {"eligible.all[0].in", "a score takes range", of_score(Kind::kIn)},
      {"eligible.all[0].any_of", "needs a column of label sets", of_score(Kind::kAnyOf)},
      {"eligible.all[0].all_of.values", "has 0 entries",
       [](Predicate& p) { p.kind = Kind::kAllOf; }},
      {"eligible.all[0].none_of.values", "has 65537 entries",
       [](Predicate& p) {
         p.kind = Kind::kNoneOf;
         p.values.resize(65537);
       }},
      {"eligible.all[0].within", "goes with range and quantile only",
       [](Predicate& p) {
         p.kind = Kind::kNoneOf;
         p.values = {1};
         p.within = "label";
       }},
      {"eligible.all[0].minimum_keep", "goes with range and quantile only",
       [](Predicate& p) {
         p.kind = Kind::kIn;
         p.values = {1};
         p.minimum_keep = .5;
       }},
      {"eligible.all[0].within", "goes with range and quantile only",
       [](Predicate& p) {
         p.kind = Kind::kIn;
         p.values = {1};
         p.within = "label";
       }},
  };
  for (const Refused& refused : cases) {
    SamplerSpec spec;
    spec.eligible.all = {Range("x", 0, 1)};
    refused.change(spec.eligible.all[0]);
    const absl::Status status = ResolveSpec(&spec);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(StartsWith(refused.field), HasSubstr(refused.message))));
    EXPECT_THAT(status, FieldIs(refused.field));
  }
  SamplerSpec spec;
  spec.eligible.all.assign(17, Range("x", 0, 1));
  EXPECT_THAT(ResolveSpec(&spec), FieldIs("eligible.all"));
}

}  // namespace
}  // namespace subset::sampling
