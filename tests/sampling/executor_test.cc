// The plan does not depend on who works on its parts.

#include "base/executor.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/thread_executor.h"
#include "gtest/gtest.h"
#include "sampling/parts.h"
#include "sampling/plan.h"
#include "sampling/strata.h"
#include "tests/sampling/product_samples.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using Kind = Preference::Kind;

// Runs parts on the calling thread, the last one first, as if there were several threads.
class Backwards final : public Executor {
 public:
  size_t threads() const override { return 5; }
  void Run(size_t parts, absl::FunctionRef<void(size_t part)> work) const override {
    while (parts > 0) work(--parts);
  }
};

struct Named {
  std::string name;
  std::function<void(SamplerSpec&)> set;
};

Predicate Test(const char* column, const char* score, double minimum) {
  Predicate predicate;
  predicate.column = column;
  predicate.score = score;
  predicate.minimum = minimum;
  return predicate;
}

void Nest(SamplerSpec& s) {
  s.proportion.column = "label";
  s.proportion.kind = Proportion::Kind::kEqual;
  const auto within = std::make_shared<Proportion>();
  within->column = "dialect";
  within->kind = Proportion::Kind::kEqual;
  s.proportion.within = within;
}

// One of each way in which a plan reads columns.
std::vector<Named> Specs() {
  const auto prefer = [](Kind kind) {
    return [kind](SamplerSpec& s) {
      s.preference.kind = kind;
      s.preference.alpha = .7;
      s.preference.keep = .4;
      s.preference.least = .2;
      s.preference.threshold = 1.5;
      s.preference.total_epochs = 4;
    };
  };
  const auto draw = [](Draw::Kind kind) {
    return [kind](SamplerSpec& s) {
      s.preference.kind = Kind::kScorePower;
      s.draw.kind = kind;
      s.draw.fraction = .6;
    };
  };
  return {
      {"score", [](SamplerSpec& s) { s.preference.kind = Kind::kScorePower; }},
      {"power", prefer(Kind::kScorePower)},
      {"power of quality by label",
       [](SamplerSpec& s) {
         s.preference.kind = Kind::kScorePower;
         s.preference.column = "quality";
         s.proportion.column = "label";
         s.proportion.kind = Proportion::Kind::kEqual;
       }},
      {"power of the reducible, filtered",
       [](SamplerSpec& s) {
         s.preference.kind = Kind::kScorePower;
         s.preference.irreducible = "il";
         s.eligible.all = {Test("quality", "", .3)};
       }},
      {"filtered by score, nested, power",
       [](SamplerSpec& s) {
         Nest(s);
         s.preference.kind = Kind::kScorePower;
         s.preference.alpha = .7;
         s.eligible.all = {Test("", "loss", .5)};
       }},
      {"filtered by classes and quality, nested",
       [](SamplerSpec& s) {
         Nest(s);
         s.eligible.all = {Test("classes", "", 0), Test("quality", "", .3)};
         s.eligible.all[0].kind = Predicate::Kind::kAnyOf;
         s.eligible.all[0].values = {0, 2};
       }},
      {"quantile within labels",
       [](SamplerSpec& s) {
         s.eligible.all = {Test("quality", "", 0)};
         s.eligible.all[0].kind = Predicate::Kind::kQuantile;
         s.eligible.all[0].low = .25;
         s.eligible.all[0].within = "dialect";
       }},
      {"filtered, one stratum",
       [](SamplerSpec& s) {
         s.eligible.all = {Test("not2", "", 1)};
         s.preference.kind = Kind::kScorePower;
       }},
      {"part of the filtered",
       [](SamplerSpec& s) {
         s.eligible.all = {Test("quality", "", .3)};
         s.draw.fraction = .7;
       }},
      {"part of the nested",
       [](SamplerSpec& s) {
         Nest(s);
         s.draw.fraction = .6;
       }},
      {"capped, refreshed",
       [](SamplerSpec& s) {
         s.preference.kind = Kind::kScorePower;
         s.guard.max_repeats = 1.5;
         s.guard.refresh = .1;
         s.guard.stale_fraction = .2;
       }},
      {"pruning", prefer(Kind::kBelowMeanPruning)},
      {"pruning by label",
       [](SamplerSpec& s) {
         s.proportion.column = "label";
         s.preference.kind = Kind::kBelowMeanPruning;
         s.preference.per_stratum = true;
       }},
      {"pruning of the filtered",
       [](SamplerSpec& s) {
         s.eligible.all = {Test("quality", "", .3)};
         s.preference.kind = Kind::kBelowMeanPruning;
       }},
      {"rank", prefer(Kind::kRank)},
      {"softmax", prefer(Kind::kSoftmax)},
      {"band", prefer(Kind::kBand)},
      {"band of the smallest by label, of few values",
       [](SamplerSpec& s) {
         s.proportion.column = "label";
         s.preference.kind = Kind::kBand;
         s.preference.column = "dialect";
         s.preference.keep = .4;
         s.preference.skip = .1;
         s.preference.smallest = true;
       }},
      {"rank of few values",
       [](SamplerSpec& s) {
         s.preference.kind = Kind::kRank;
         s.preference.column = "dialect";
       }},
      {"quantile of few values",
       [](SamplerSpec& s) {
         s.eligible.all = {Test("dialect", "", 0)};
         s.eligible.all[0].kind = Predicate::Kind::kQuantile;
         s.eligible.all[0].high = .9;
       }},
      {"quantile of the loss",
       [](SamplerSpec& s) {
         s.eligible.all = {Test("", "loss", 0)};
         s.eligible.all[0].kind = Predicate::Kind::kQuantile;
         s.eligible.all[0].high = .9;
       }},
      {"exponential rank by label",
       [](SamplerSpec& s) {
         s.proportion.column = "label";
         s.preference.kind = Kind::kRank;
         s.preference.law = Preference::Law::kExponential;
         s.preference.pressure = 20;
       }},
      {"keep", prefer(Kind::kKeepProbability)},
      {"keep of few values",
       [](SamplerSpec& s) {
         s.preference.kind = Kind::kKeepProbability;
         s.preference.column = "dialect";
         s.preference.least = .2;
       }},
      {"systematic", draw(Draw::Kind::kSystematic)},
      {"systematic by label",
       [](SamplerSpec& s) {
         s.proportion.column = "label";
         s.proportion.kind = Proportion::Kind::kEqual;
         s.preference.kind = Kind::kScorePower;
         s.draw.kind = Draw::Kind::kSystematic;
         s.draw.fraction = .3;
       }},
      {"systematic by label and dialect, with a floor",
       [](SamplerSpec& s) {
         Nest(s);
         s.preference.kind = Kind::kScorePower;
         s.guard.uniform_floor = .2;
         s.draw.kind = Draw::Kind::kSystematic;
         s.draw.fraction = .4;
       }},
      {"repeat factor",
       [](SamplerSpec& s) {
         s.preference.kind = Kind::kRepeatFactor;
         s.preference.column = "classes";
         s.preference.threshold = .5;
       }},
      {"independent", draw(Draw::Kind::kIndependent)},
      {"bag",
       [](SamplerSpec& s) {
         s.draw.kind = Draw::Kind::kBootstrap;
         s.draw.bag = 3;
       }},
  };
}

