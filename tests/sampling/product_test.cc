// The product of the options: each combination is refused with its field, or keeps its identities.

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/eligible.h"
#include "sampling/plan.h"
#include "sampling/population.h"
#include "sampling/proportion.h"
#include "sampling/shares.h"
#include "tests/sampling/spec_case.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using Kind = Preference::Kind;

struct Option {
  std::string name;
  std::function<void(SamplerSpec&)> set;
};
using Options = std::vector<Option>;

Predicate At(const char* column, const char* score, double minimum) {
  Predicate predicate;
  predicate.column = column;
  predicate.score = score;
  predicate.minimum = minimum;
  return predicate;
}

Options Filters() {
  return {
      {"all", [](SamplerSpec&) {}},
      {"quality", [](SamplerSpec& s) { s.eligible.all = {At("quality", "", .3)}; }},
      {"scored", [](SamplerSpec& s) { s.eligible.all = {At("", "loss", .5)}; }},
      {"no stratum 2", [](SamplerSpec& s) { s.eligible.all = {At("not2", "", 1)}; }},
      {"any of two classes",
       [](SamplerSpec& s) {
         s.eligible.all = {At("classes", "", 0)};
         s.eligible.all[0].kind = Predicate::Kind::kAnyOf;
         s.eligible.all[0].values = {0, 2};
       }},
  };
}

Options Proportions() {
  const auto column = [](SamplerSpec& s) { s.proportion.column = "label"; };
  return {
      {"one stratum", [](SamplerSpec&) {}},
      {"natural", column},
      {"equal",
       [=](SamplerSpec& s) {
         column(s);
         s.proportion.kind = Proportion::Kind::kEqual;
       }},
      {"temperature",
       [=](SamplerSpec& s) {
         column(s);
         s.proportion.kind = Proportion::Kind::kTemperature;
         s.proportion.temperature = 2;
       }},
      {"exact quotas",
       [=](SamplerSpec& s) {
         column(s);
         s.proportion.kind = Proportion::Kind::kTemperature;
         s.proportion.temperature = 2;
         s.proportion.exact_quotas = true;
       }},
      {"nested",
       [=](SamplerSpec& s) {
         column(s);
         const auto within = std::make_shared<Proportion>();
         within->column = "dialect";
         within->kind = Proportion::Kind::kEqual;
         s.proportion.within = within;
       }},
  };
}

Options Preferences() {
  const auto of = [](Kind kind) {
    return [kind](SamplerSpec& s) {
      s.preference.kind = kind;
      s.preference.alpha = .7;
      s.preference.keep = .4;
      s.preference.skip = .1;
      s.preference.least = .2;
      s.preference.threshold = 1.5;
      s.preference.total_epochs = 4;
      s.preference.half_life = 10;
    };
  };
  const auto with = [](auto first, auto then) {
    return [=](SamplerSpec& s) {
      first(s);
      then(s);
    };
  };
  const auto irreducible = [](SamplerSpec& s) { s.preference.irreducible = "il"; };
  const auto exclude = [](SamplerSpec& s) {
    s.preference.irreducible = "il";
    s.preference.missing_irreducible = Preference::MissingIrreducible::kExclude;
  };
  const auto column = [](SamplerSpec& s) { s.preference.column = "quality"; };
  const auto per_stratum = [](SamplerSpec& s) { s.preference.per_stratum = true; };
  const auto soft = [](SamplerSpec& s) { s.preference.soft = true; };
  return {
      {"uniform", of(Kind::kUniform)},
      {"power", of(Kind::kScorePower)},
      {"power of the reducible", with(of(Kind::kScorePower), irreducible)},
      {"power of quality", with(of(Kind::kScorePower), column)},
      {"pruning", of(Kind::kBelowMeanPruning)},
      {"pruning per stratum", with(of(Kind::kBelowMeanPruning), per_stratum)},
      {"rank", of(Kind::kRank)},
      {"softmax of the reducible", with(of(Kind::kSoftmax), exclude)},
      {"band", of(Kind::kBand)},
      {"band of quality per stratum", with(with(of(Kind::kBand), column), per_stratum)},
      {"keep", of(Kind::kKeepProbability)},
      {"self-paced", of(Kind::kSelfPaced)},
      {"soft self-paced", with(of(Kind::kSelfPaced), soft)},
      {"recency", with(of(Kind::kRecency), column)},
      {"repeat factor",
       [](SamplerSpec& s) {
         s.preference.kind = Kind::kRepeatFactor;
         s.preference.column = "classes";
         s.preference.threshold = .5;
       }},
  };
}

