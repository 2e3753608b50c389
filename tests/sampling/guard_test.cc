// Guards of draws with replacement: probabilities by the formula, and draws that follow them.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/jitter.h"
#include "sampling/repeat_cap.h"
#include "sampling/score_draw.h"
#include "sampling/stale.h"
#include "tests/sampling/score_draw_testing.h"
#include "tests/sampling/spec_case.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using Kind = Preference::Kind;

PlanInput WithReplacement(Case& c) {
  c.input.spec.draw.kind = Draw::Kind::kWithReplacement;
  if (c.input.strata != nullptr) c.input.spec.proportion.column = "label";
  if (c.input.spec.preference.kind == Kind::kUniform) {
    c.guard().unscored = Guard::Unscored::kDefault;
  }
  EXPECT_OK(ResolveSpec(&c.input.spec));
  return c.input;
}

std::vector<double> Probabilities(const ScoreDraw& draw, uint64_t n) {
  std::vector<double> q(n);
  draw.Probabilities(absl::MakeSpan(q));
  return q;
}

void ExpectClose(const std::vector<double>& actual, const std::vector<double>& expected,
                 double relative) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], relative * expected[i] + 1e-15) << "sample " << i;
  }
}

// That draws follow `q` (Pearson, both sides below 1e-6) and report it.
void ExpectDrawn(const ScoreDraw& draw, const std::vector<double>& q, size_t draws) {
  const Drawn drawn = DrawMany(draw, draws);
  for (size_t k = 0; k < draws; ++k) {
    ASSERT_NEAR(drawn.probabilities[k], q[drawn.indices[k]], 1e-12 * q[drawn.indices[k]]);
  }
  const ChiSquare chi = Pearson(CountsOf(drawn.indices, q.size()), q);
  EXPECT_LT(chi.value, ChiSquareLimit(std::max(9.0, chi.df)));
  if (chi.df < 30) return;
  EXPECT_GT(chi.value, ChiSquareFloor(chi.df));
}

TEST(GuardTest, EveryKindIsDrawnAsItsProbabilitiesSay) {
  constexpr size_t kN = 100000;
  std::vector<float> steps(kN);
  for (size_t i = 0; i < kN; ++i) steps[i] = static_cast<float>((i * 7919) % 1000);
  std::vector<double> times(kN);
  for (size_t i = 0; i < kN; ++i) times[i] = static_cast<double>(i);
  for (const Kind kind : {Kind::kScorePower, Kind::kRank, Kind::kSoftmax, Kind::kBand,
                          Kind::kKeepProbability, Kind::kSelfPaced, Kind::kRecency}) {
    Case c(kind, Lognormal(kN, 31));
    c.guard().unscored = Guard::Unscored::kDefault;
    c.preference().alpha = .5;
    c.preference().keep = .3;
    c.preference().least = .2;
    c.preference().threshold = 2;
    c.preference().temperature = 10;
    c.preference().soft = true;
    if (kind == Kind::kRecency) {
      c.preference().column = "time";
      c.preference().half_life = 30000;
      c.SetColumn("time", times);
    } else {
      c.Report("loss.step", steps);
      c.guard().refresh = .1;
      c.guard().stale_fraction = .25;
    }
    c.guard().uniform_floor = .15;
    c.Stratify(Labels(kN, 32));
    const PlanInput input = WithReplacement(c);
    const auto draw = Build(input);
    // a_i by slot times p_g is the oracle, up to the precision of leaves.
    const Population population = c.population();
    const InnerDraw inner = InnerProbabilities(input, population);
    std::vector<double> expected(kN);
    for (size_t g = 0; g < population.num_strata(); ++g) {
      const double share = static_cast<double>(population.count(g)) / kN;
      for (uint64_t slot = population.first(g); slot < population.first(g) + population.count(g);
           ++slot) {
        expected[population.sample(slot)] = share * inner.probabilities[slot];
      }
    }
    const std::vector<double> q = Probabilities(*draw, kN);
    EXPECT_NEAR(std::accumulate(q.begin(), q.end(), 0.0), 1, 1e-9);
    ExpectClose(q, expected, 1. / 2048);
    ExpectDrawn(*draw, q, 1500000);
  }
}

