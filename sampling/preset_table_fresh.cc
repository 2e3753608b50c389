// Rows of the table of presets whose scores are those of the current model: what is drawn are
// uniform pools, from which Select keeps.

#include "sampling/preset_rows.h"

namespace subset::sampling {
namespace {

using Kind = SelectRule::Kind;

constexpr PresetParameter Keep(double value) {
  return {"keep",
          value,
          "(0, 1]",
          "share of each pool that is trained on",
          [](SamplerSpec& s, double v) { s.select->keep = v; },
          [](double v) { return v > 0 && v <= 1; }};
}
constexpr PresetParameter kOhemParameters[] = {
    Keep(.25),
    {"uniform_share", 0.0, "[0, 1)", "share of them that is uniform among the others",
     [](SamplerSpec& s, double v) {
       s.select->kind = v > 0 ? Kind::kTopAndUniform : Kind::kTop;
       s.select->uniform_share = v;
     },
     [](double v) { return v >= 0 && v < 1; }},
};
constexpr PresetParameter kRhoLossParameters[] = {Keep(.1)};
constexpr PresetParameter kSelectiveParameters[] = {
    {"beta", 1.0, "(0, 16]", "exponent of the percentile",
     [](SamplerSpec& s, double v) { s.select->beta = v; }, nullptr},
    {"least", 0.05, "[0, 1]", "probability of keeping the easiest sample",
     [](SamplerSpec& s, double v) { s.select->least = v; }, nullptr},
};
constexpr PresetParameter kKatharopoulosParameters[] = {
    Keep(1. / 3),
    {"alpha", 1.0, "(0, 16]", "exponent of the score",
     [](SamplerSpec& s, double v) { s.select->alpha = v; }, nullptr},
    {"floor", 0.0, "[0, 1]", "lambda: share of draws that are uniform",
     [](SamplerSpec& s, double v) { s.select->floor = v; }, nullptr},
};
constexpr PresetColumn kIrreducible[] = {IrreducibleColumn("irreducible_loss")};

SamplerSpec Selects(Kind kind) {
  SamplerSpec spec;
  spec.select.emplace().kind = kind;
  return spec;
}

}  // namespace

std::vector<Preset> FreshScorePresets() {
  return {
      {"katharopoulos_fleuret",
       "Katharopoulos & Fleuret, Not all samples are created equal, ICML 2018, on fresh scores",
       "of each pool of B: `keep` B draws, q_i = (1-lambda) s_i^alpha/sum s^alpha + lambda/B; "
       "w_i = 1/(B q_i)",
       "the mean over samples, where no score is 0 or lambda > 0",
       Selects(Kind::kProportional),
       kKatharopoulosParameters,
       {}},
      {"ohem",
       "Shrivastava et al., Online hard example mining, CVPR 2016, on fresh scores",
       "of each pool of B: the b = `keep` B largest scores, w_i = 1; or the b1 largest and b2 "
       "uniformly of the others, w_i = b/B and (b/B)(B - b1)/b2",
       "nothing; with `uniform_share` the mean over samples",
       Selects(Kind::kTop),
       kOhemParameters,
       {}},
      {"rho_loss", "Mindermann et al., RHO-LOSS, ICML 2022, on fresh scores",
       "of each pool of B: the `keep` B largest of loss - irreducible loss; w_i = 1",
       "nothing: what is not chosen is out of reach", Selects(Kind::kTop), kRhoLossParameters,
       kIrreducible},
      {"selective_backprop",
       "Jiang et al., Selective-Backprop, 2019, on fresh scores",
       "of each pool of B: i with pi_i = max(least, percentile_i^beta); m chosen, w_i = m/(B pi_i)",
       "the mean over samples (least > 0)",
       Selects(Kind::kKeepProbability),
       kSelectiveParameters,
       {}},
  };
}

}  // namespace subset::sampling