Options Draws() {
  const auto of = [](Draw::Kind kind, double fraction, bool jittered) {
    return [=](SamplerSpec& s) {
      s.draw.kind = kind;
      s.draw.fraction = fraction;
      s.draw.jittered = jittered;
    };
  };
  return {
      {"default", [](SamplerSpec&) {}},
      {"epoch", of(Draw::Kind::kEpoch, 1, false)},
      {"part", of(Draw::Kind::kEpoch, .6, false)},
      {"with replacement", of(Draw::Kind::kWithReplacement, .8, false)},
      {"jittered", of(Draw::Kind::kWithReplacement, 1, true)},
  };
}

Options ListDraws() {
  const auto of = [](Draw::Kind kind, double fraction) {
    return [=](SamplerSpec& s) {
      s.draw.kind = kind;
      s.draw.fraction = fraction;
    };
  };
  const auto bag = [](Draw::BootstrapForm form) {
    return [=](SamplerSpec& s) {
      s.draw.kind = Draw::Kind::kBootstrap;
      s.draw.bootstrap = form;
      s.draw.bag = 3;
    };
  };
  const auto blocks = [](Draw::BlockForm form, uint64_t gap) {
    return [=](SamplerSpec& s) {
      s.draw.kind = Draw::Kind::kBlocks;
      s.draw.fraction = .7;
      s.draw.block_column = "quality";
      s.draw.block_length = 5;
      s.draw.block_gap = gap;
      s.draw.blocks = form;
    };
  };
  return {
      {"systematic", of(Draw::Kind::kSystematic, .6)},
      {"independent", of(Draw::Kind::kIndependent, .6)},
      {"independent, as kept", of(Draw::Kind::kIndependent, 1)},
      {"rounds", of(Draw::Kind::kRounds, .4)},
      {"most in rounds", of(Draw::Kind::kRounds, .8)},
      {"bag", bag(Draw::BootstrapForm::kMultinomial)},
      {"poisson bag", bag(Draw::BootstrapForm::kPoisson)},
      {"bayesian bag", bag(Draw::BootstrapForm::kBayesian)},
      {"blocks with gaps", blocks(Draw::BlockForm::kFixed, 2)},
      {"moving blocks", blocks(Draw::BlockForm::kMoving, 0)},
      {"stationary blocks", blocks(Draw::BlockForm::kStationary, 0)},
      {"provided", of(Draw::Kind::kProvided, 1)},
  };
}

// Whether the number of positions is drawn, too.
bool HasRandomLength(const Draw& draw) {
  return draw.kind == Draw::Kind::kIndependent || draw.kind == Draw::Kind::kBlocks ||
         (draw.kind == Draw::Kind::kBootstrap && draw.bootstrap == Draw::BootstrapForm::kPoisson);
}

Options Guards() {
  return {
      {"none", [](SamplerSpec&) {}},
      {"floor", [](SamplerSpec& s) { s.guard.uniform_floor = .2; }},
      {"floor by target",
       [](SamplerSpec& s) {
         s.guard.uniform_floor = .2;
         s.guard.floor_by_target = true;
       }},
      {"refresh",
       [](SamplerSpec& s) {
         s.guard.uniform_floor = .1;
         s.guard.refresh = .3;
         s.guard.stale_fraction = .2;
       }},
      {"cap",
       [](SamplerSpec& s) {
         s.guard.max_repeats = 1.5;
         s.guard.refresh = .1;
         s.guard.stale_fraction = .5;
       }},
      {"capped floor by target",
       [](SamplerSpec& s) {
         s.guard.max_repeats = 2;
         s.guard.uniform_floor = .2;
         s.guard.floor_by_target = true;
       }},
      {"maximum", [](SamplerSpec& s) { s.guard.unscored = Guard::Unscored::kMaximum; }},
  };
}

