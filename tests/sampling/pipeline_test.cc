// The product of all options: each combination either is refused, or keeps the promises of its
// traits. The composition rule is checked from outside, by what many epochs give.

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/plan.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kN = 60;
constexpr uint64_t kEpochs = 400;
constexpr size_t kShortBatch = 7;

std::vector<SamplerSpec> Each(const std::vector<SamplerSpec>& specs,
                              const std::vector<void (*)(SamplerSpec&)>& changes) {
  std::vector<SamplerSpec> product;
  for (const SamplerSpec& spec : specs) {
    for (const auto change : changes) {
      product.push_back(spec);
      change(product.back());
    }
  }
  return product;
}

std::vector<SamplerSpec> AllCombinations() {
  using S = SamplerSpec;
  std::vector<SamplerSpec> specs = {SamplerSpec{}};
  specs = Each(specs, {[](S&) {}, [](S& s) { s.proportion.column = "label"; },
                       [](S& s) {
                         s.proportion.kind = Proportion::Kind::kEqual;
                         s.proportion.column = "label";
                       },
                       [](S& s) { s.proportion.kind = Proportion::Kind::kEqual; }});
  specs = Each(specs, {[](S&) {}, [](S& s) { s.preference.kind = Preference::Kind::kScorePower; },
                       [](S& s) {
                         s.preference.kind = Preference::Kind::kScorePower;
                         s.preference.alpha = .6;
                       },
                       [](S& s) { s.preference.kind = Preference::Kind::kBelowMeanPruning; },
                       [](S& s) {
                         s.preference.kind = Preference::Kind::kBelowMeanPruning;
                         s.preference.total_epochs = 1 << 20;
                       },
                       [](S& s) {
                         s.preference.kind = Preference::Kind::kBelowMeanPruning;
                         s.preference.total_epochs = 1 << 20;
                         s.preference.scale = Preference::Scale::kBatchMean;
                       },
                       [](S& s) {
                         s.preference.kind = Preference::Kind::kBelowMeanPruning;
                         s.preference.total_epochs = 1 << 20;
                         s.preference.per_stratum = true;
                       },
                       [](S& s) {
                         s.preference.kind = Preference::Kind::kBelowMeanPruning;
                         s.preference.total_epochs = 1;  // every epoch after the first anneals
                         s.preference.per_stratum = true;
                         s.preference.scale = Preference::Scale::kBatchMean;
                       }});
  specs = Each(specs, {[](S&) {}, [](S& s) { s.draw.kind = Draw::Kind::kEpoch; },
                       [](S& s) { s.draw.kind = Draw::Kind::kWithReplacement; }});
  specs = Each(specs, {[](S&) {}, [](S& s) { s.draw.fraction = .5; }});
  specs = Each(specs, {[](S&) {}, [](S& s) { s.guard.uniform_floor = .1; },
                       [](S& s) { s.guard.uniform_floor = 1; }});
  specs = Each(specs, {[](S&) {}, [](S& s) { s.guard.unscored = Guard::Unscored::kMean; },
                       [](S& s) { s.guard.unscored = Guard::Unscored::kMaximum; },
                       [](S& s) { s.guard.unscored = Guard::Unscored::kPrior; },
                       [](S& s) { s.guard.unscored = Guard::Unscored::kKeep; }});
  specs = Each(specs, {[](S&) {}, [](S& s) { s.weight.target = Weight::Target::kNatural; },
                       [](S& s) { s.weight.target = Weight::Target::kBalanced; },
                       [](S& s) { s.weight.target = Weight::Target::kNone; }});
  specs = Each(specs, {[](S&) {}, [](S& s) { s.weight.beta = .5; }});
  return Each(specs, {[](S&) {}, [](S& s) { s.snapshot = Snapshot::kLive; }});
}

// Running mean and variance of an estimator over epochs.
class Estimate {
 public:
  void Add(double x) {
    ++n_;
    const double delta = x - mean_;
    mean_ += delta / n_;
    m2_ += delta * (x - mean_);
  }
  // Within six standard errors (2e-9 each, some 2,000 of them), or float rounding.
  bool Agrees(double exact) const {
    return std::abs(mean_ - exact) <= 6 * std::sqrt(m2_ / (n_ * (n_ - 1))) + 1e-5;
  }
  double mean() const { return mean_; }