TEST(GuardTest, TheFloorReachesEverySampleAsOftenAsItsBoundSays) {
  // P(i unseen in M draws) <= (1 - lambda / N)^M, with equality for independent draws of a sample
  // without preference. At 5.6 standard deviations all 60 comparisons give a false alarm by 7e-7.
  constexpr size_t kN = 20;
  constexpr uint64_t kEpochs = 4000;
  std::vector<float> losses(kN);
  losses[7] = 1;
  for (const auto& [kind, jittered, fraction] :
       {std::tuple(Draw::Kind::kWithReplacement, false, 1.0),
        std::tuple(Draw::Kind::kWithReplacement, true, 1.0),
        std::tuple(Draw::Kind::kSystematic, false, .5)}) {
    Case c(Kind::kScorePower, losses);
    c.input.spec.draw.kind = kind;
    c.input.spec.draw.jittered = jittered;
    c.input.spec.draw.fraction = fraction;
    c.guard().uniform_floor = .2;
    c.input.batch_size = 10;
    ASSERT_OK(ResolveSpec(&c.input.spec));
    std::vector<double> unseen(kN, kEpochs);
    for (c.input.key.epoch = 0; c.input.key.epoch < kEpochs; ++c.input.key.epoch) {
      ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(c.input));
      const Drawn drawn = DrawEpoch(*plan);
      for (const uint32_t i : std::set<uint32_t>(drawn.indices.begin(), drawn.indices.end())) {
        --unseen[i];
      }
    }
    const double bound = std::pow(1 - .2 / kN, fraction * kN);
    const double deviation = std::sqrt(bound * (1 - bound) / kEpochs);
    for (const double times : unseen) EXPECT_LE(times / kEpochs, bound + 5.6 * deviation);
  }
}

TEST(GuardTest, AFloorByTargetBoundsEveryWeightAndMovesShares) {
  Case c(Kind::kScorePower, {1, 5, 2, 2, 8, 0});
  c.Stratify({0, 0, 1, 1, 1, 1});
  c.preference().alpha = 1;
  c.guard().uniform_floor = .2;
  c.guard().floor_by_target = true;
  c.input.spec.proportion.kind = Proportion::Kind::kEqual;
  c.input.spec.weight.target = Weight::Target::kNatural;
  const auto draw = Build(WithReplacement(c));
  const double r = 1. / 6;
  std::vector<double> expected;
  for (const double h : {1. / 6, 5. / 6}) expected.push_back(.8 * .5 * h + .2 * r);
  for (const double h : {2. / 12, 2. / 12, 8. / 12, 0.}) {
    expected.push_back(.8 * .5 * h + .2 * r);
  }
  ExpectClose(Probabilities(*draw, 6), expected, 1e-3);
  ExpectDrawn(*draw, Probabilities(*draw, 6), 200000);
  for (const float w : DrawMany(*draw, 10000).weights) EXPECT_LE(w, 5.0f * (1 + 1e-6f));
  EXPECT_EQ(draw->traits().unbiased_over, UnbiasedOver::kBatch);
}

TEST(GuardTest, AFloorByTargetEqualsAFloorInsideStrataWhereSharesAreTheTargets) {
  Case c(Kind::kScorePower, {1, 5, 2, 2, 8, 0});
  c.Stratify({0, 0, 1, 1, 1, 1});
  c.preference().alpha = 1;
  c.guard().uniform_floor = .2;
  const auto inside = Build(WithReplacement(c));
  c.guard().floor_by_target = true;
  const auto by_target = Build(WithReplacement(c));
  EXPECT_EQ(Probabilities(*inside, 6), Probabilities(*by_target, 6));
}

TEST(GuardTest, ACapCutsOffRepeatsAndGivesThemToTheOthersInProportion) {
  std::vector<double> q = {.5, .3, .1, .06, .04};
  CapRepeats(.3, nullptr, absl::MakeSpan(q));
  // .3 + .3 capped; .4 left to .1 : .06 : .04.
  ExpectClose(q, {.3, .3, .2, .12, .08}, 1e-12);
  q = {.9, .1, 0, 0};
  CapRepeats(.4, nullptr, absl::MakeSpan(q));  // two at the cap; the rest to the zeros
  ExpectClose(q, {.4, .4, .1, .1}, 1e-12);
  q = {.25, .25, .25, .25};
  CapRepeats(.25, nullptr, absl::MakeSpan(q));
  ExpectClose(q, {.25, .25, .25, .25}, 1e-12);
}