Options Weights() {
  const auto target = [](Weight::Target target) {
    return [=](SamplerSpec& s) { s.weight.target = target; };
  };
  return {
      {"default", [](SamplerSpec&) {}},
      {"natural", target(Weight::Target::kNatural)},
      {"balanced", target(Weight::Target::kBalanced)},
      {"none", target(Weight::Target::kNone)},
      {"shares", target(Weight::Target::kShares)},
      {"tempered maximum",
       [](SamplerSpec& s) {
         s.weight.beta = .5;
         s.weight.normalise = Weight::Normalise::kMaximum;
       }},
      {"clipped self",
       [](SamplerSpec& s) {
         s.weight.clip = 2;
         s.weight.normalise = Weight::Normalise::kSelf;
       }},
  };
}

// Columns of n samples in three labels, some of them with nothing known.
class Data {
 public:
  Data(uint64_t n, bool zeros) : c(Kind::kUniform, Losses(n, zeros)) {
    std::mt19937_64 random(n);
    std::vector<double> quality, dialect, il, not2;
    std::vector<float> steps;
    for (uint64_t i = 0; i < n; ++i) {
      labels.push_back(static_cast<uint16_t>(i % 7 == 0 ? 2 : i % 2));
      quality.push_back(static_cast<double>(random() % 100) / 100);
      il.push_back(random() % 4 == 0 ? std::nan("") : static_cast<double>(random() % 10) / 10);
      not2.push_back(labels.back() == 2 ? 0 : 1);
      steps.push_back(random() % 3 == 0 ? kNan : static_cast<float>(random() % 20));
      dialects.push_back(static_cast<uint16_t>(random() % 3));
    }
    std::vector<std::vector<uint32_t>> sets(n);
    for (auto& set : sets) {
      for (const uint32_t label : {0, 2, 5}) {
        if (random() % (1 + label) == 0) set.push_back(label);
      }
    }
    classes = std::make_unique<LabelSets>(sets);
    c.input.columns.label_sets["classes"] = classes->view();
    c.SetColumn("quality", quality);
    c.SetColumn("il", il);
    c.SetColumn("not2", not2);
    c.Report("loss.step", steps);
    c.Stratify(labels);
    dialect_chunks.push_back(dialects.data());
    c.input.columns.dataset["dialect"] = {ColumnView::Type::kUint16, dialect_chunks};
    ProvidedEpoch provided;
    for (uint64_t i = n; i > 0; --i) provided.indices.push_back(static_cast<uint32_t>(i - 1));
    provided.expected.assign(provided.indices.size(), 1);
    c.input.provided = std::make_shared<ProvidedEpoch>(provided);
    c.input.batch_size = 8;
    c.input.key = {5, 2, 1};
  }

  Case c;
  std::vector<uint16_t> labels;

 private:
  static constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  static std::vector<float> Losses(uint64_t n, bool zeros) {
    std::mt19937_64 random(7 * n);
    std::vector<float> losses;
    for (uint64_t i = 0; i < n; ++i) {
      const uint64_t kind = random() % 6;
      const float loss = static_cast<float>(random() % 300) / 100;
      losses.push_back(kind == 0 ? kNan : zeros || kind == 1 ? 0 : loss);
    }
    return losses;
  }
  std::vector<uint16_t> dialects;
  std::vector<const void*> dialect_chunks;
  std::unique_ptr<LabelSets> classes;
};