 private:
  double n_ = 0, mean_ = 0, m2_ = 0;
};

class PipelineTest : public ::testing::Test {
 protected:
  PipelineTest() : scores_(MakeScores()), labels_(LabelsWithCounts({40, 15, 5})) {
    strata_ = StrataOf(labels_).value();
  }
  static std::vector<float> MakeScores() {
    std::vector<float> scores;
    for (uint64_t i = 0; i < kN; ++i) {
      scores.push_back(i % 9 == 4 ? NAN : static_cast<float>((i * 37) % 23) / 4);
    }
    return scores;
  }
  PlanInput InputFor(const SamplerSpec& spec, uint64_t epoch) const {
    PlanInput input;
    input.spec = spec;
    input.key = {21, 1, epoch};
    input.num_samples = kN;
    if (!spec.proportion.column.empty()) input.strata = strata_;
    input.columns.scores["loss"] = scores_.view();
    return input;
  }
  double Target(const SamplerSpec& spec, uint32_t i) const {
    if (spec.weight.target != Weight::Target::kBalanced) return 1. / kN;
    return 1. / (3. * static_cast<double>(strata_->count(labels_[i])));
  }
  static double F(uint32_t i) { return 1 + std::sin(3. * i) + (i > 50 ? 4 : 0); }

  void CheckEpoch(const SamplerSpec& spec, const EpochPlan& plan, const Drawn& drawn) const;
  void CheckStored(const SamplerSpec& spec, const EpochPlan& plan, const Drawn& drawn) const;
  void CheckUnbiased(const SamplerSpec& spec) const;

  const Scores scores_;
  const std::vector<uint16_t> labels_;
  std::shared_ptr<const Strata> strata_;
};

// w = (mass * r / mu)^beta at every position, and constants are what is drawn.
void PipelineTest::CheckEpoch(const SamplerSpec& spec, const EpochPlan& plan,
                              const Drawn& drawn) const {
  const PlanTraits& traits = plan.traits();
  const double slots = static_cast<double>(drawn.indices.size());
  const bool per_draw = traits.probability_kind == ProbabilityKind::kPerDraw;
  const bool epoch_sum = spec.preference.kind == Preference::Kind::kBelowMeanPruning &&
                         spec.preference.scale == Preference::Scale::kEpochSum;
  const double mass = per_draw ? 1 : epoch_sum ? kN : slots;
  for (size_t p = 0; p < drawn.indices.size(); ++p) {
    ASSERT_LT(drawn.indices[p], kN);
    ASSERT_GT(drawn.probabilities[p], 0);
    const double exact = mass * Target(spec, drawn.indices[p]) / drawn.probabilities[p];
    const double w =
        spec.weight.target == Weight::Target::kNone ? 1 : std::pow(exact, spec.weight.beta);
    ASSERT_FLOAT_EQ(drawn.weights[p], static_cast<float>(w));
    ASSERT_EQ(traits.probability.value_or(drawn.probabilities[p]), drawn.probabilities[p]);
    ASSERT_EQ(traits.weight.value_or(drawn.weights[p]), drawn.weights[p]);
    if (traits.probability_kind == ProbabilityKind::kInclusionEpoch) {
      ASSERT_LE(drawn.probabilities[p], 1);
    }
  }
  const auto counts = CountsOf(drawn.indices, kN);
  if (traits.probability_kind == ProbabilityKind::kInclusionEpoch) {
    for (const uint64_t count : counts) ASSERT_LE(count, 1);
  }
  uint64_t distinct = 0;
  for (const uint64_t count : counts) distinct += count > 0;
  if (per_draw) {
    ASSERT_LE(distinct, traits.distinct_samples);
  } else {
    ASSERT_EQ(distinct, traits.distinct_samples);
  }
  ASSERT_GT(traits.effective_sample_ratio, 0);
  ASSERT_LE(traits.effective_sample_ratio, 1 + 1e-12);
}