// All that a plan answers.
struct Answers {
  std::string serialized;
  Drawn drawn{0};
  std::vector<double> expected;
  PlanTraits traits;
};

Answers AnswersWith(const ProductSamples& samples, const SamplerSpec& spec,
                    const Executor* executor) {
  PlanInput input = samples.c.input;
  input.spec = spec;
  input.executor = executor;
  const auto plan = BuildPlan(input);
  EXPECT_OK(plan);
  if (!plan.ok()) return {};
  Answers answers{(*plan)->Serialize(), DrawEpoch(**plan), {}, (*plan)->traits()};
  answers.expected.resize(input.num_samples);
  (*plan)->Expect(absl::MakeSpan(answers.expected));
  return answers;
}

void ExpectSame(const Answers& a, const Answers& b) {
  EXPECT_TRUE(a.serialized == b.serialized);
  EXPECT_TRUE(a.drawn.indices == b.drawn.indices);
  EXPECT_TRUE(a.drawn.probabilities == b.drawn.probabilities);
  EXPECT_TRUE(a.drawn.weights == b.drawn.weights);
  EXPECT_TRUE(a.expected == b.expected);
  EXPECT_EQ(a.traits.distinct_samples, b.traits.distinct_samples);
  EXPECT_EQ(a.traits.clamped_leaves, b.traits.clamped_leaves);
  EXPECT_EQ(a.traits.effective_sample_ratio, b.traits.effective_sample_ratio);
}