TEST(GuardTest, NoSampleIsExpectedMoreOftenThanTheCapAllows) {
  constexpr size_t kN = 1000;
  std::vector<float> values = Lognormal(kN, 33);
  values[3] = 1e20f;
  Case c(Kind::kScorePower, values);
  c.Stratify(Labels(kN, 34));
  c.guard().max_repeats = 3;
  c.guard().uniform_floor = .1;
  const PlanInput input = WithReplacement(c);
  ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(input));
  std::vector<double> mu(kN);
  plan->Expect(absl::MakeSpan(mu));
  EXPECT_NEAR(std::accumulate(mu.begin(), mu.end(), 0.0), kN, 1e-6);
  EXPECT_LE(*std::max_element(mu.begin(), mu.end()), 3 * (1 + 1. / 1024));
  EXPECT_GT(mu[3], 3 * (1 - 1. / 1024));
  const auto draw = Build(input);
  ExpectDrawn(*draw, Probabilities(*draw, kN), 500000);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
}

TEST(GuardTest, StalestAreTheUnscoredThenThoseReportedBeforeStepsWereKept) {
  Case c(Kind::kScorePower, {1, kNanF, 1, 1, 1, kNanF, 1, 1});
  c.Report("loss.step", {8, kNanF, kNanF, 3, 9, kNanF, 0, kNanF});
  const std::vector<std::vector<uint32_t>> added = {{1, 5}, {2, 7}, {6, 3}, {0, 4}};
  std::vector<uint32_t> expected;
  for (const std::vector<uint32_t>& next : added) {
    expected.insert(expected.end(), next.begin(), next.end());
    std::sort(expected.begin(), expected.end());
    c.guard().stale_fraction = static_cast<double>(expected.size()) / 8;
    EXPECT_EQ(StalestSlots(c.input, c.population()).slots, expected);
  }
}

TEST(GuardTest, AStoredDrawKeepsItsStaleSamples) {
  Case c(Kind::kScorePower, Lognormal(300, 35));
  c.Stratify(Labels(300, 36));
  c.Report("loss.step", Lognormal(300, 37));
  c.guard().refresh = .3;
  c.guard().stale_fraction = .1;
  PlanInput input = WithReplacement(c);
  ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(input));
  const std::string stored = plan->Serialize();
  input.columns.scores.clear();
  ASSERT_OK_AND_ASSIGN(const auto parsed, ParsePlan(input, stored));
  EXPECT_EQ(DrawEpoch(*parsed).indices, DrawEpoch(*plan).indices);
  EXPECT_EQ(DrawEpoch(*parsed).probabilities, DrawEpoch(*plan).probabilities);
  for (size_t size = 0; size < stored.size(); size += 7) {
    EXPECT_THAT(ParsePlan(input, stored.substr(0, size)), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(JitterTest, NestedChoicesHaveTheirProbabilities) {
  // Over all parts, each leaf of a two-level choice holds exactly its mass.
  constexpr uint64_t kParts = 60;
  std::vector<uint64_t> counts(5);
  const uint64_t widths[] = {2, 3};  // of 5 units: then 2 and 3 members
  for (uint64_t part = 0; part < kParts; ++part) {
    JitteredNumber number({1, 2, 3, 4}, part, kParts);
    const uint64_t unit = number.Take(5);
    const size_t g = unit < 2 ? 0 : 1;
    number.Widen(unit - (g == 0 ? 0 : 2), widths[g]);
    ++counts[(g == 0 ? 0 : 2) + number.Take(widths[g])];
  }
  EXPECT_THAT(counts, ::testing::Each(12));
}

TEST(JitterTest, EachBatchSpreadsOverTheMassAndExpectsTheSameCounts) {
  constexpr size_t kN = 64;
  constexpr uint64_t kBatch = 32;
  for (const bool strata : {false, true}) {
    Case c(Kind::kScorePower, Lognormal(kN, 38));
    if (strata) c.Stratify(Labels(kN, 39));
    c.guard().uniform_floor = .2;
    c.input.spec.draw.jittered = true;
    c.input.batch_size = kBatch;
    const auto draw = Build(WithReplacement(c));
    const std::vector<double> q = Probabilities(*draw, kN);
    std::vector<double> sum(kN);
    std::vector<double> first(kN);  // at the first position of a batch
    double squares = 0;
    constexpr uint64_t kEpochs = 40000;
    for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
      Drawn drawn(kN);
      draw->Draw({9, 1, epoch}, 0, absl::MakeSpan(drawn.indices),
                 absl::MakeSpan(drawn.probabilities), absl::MakeSpan(drawn.weights));
      std::vector<double> counts(kN);
      for (uint64_t p = 0; p < kBatch; ++p) {
        ASSERT_DOUBLE_EQ(drawn.probabilities[p], q[drawn.indices[p]]);
        ++counts[drawn.indices[p]];
      }
      ++first[drawn.indices[0]];
      for (size_t i = 0; i < kN; ++i) {
        sum[i] += counts[i];
        const double off = counts[i] - kBatch * q[i];
        squares += off * off;
      }
    }
    // Five standard errors of independent draws, which have more variance.
    double chi = 0;
    for (size_t i = 0; i < kN; ++i) {
      const double expected = kEpochs * kBatch * q[i];
      EXPECT_NEAR(sum[i], expected, 5.5 * std::sqrt(expected));
      chi += (first[i] - kEpochs * q[i]) * (first[i] - kEpochs * q[i]) / (kEpochs * q[i]);
    }
    EXPECT_LT(chi, ChiSquareLimit(kN - 1)) << "positions are in a keyed order";
    double independent = 0;
    for (const double p : q) independent += kBatch * p * (1 - p);
    EXPECT_LT(squares / kEpochs, .9 * independent);
  }
}

TEST(JitterTest, PositionsMayBeCutIntoCallsAnywhereAndTheLastBatchIsShort) {
  constexpr size_t kN = 1000;
  Case c(Kind::kScorePower, Lognormal(kN, 40));
  c.input.spec.draw.jittered = true;
  c.input.batch_size = 96;
  ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(WithReplacement(c)));
  const Drawn whole = DrawEpoch(*plan);
  for (uint64_t p = 0; p < kN; p += 7) {
    uint32_t index;
    double q;
    plan->Draw(p, absl::MakeSpan(&index, 1), absl::MakeSpan(&q, 1), {});
    EXPECT_EQ(index, whole.indices[p]);
    EXPECT_EQ(q, whole.probabilities[p]);
  }
}