// r_i of the eligible samples.
std::vector<double> TargetOf(const PlanInput& input, const std::vector<uint16_t>& labels) {
  const SampleSet eligible = *EligibleSamples(input);
  std::map<uint16_t, double> members;
  double n = 0;
  for (uint64_t i = 0; i < input.num_samples; ++i) {
    if (!eligible.Contains(i)) continue;
    ++members[labels[i]];
    ++n;
  }
  std::vector<double> r(input.num_samples);
  if (input.spec.weight.target == Weight::Target::kShares) {
    const Population population = *BuildPopulation(input);
    const Shares shares = SharesOf(input, population);
    for (size_t g = 0; g < population.num_strata(); ++g) {
      const uint64_t end = population.first(g) + population.count(g);
      for (uint64_t slot = population.first(g); slot < end; ++slot) {
        r[population.sample(slot)] = shares.share(g) / static_cast<double>(population.count(g));
      }
    }
    return r;
  }
  const bool balanced = input.spec.weight.target == Weight::Target::kBalanced;
  for (uint64_t i = 0; i < input.num_samples; ++i) {
    if (!eligible.Contains(i)) continue;
    r[i] = balanced ? 1 / (static_cast<double>(members.size()) * members[labels[i]]) : 1 / n;
  }
  return r;
}

void CheckPlan(const PlanInput& input, const EpochPlan& plan, const std::vector<double>& r) {
  const PlanTraits& traits = plan.traits();
  const double slots = static_cast<double>(traits.num_positions);
  std::vector<double> mu(input.num_samples);
  plan.Expect(absl::MakeSpan(mu));
  const double mean_slots = std::accumulate(mu.begin(), mu.end(), 0.0);
  if (!HasRandomLength(input.spec.draw)) {
    // Repeats are rounded, all of them together by less than one.
    EXPECT_NEAR(mean_slots, slots, input.spec.repeats() ? 1 : 1e-9 * slots);
  }
  EXPECT_TRUE(traits.effective_sample_ratio > 0 && traits.effective_sample_ratio < 1 + 1e-9);
  const bool unbiased = traits.unbiased_over != UnbiasedOver::kNothing;
  uint64_t reached = 0;
  for (uint64_t i = 0; i < mu.size(); ++i) {
    ASSERT_TRUE(mu[i] >= 0) << "sample " << i;
    reached += mu[i] > 0;
    if (r[i] == 0) {
      ASSERT_EQ(mu[i], 0) << "sample " << i << " is not eligible";
    }
    if (r[i] > 0 && unbiased) {
      ASSERT_GT(mu[i], 0) << "sample " << i << " is never drawn";
    }
  }
  EXPECT_GE(reached, traits.distinct_samples);

  const bool per_draw = traits.probability_kind == ProbabilityKind::kPerDraw;
  const bool epoch_sum = input.spec.preference.kind == Kind::kBelowMeanPruning &&
                         input.spec.preference.scale == Preference::Scale::kEpochSum;
  // Weights that may differ by a factor only have none to scale them to the length.
  const Weight& weight = input.spec.weight;
  const bool ones =
      weight.target == Weight::Target::kNone || weight.normalise == Weight::Normalise::kSelf;
  double mass = ones ? mean_slots : slots;
  if (epoch_sum) {
    mass = 0;
    for (const double x : r) mass += x > 0;
  }
  const Drawn drawn = DrawEpoch(plan);
  for (size_t k = 0; k < drawn.indices.size(); ++k) {
    const uint32_t i = drawn.indices[k];
    ASSERT_LT(i, mu.size());
    ASSERT_NEAR(drawn.probabilities[k], per_draw ? mu[i] / slots : mu[i], 1e-9) << "sample " << i;
    ASSERT_TRUE(std::isfinite(drawn.weights[k]) && drawn.weights[k] >= 0);
    // With every w_i = M r_i / mu_i, sum_i mu_i w_i f_i / M is sum_i r_i f_i whatever f.
    if (unbiased) {
      ASSERT_NEAR(drawn.weights[k] * mu[i] / (mass * r[i]), 1, 1e-6) << "sample " << i;
    }
    if (traits.weight.has_value()) {
      ASSERT_EQ(*traits.weight, drawn.weights[k]);
    }
    if (traits.probability.has_value()) {
      ASSERT_EQ(*traits.probability, drawn.probabilities[k]);
    }
  }
}