// Sizes around the borders of chunks and parts.
class ExecutorTest : public testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ExecutorTest,
                         testing::Values(1000, kPartSize, kPartSize + 1,
                                         2 * kPartSize + kChunkSamples - 1));

TEST_P(ExecutorTest, PlansAreTheSameWhoeverWorksOnThem) {
  const ProductSamples samples(GetParam(), false);
  const Backwards backwards;
  const ThreadExecutor threads(3);
  for (const Named& named : Specs()) {
    SCOPED_TRACE(named.name);
    SamplerSpec spec;
    spec.preference.total_epochs = 4;
    named.set(spec);
    ASSERT_OK(ResolveSpec(&spec));
    const Answers alone = AnswersWith(samples, spec, nullptr);
    EXPECT_GT(alone.drawn.indices.size(), 0u);
    ExpectSame(AnswersWith(samples, spec, &backwards), alone);
    ExpectSame(AnswersWith(samples, spec, &threads), alone);
  }
}

void ExpectSame(const Strata& a, const Strata& b) {
  EXPECT_EQ(a.values, b.values);
  EXPECT_EQ(a.inner_values, b.inner_values);
  EXPECT_EQ(a.offsets, b.offsets);
  EXPECT_TRUE(std::equal(a.members.begin(), a.members.end(), b.members.begin(), b.members.end()));
}

// Strata of a column, those of them that a set leaves, and both split by a column of 64 bits.
template <typename T>
void ExpectSameStrata(uint64_t n, const Executor& executor) {
  std::mt19937_64 random(n);
  std::vector<T> outer;
  std::vector<int64_t> inner;
  SampleSet set(n);
  for (uint64_t i = 0; i < n; ++i) {
    outer.push_back(static_cast<T>(random() % 30 * (random() % 30)));
    inner.push_back(static_cast<int64_t>(random() % 5) - 2);
    if (outer.back() % 7 != 0 && random() % 3 != 0) set.Insert(i);
  }
  std::vector<const void*> outer_chunks;
  std::vector<const void*> inner_chunks;
  for (uint64_t i = 0; i < n; i += kChunkSamples) {
    outer_chunks.push_back(&outer[i]);
    inner_chunks.push_back(&inner[i]);
  }
  const ColumnView column = {TypeOf<T>(), outer_chunks};
  const ColumnView within = {ColumnView::Type::kInt64, inner_chunks};

  const auto alone = *BuildStrata(column, n);
  ExpectSame(**BuildStrata(column, n, "field", &executor), *alone);
  const auto restricted = RestrictStrata(*alone, set);
  EXPECT_EQ(restricted->members.size(), set.Count());
  ExpectSame(*RestrictStrata(*alone, set, &executor), *restricted);
  ExpectSame(*OneStratum(set, &executor), *OneStratum(set));
  ExpectSame(**BuildNestedStrata(column, within, n, nullptr, &executor),
             **BuildNestedStrata(column, within, n));
  ExpectSame(**BuildNestedStrata(column, within, n, &set, &executor),
             **BuildNestedStrata(column, within, n, &set));
}

TEST_P(ExecutorTest, StrataAreTheSameWhoeverWorksOnThem) {
  const Backwards backwards;
  const ThreadExecutor threads(3);
  for (const Executor* executor :
       {static_cast<const Executor*>(&backwards), static_cast<const Executor*>(&threads)}) {
    ExpectSameStrata<uint8_t>(GetParam(), *executor);
    ExpectSameStrata<uint16_t>(GetParam(), *executor);
    ExpectSameStrata<int64_t>(GetParam(), *executor);
  }
}

}  // namespace
}  // namespace subset::sampling