TEST(StepsTest, TheFloorAndBetaFollowEveryGlobalBatch) {
  Case c(Kind::kScorePower, {1, 3, 0, 4});
  c.preference().alpha = 1;
  c.input.batch_size = 2;
  c.input.first_step = 10;
  c.input.spec.schedules["guard.uniform_floor"] = {Schedule::Unit::kSteps,
                                                   {{0, 0, Schedule::Curve::kLinear}, {20, 1}}};
  c.input.spec.schedules["weight.beta"] = {Schedule::Unit::kSteps,
                                           {{0, .5, Schedule::Curve::kHold}, {11, 1}}};
  PlanInput input = WithReplacement(c);
  input.spec = SpecAt(input.spec, 0, 10);
  ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(input));
  const Drawn drawn = DrawEpoch(*plan);
  const std::vector<double> h = {1. / 8, 3. / 8, 0, 4. / 8};
  for (uint64_t p = 0; p < 4; ++p) {
    const double floor = p < 2 ? .5 : .55;
    const double q = (1 - floor) * h[drawn.indices[p]] + floor / 4;
    EXPECT_NEAR(drawn.probabilities[p], q, 1e-4);
    const double exact = .25 / drawn.probabilities[p];
    EXPECT_FLOAT_EQ(drawn.weights[p], static_cast<float>(p < 2 ? std::sqrt(exact) : exact));
  }
  std::vector<double> mu(4);
  plan->Expect(absl::MakeSpan(mu));
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(mu[i], 4 * (.475 * h[i] + .525 / 4), 1e-3);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing) << "beta is .5 at first";
  input.spec.schedules.erase("weight.beta");
  input.spec.weight.beta = 1;
  EXPECT_EQ((*BuildPlan(input))->traits().unbiased_over, UnbiasedOver::kBatch);
}

TEST(LiveTest, NewScoresCountLessWhatIsIrreducibleAndOnlyInsideTheFilter) {
  Case c(Kind::kScorePower, std::vector<float>(6, kNanF));
  c.preference().alpha = 1;
  c.preference().irreducible = "il";
  c.SetColumn("il", {1, 1, 1, 2, 2, 2});
  c.SetColumn("quality", {1, 1, 0, 1, 1, 1});
  c.Stratify({0, 0, 0, 1, 1, 1});
  Predicate predicate;
  predicate.column = "quality";
  predicate.minimum = .5;
  c.input.spec.eligible.all = {predicate};
  c.input.spec.snapshot = Snapshot::kLive;
  const auto draw = Build(WithReplacement(c));
  draw->Update({0, 1, 2, 3, 4, 5}, {2, 4, 100, 5, 1, 3});
  // Strata of 2 and 3 of the 5 eligible; differences 1, 3 and 3, 0, 1.
  ExpectClose(Probabilities(*draw, 6), {.1, .3, 0, .45, 0, .15}, 1e-3);
  ExpectDrawn(*draw, Probabilities(*draw, 6), 100000);
  EXPECT_EQ(draw->traits().distinct_samples, 4);
}

}  // namespace
}  // namespace subset::sampling