// It comes back from its bytes without the scores.
void CheckStored(const PlanInput& input, const EpochPlan& plan) {
  PlanInput without = input;
  without.columns.scores.clear();
  ASSERT_OK_AND_ASSIGN(const auto parsed, ParsePlan(without, plan.Serialize()));
  const Drawn a = DrawEpoch(plan);
  const Drawn b = DrawEpoch(*parsed);
  EXPECT_EQ(a.indices, b.indices);
  EXPECT_EQ(a.probabilities, b.probabilities);
  EXPECT_EQ(a.weights, b.weights);
}

// How many combinations are built, and how many of them unbiased.
struct Tally {
  uint64_t built = 0;
  uint64_t unbiased = 0;
  uint64_t refused = 0;
};

Tally CheckProduct(Data& data, const Options& draws, const Options& guards, bool stored) {
  Tally tally;
  for (const Option& filter : Filters()) {
    for (const Option& proportion : Proportions()) {
      for (const Option& preference : Preferences()) {
        for (const Option& draw : draws) {
          for (const Option& guard : guards) {
            for (const Option& weight : Weights()) {
              SCOPED_TRACE(absl::StrCat(filter.name, ", ", proportion.name, ", ", preference.name,
                                        ", ", draw.name, ", ", guard.name, ", ", weight.name));
              PlanInput input = data.c.input;
              SamplerSpec& spec = input.spec;
              spec = SamplerSpec{};
              for (const Option* o : {&filter, &proportion, &preference, &draw, &guard, &weight}) {
                o->set(spec);
              }
              const absl::Status resolved = ResolveSpec(&spec);
              if (!resolved.ok()) {
                EXPECT_EQ(resolved.code(), absl::StatusCode::kInvalidArgument);
                EXPECT_TRUE(ErrorField(resolved).has_value()) << resolved;
                ++tally.refused;
                continue;
              }
              const auto plan = BuildPlan(input);
              if (!plan.ok()) {
                EXPECT_THAT(plan, ReasonIs("NOTHING_TO_DRAW"));
                continue;
              }
              CheckPlan(input, **plan, TargetOf(input, data.labels));
              if (stored) CheckStored(input, **plan);
              ++tally.built;
              tally.unbiased += (*plan)->traits().unbiased_over != UnbiasedOver::kNothing;
              if (testing::Test::HasFailure()) return tally;
            }
          }
        }
      }
    }
  }
  return tally;
}

TEST(ProductTest, EveryCombinationIsRefusedWithItsFieldOrKeepsItsIdentities) {
  Data data(50, false);
  const Tally tally = CheckProduct(data, Draws(), Guards(), true);
  EXPECT_GT(tally.built, 8000);
  EXPECT_GT(tally.unbiased, 1500);
  EXPECT_GT(tally.refused, 8000);
}

TEST(ProductTest, TheSameHoldsWhereEveryScoreIsZero) {
  Data data(23, true);
  EXPECT_GT(CheckProduct(data, Draws(), Guards(), false).built, 4000);
}

TEST(ProductTest, TheSameHoldsForOneSample) {
  Data data(1, false);
  EXPECT_GT(CheckProduct(data, Draws(), Guards(), false).built, 1000);
}

// Guards reach these draws as they reach the others, so two stand for all.
Options FewGuards() {
  const Options all = Guards();
  return {all[0], all[1]};
}

TEST(ProductTest, ListDrawsAreRefusedWithTheirFieldOrKeepTheirIdentities) {
  Data data(50, false);
  const Tally tally = CheckProduct(data, ListDraws(), FewGuards(), true);
  EXPECT_GT(tally.built, 3000);
  EXPECT_GT(tally.unbiased, 500);
  EXPECT_GT(tally.refused, 8000);
}

TEST(ProductTest, ListDrawsOfZeroScoresAndOfOneSampleDoAsWell) {
  Data zeros(23, true);
  EXPECT_GT(CheckProduct(zeros, ListDraws(), FewGuards(), false).built, 2000);
  Data one(1, false);
  EXPECT_GT(CheckProduct(one, ListDraws(), FewGuards(), false).built, 500);
}

}  // namespace
}  // namespace subset::sampling