void PipelineTest::CheckStored(const SamplerSpec& spec, const EpochPlan& plan,
                               const Drawn& drawn) const {
  PlanInput input = InputFor(spec, 1);
  input.columns.scores["loss"] = {};
  ASSERT_OK_AND_ASSIGN(const auto parsed, ParsePlan(input, plan.Serialize()));
  const Drawn again = DrawEpoch(*parsed);
  ASSERT_EQ(again.indices, drawn.indices);
  ASSERT_EQ(again.probabilities, drawn.probabilities);
  ASSERT_EQ(again.weights, drawn.weights);
  ASSERT_EQ(parsed->traits().unbiased_over, plan.traits().unbiased_over);
}

// What the traits call unbiased gives the mean of F: over a short batch from the middle, or over
// whole epochs.
void PipelineTest::CheckUnbiased(const SamplerSpec& spec) const {
  Estimate of_batch;
  Estimate of_epoch;
  UnbiasedOver over = UnbiasedOver::kNothing;
  for (uint64_t epoch = 1; epoch <= kEpochs; ++epoch) {
    ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(InputFor(spec, epoch)));
    over = plan->traits().unbiased_over;
    if (over == UnbiasedOver::kNothing) return;
    const Drawn drawn = DrawEpoch(*plan);
    double batch = 0;
    double whole = 0;
    for (size_t p = 0; p < drawn.indices.size(); ++p) {
      const double term = drawn.weights[p] * F(drawn.indices[p]);
      whole += term;
      if (p >= 11 && p < 11 + kShortBatch) batch += term;
    }
    of_batch.Add(batch / kShortBatch);
    const double slots = static_cast<double>(drawn.indices.size());
    of_epoch.Add(whole / (over == UnbiasedOver::kEpoch ? kN : slots));
  }
  double exact = 0;
  for (uint32_t i = 0; i < kN; ++i) exact += Target(spec, i) * F(i);
  EXPECT_TRUE(of_epoch.Agrees(exact)) << of_epoch.mean() << " is not " << exact;
  if (over == UnbiasedOver::kBatch) {
    EXPECT_TRUE(of_batch.Agrees(exact)) << of_batch.mean() << " is not " << exact;
  }
}

TEST_F(PipelineTest, EveryCombinationKeepsItsPromisesOrIsRefused) {
  size_t resolved = 0;
  size_t refused = 0;
  size_t unbiased = 0;
  for (SamplerSpec spec : AllCombinations()) {
    const absl::Status status = ResolveSpec(&spec);
    if (!status.ok()) {
      ++refused;
      ASSERT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
      ASSERT_TRUE(ErrorField(status).has_value());
      continue;
    }
    ++resolved;
    SCOPED_TRACE(testing::Message()
                 << "column " << spec.proportion.column << " share "
                 << static_cast<int>(spec.proportion.kind) << " preference "
                 << static_cast<int>(spec.preference.kind) << " scale "
                 << static_cast<int>(spec.preference.scale) << " per stratum "
                 << spec.preference.per_stratum << " draw " << static_cast<int>(spec.draw.kind)
                 << " fraction " << spec.draw.fraction << " floor " << spec.guard.uniform_floor
                 << " unscored " << static_cast<int>(spec.guard.unscored) << " target "
                 << static_cast<int>(spec.weight.target) << " beta " << spec.weight.beta);
    ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(InputFor(spec, 1)));
    const Drawn drawn = DrawEpoch(*plan);
    ASSERT_NO_FATAL_FAILURE(CheckEpoch(spec, *plan, drawn));
    ASSERT_NO_FATAL_FAILURE(CheckStored(spec, *plan, drawn));
    ASSERT_NO_FATAL_FAILURE(CheckUnbiased(spec));
    unbiased += plan->traits().unbiased_over != UnbiasedOver::kNothing;
  }
  // The test itself must not run dry.
  EXPECT_GT(resolved, 400);
  EXPECT_GT(unbiased, 150);
  EXPECT_GT(refused, resolved);
  RecordProperty("resolved", static_cast<int>(resolved));
  RecordProperty("refused", static_cast<int>(refused));
  RecordProperty("unbiased", static_cast<int>(unbiased));
}

}  // namespace
}  // namespace subset::sampling
