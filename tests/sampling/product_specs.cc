#include "tests/sampling/product_specs.h"

#include <cstdint>

#include "absl/strings/str_join.h"

namespace subset::sampling {
namespace {

using Kind = Preference::Kind;

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

}  // namespace

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

Options FewGuards() {
  const Options all = Guards();
  return {all[0], all[1]};
}

void ForEachSpec(const Options& draws, const Options& guards,
                 absl::FunctionRef<bool(const std::string& name, const SamplerSpec& spec)> check) {
  const std::vector<Options> choices = {Filters(), Proportions(), Preferences(),
                                        draws,     guards,        Weights()};
  uint64_t combinations = 1;
  for (const Options& options : choices) combinations *= options.size();
  for (uint64_t number = 0; number < combinations; ++number) {
    SamplerSpec spec;
    std::vector<std::string> names;
    uint64_t rest = number;
    for (const Options& options : choices) {
      const Option& option = options[rest % options.size()];
      rest /= options.size();
      option.set(spec);
      names.push_back(option.name);
    }
    if (!check(absl::StrJoin(names, ", "), spec)) return;
  }
}

}  // namespace subset::sampling
