// The table of presets. A row is data: which choices a name from the field stands for, and which of
// their numbers and columns a user sets.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "sampling/preset_rows.h"
#include "sampling/presets.h"

namespace subset::sampling {
namespace {

using Set = void (*)(SamplerSpec&, double);

bool IsFraction(double value) { return value > 0 && value <= 1; }  // 0 is not "unset" here
bool IsFlag(double value) { return value == 0 || value == 1; }
bool IsEpochCount(double value) {
  return value >= 1 && value < 2147483648.0 && value == std::floor(value);
}
bool IsWhole(double value) {
  return value >= 0 && value < 4294967296.0 && value == std::floor(value);
}
bool IsPositiveWhole(double value) { return value >= 1 && IsWhole(value); }

// Numbers.

constexpr PresetParameter kFraction = {"fraction",
                                       1.0,
                                       "(0, 1]",
                                       "length of an epoch, share of N",
                                       [](SamplerSpec& s, double v) { s.draw.fraction = v; },
                                       IsFraction};
constexpr PresetParameter kLive = {
    "live",
    0.0,
    "{0, 1}",
    "1: the newest scores for each batch; 0: those of the epoch's start",
    [](SamplerSpec& s, double v) { s.snapshot = v == 1 ? Snapshot::kLive : Snapshot::kEpoch; },
    IsFlag};
constexpr PresetParameter kFloor = {
    "uniform_floor",
    0.1,
    "[0, 1]",
    "lambda: share of draws that are uniform; no weight is above 1 / lambda",
    [](SamplerSpec& s, double v) { s.guard.uniform_floor = v; },
    nullptr};

constexpr PresetParameter Alpha(double value) {
  return {"alpha",
          value,
          "(0, 16]",
          "exponent of the score, or of the rank",
          [](SamplerSpec& s, double v) { s.preference.alpha = v; },
          nullptr};
}
constexpr PresetParameter Beta(double value) {
  return {"beta",
          value,
          "[0, 1]",
          "exponent of the weights; below 1 they are biased",
          [](SamplerSpec& s, double v) { s.weight.beta = v; },
          nullptr};
}
constexpr PresetParameter Keep(double value, const char* description) {
  return {"keep",
          value,
          "(0, 1]",
          description,
          [](SamplerSpec& s, double v) { s.preference.keep = v; },
          IsFraction};
}
constexpr PresetParameter kSkip = {
    "skip",
    0.0,
    "[0, 1)",
    "share of the samples at the preferred end that is left out (label noise)",
    [](SamplerSpec& s, double v) { s.preference.skip = v; },
    nullptr};
constexpr PresetParameter kTotalEpochs = {
    "total_epochs",
    std::nullopt,
    "[1, 2^31), whole",
    "T: epochs of the whole training",
    [](SamplerSpec& s, double v) { s.preference.total_epochs = static_cast<uint32_t>(v); },
    IsEpochCount};
constexpr PresetParameter kEta = {"eta",
                                  0.0,
                                  ">= 0; 0: the paper's",
                                  "step size of the strata's shares",
                                  [](SamplerSpec& s, double v) { s.proportion.eta = v; },
                                  nullptr};

constexpr PresetParameter kUniformParameters[] = {kFraction};
constexpr PresetParameter kImportanceParameters[] = {Alpha(1), kFloor, Beta(1), kFraction, kLive};
constexpr PresetParameter kPerParameters[] = {Alpha(.6), Beta(.4), kFraction, kLive};
constexpr PresetParameter kPerRankParameters[] = {Alpha(.7), Beta(.5), kFraction};
constexpr PresetParameter kInfoBatchParameters[] = {
    {"ratio", 0.5, "(0, 1)", "r: share of the samples below the mean that is pruned",
     [](SamplerSpec& s, double v) { s.preference.ratio = v; }, nullptr},
    {"delta", 0.875, "(0, 1]", "share of the epochs that prune; the last ones draw everything",
     [](SamplerSpec& s, double v) { s.preference.delta = v; }, nullptr},
    kTotalEpochs,
};
constexpr PresetParameter kHardParameters[] = {
    Keep(.5, "share of the samples that is drawn, hardest first"), kSkip};
constexpr PresetParameter kForgettingParameters[] = {
    Keep(.7, "share of the samples that is drawn, most forgotten first")};
constexpr PresetParameter kEl2nParameters[] = {
    Keep(.5, "share of the samples that is drawn, largest score first"), kSkip};
constexpr PresetParameter kQualityParameters[] = {
    {"drop", 0.2, "[0, 1)", "share of the samples that is filtered away, lowest quality first",
     [](SamplerSpec& s, double v) { s.eligible.all[0].low = v; },
     [](double v) { return v >= 0 && v < 1; }},
    {"minimum_keep", 0.0, "[0, 1]",
     "share of each group of `within` that stays whatever its quality; without it all are one",
     [](SamplerSpec& s, double v) { s.eligible.all[0].minimum_keep = v; }, nullptr},
};
constexpr PresetParameter kTemperatureParameters[] = {
    {"temperature", 5.0, "> 0", "T: 1 is natural, large is equal shares",
     [](SamplerSpec& s, double v) { s.proportion.temperature = v; }, nullptr},
    kFraction,
};
constexpr PresetParameter kEffectiveNumberParameters[] = {
    {"effective_beta", 0.999, "[0, 1]", "beta of E_g = (1 - beta^n_g) / (1 - beta)",
     [](SamplerSpec& s, double v) { s.proportion.effective_beta = v; }, nullptr},
    {"by_stratum", 0.0, "{0, 1}", "1: p_g is proportional to 1 / E_g, a weight of the class",
     [](SamplerSpec& s, double v) { s.proportion.effective_by_stratum = v == 1; }, IsFlag},
    kFraction,
};
constexpr PresetParameter kUnimaxParameters[] = {
    {"max_epochs", 1.0, ">= 1", "passes over a stratum in one epoch, at most",
     [](SamplerSpec& s, double v) { s.proportion.max_epochs = v; }, nullptr},
    kFraction,
};
constexpr PresetParameter kAdaptiveParameters[] = {kEta, kFraction};
constexpr PresetParameter kRankParameters[] = {
    {"pressure", 100.0, ">= 1", "s_e: probability of the first rank against the last",
     [](SamplerSpec& s, double v) { s.preference.pressure = v; }, nullptr},
    kFraction,
};
constexpr PresetParameter kSelectiveParameters[] = {
    {"beta", 1.0, "(0, 16]", "exponent of the percentile",
     [](SamplerSpec& s, double v) { s.preference.beta = v; }, nullptr},
    {"least", 0.05, "(0, 1]", "probability of keeping the easiest sample",
     [](SamplerSpec& s, double v) { s.preference.least = v; }, nullptr},
};
// The schedule of `preference.band.keep`; the start and the length arrive in any order.
Schedule& KeepSchedule(SamplerSpec& spec) {
  Schedule& schedule = spec.schedules["preference.band.keep"];
  if (schedule.points.empty()) {
    schedule.points = {{0, .1, Schedule::Curve::kLinear}, {1, 1, Schedule::Curve::kHold}};
  }
  return schedule;
}
constexpr PresetParameter kStart = {
    "start",
    0.1,
    "(0, 1]",
    "c0: share of the samples that epoch 0 sees",
    [](SamplerSpec& s, double v) { KeepSchedule(s).points[0].value = v; },
    IsFraction};
constexpr PresetParameter kGrowth = {
    "growth_epochs",
    std::nullopt,
    "[1, 2^31), whole",
    "epochs until all samples are seen",
    [](SamplerSpec& s, double v) { KeepSchedule(s).points[1].at = v; },
    IsEpochCount};
constexpr PresetParameter kCurriculumParameters[] = {
    kStart,
    kGrowth,
    {"root", 0.0, "{0, 1}", "1: grows as a square root (competence-based); 0: linearly",
     [](SamplerSpec& s, double v) {
       KeepSchedule(s).points[0].curve = v == 1 ? Schedule::Curve::kRoot : Schedule::Curve::kLinear;
     },
     IsFlag}};
constexpr PresetParameter kSelfPacedParameters[] = {kStart, kGrowth};
constexpr PresetParameter kBootstrapParameters[] = {
    {"bag", 0.0, "[0, 2^32), whole", "number of the bag: another one for each model of an ensemble",
     [](SamplerSpec& s, double v) { s.draw.bag = static_cast<uint32_t>(v); }, IsWhole}};
constexpr PresetParameter kTimeBlockParameters[] = {
    {"length", std::nullopt, "[1, N], whole", "samples of a block",
     [](SamplerSpec& s, double v) { s.draw.block_length = static_cast<uint64_t>(v); },
     IsPositiveWhole},
    {"gap", 0.0, "[0, N), whole", "samples left out after each block (embargo)",
     [](SamplerSpec& s, double v) { s.draw.block_gap = static_cast<uint64_t>(v); }, IsWhole},
    kFraction,
};
constexpr PresetParameter kRs2Parameters[] = {
    {"fraction", 0.1, "(0, 1]", "r: length of an epoch, share of N",
     [](SamplerSpec& s, double v) { s.draw.fraction = v; }, IsFraction}};
constexpr PresetParameter kRepeatFactorParameters[] = {
    {"threshold", 0.001, "(0, 1]", "t: labels that a smaller share of the samples has are repeated",
     [](SamplerSpec& s, double v) { s.preference.threshold = v; }, IsFraction}};
constexpr PresetParameter kRecencyParameters[] = {
    {"half_life", std::nullopt, "> 0",
     "age at which a sample is half as likely, in the column's unit",
     [](SamplerSpec& s, double v) { s.preference.half_life = v; }, nullptr},
    kFloor,
    kFraction};

// Columns.

constexpr PresetColumn Strata(const char* column) {
  return {"strata", "proportion.column", column, "integer column of the strata",
          [](SamplerSpec& s, const std::string& v) { s.proportion.column = v; }};
}
constexpr PresetColumn kClassStrata[] = {Strata("label")};
constexpr PresetColumn kGroupStrata[] = {Strata("group")};
constexpr PresetColumn kScore[] = {
    {"score", "preference.score", "loss", "what training reports of each sample",
     [](SamplerSpec& s, const std::string& v) { s.preference.score = v; }}};
constexpr PresetColumn kEl2nScore[] = {
    {"score", "preference.score", "el2n",
     "what training reports of each sample: its mean over some early runs",
     [](SamplerSpec& s, const std::string& v) { s.preference.score = v; }}};
constexpr PresetColumn kDifficulty[] = {
    {"difficulty", "preference.column", "difficulty", "column of the dataset; smaller is easier",
     [](SamplerSpec& s, const std::string& v) { s.preference.column = v; }}};
constexpr PresetColumn kTime[] = {
    {"time", "draw.blocks.column", "timestamp", "column of the dataset",
     [](SamplerSpec& s, const std::string& v) { s.draw.block_column = v; }}};
constexpr PresetColumn kLabels[] = {
    {"labels", "preference.column", "labels",
     "column of label sets, such as the classes in an image",
     [](SamplerSpec& s, const std::string& v) { s.preference.column = v; }}};
constexpr PresetColumn kAge[] = {
    {"time", "preference.column", "timestamp", "column of the dataset",
     [](SamplerSpec& s, const std::string& v) { s.preference.column = v; }}};
constexpr PresetColumn kQuality[] = {
    {"quality", "eligible.all[0].column", "quality", "column of the dataset; larger is better",
     [](SamplerSpec& s, const std::string& v) { s.eligible.all[0].column = v; }},
    {"within", "eligible.all[0].within", "", "integer column: quantiles inside each of its groups",
     [](SamplerSpec& s, const std::string& v) { s.eligible.all[0].within = v; }}};
constexpr PresetColumn kExcessStrata[] = {Strata("group"), IrreducibleColumn("irreducible_loss")};
constexpr PresetColumn kReducible[] = {
    IrreducibleColumn("irreducible_loss"),
    {"score", "preference.score", "loss", "what training reports of each sample",
     [](SamplerSpec& s, const std::string& v) { s.preference.score = v; }}};

// Choices.

template <typename F>
SamplerSpec Spec(F change) {
  SamplerSpec spec;
  change(spec);
  return spec;
}
SamplerSpec Prefers(Preference::Kind kind) {
  return Spec([&](SamplerSpec& s) { s.preference.kind = kind; });
}
SamplerSpec Shares(Proportion::Kind kind) {
  return Spec([&](SamplerSpec& s) { s.proportion.kind = kind; });
}
SamplerSpec Draws(Draw::Kind kind) {
  return Spec([&](SamplerSpec& s) { s.draw.kind = kind; });
}
// What is chosen is trained on as a dataset of its own: an epoch has each of it once, and is as
// much shorter as samples are left out.
SamplerSpec Band(const char* score, bool smallest) {
  return Spec([&](SamplerSpec& s) {
    s.draw.kind = Draw::Kind::kEpoch;
    s.preference.kind = Preference::Kind::kBand;
    s.preference.score = score;
    s.preference.smallest = smallest;
  });
}
SamplerSpec Per(Preference::Kind kind) {
  return Spec([&](SamplerSpec& s) {
    s.preference.kind = kind;
    s.draw.jittered = kind == Preference::Kind::kScorePower;
    s.guard.unscored = Guard::Unscored::kMaximum;
    s.weight.normalise = Weight::Normalise::kMaximum;
  });
}

// Sorted by name.
std::vector<Preset> WithFreshScores(std::vector<Preset> presets) {
  for (Preset& preset : FreshScorePresets()) presets.push_back(std::move(preset));
  std::sort(presets.begin(), presets.end(),
            [](const Preset& a, const Preset& b) { return std::strcmp(a.name, b.name) < 0; });
  return presets;
}

constexpr char kVisible[] = "nothing: what is not seen is out of reach";
constexpr char kSamples[] = "the mean over samples";
constexpr char kMix[] = "the mean of the mix that is drawn";

}  // namespace

absl::Span<const Preset> Presets() {
  using P = Preference::Kind;
  using G = Proportion::Kind;
  static const auto* const presets = new std::vector<Preset>(WithFreshScores({
      {"bootstrap",
       "Efron 1979; Breiman, Bagging predictors, 1996",
       "counts Multinomial(N, 1/N), the same bag in every epoch; w_i = 1",
       "nothing: one bag is fixed; over bags, the mean over samples",
       Draws(Draw::Kind::kBootstrap),
       kBootstrapParameters,
       {}},
      {"class_balanced", "standard", "p_g = 1/C; mu_i = m_g/n_g; w_i = M/(C m_g)",
       "the mean over classes", Shares(G::kEqual), kUniformParameters, kClassStrata},
      {"curriculum", "Bengio et al. 2009; competence: Platanios et al. 2019",
       "the floor(c(t) N) easiest, each once; c(t) from `start` to 1 over `growth_epochs`",
       kVisible, Band("loss", true), kCurriculumParameters, kDifficulty},
      {"doremi", "Xie et al., DoReMi, NeurIPS 2023",
       "log p_g += eta max(0, loss - irreducible loss)_g; p <- (1 - eps) p + eps/G", kMix,
       Shares(G::kDoremi), kAdaptiveParameters, kExcessStrata},
      {"effective_number", "Cui et al. 2019",
       "p_g proportional to n_g / E_g, E_g = (1 - beta^n_g)/(1 - beta)", kMix,
       Shares(G::kEffectiveNumber), kEffectiveNumberParameters, kClassStrata},
      {"el2n", "Paul et al., Deep learning on a data diet, NeurIPS 2021",
       "the `keep` N samples of largest EL2N, after the `skip` N largest, each once", kVisible,
       Band("el2n", false), kEl2nParameters, kEl2nScore},
      {"forgetting",
       "Toneva et al. 2019",
       "the `keep` N most forgotten, each once; never learned counts as most forgotten",
       kVisible,
       Band("forgetting", false),
       kForgettingParameters,
       {}},
      {"group_balanced", "temperature sampling, as in multilingual training",
       "p_g proportional to n_g^(1/T)", kMix, Shares(G::kTemperature), kTemperatureParameters,
       kGroupStrata},
      {"group_dro", "Sagawa et al., Group DRO, ICLR 2020", "q_g <- q_g exp(eta l_g), normalised",
       kMix, Shares(G::kGroupDro), kAdaptiveParameters, kGroupStrata},
      {"hard_example", "standard; Shrivastava et al., OHEM, 2016, on stored scores",
       "the `keep` N samples of largest score, after the `skip` N largest, each once", kVisible,
       Band("loss", false), kHardParameters, kScore},
      {"importance", "Katharopoulos & Fleuret 2018; floor: Owen & Zhou 2000",
       "q_i = (1-lambda) s_i^alpha/sum s^alpha + lambda/N; w_i = (1/(N q_i))^beta",
       "the mean over samples (beta = 1)", Prefers(P::kScorePower), kImportanceParameters, kScore},
      {"infobatch", "Qin et al., InfoBatch, ICLR 2024",
       "prune share r of {s_i < mean s}; w_i = |L|/kept there, 1 elsewhere",
       "the sum over samples, over an epoch", Prefers(P::kBelowMeanPruning), kInfoBatchParameters,
       kScore},
      {"odm", "Albalak et al., Online data mixing, 2023",
       "Exp3 over strata, the reward of a stratum is its loss", kMix, Shares(G::kOdm),
       kUniformParameters, kGroupStrata},
      {"per", "Schaul et al., Prioritized experience replay, ICLR 2016, proportional",
       "q_i = s_i^alpha/sum s^alpha; w_i = (1/(N q_i))^beta / max w", "nothing (beta < 1)",
       Per(P::kScorePower), kPerParameters, kScore},
      {"per_rank", "Schaul et al., Prioritized experience replay, ICLR 2016, rank-based",
       "q_i proportional to rank_i^-alpha; w_i = (1/(N q_i))^beta / max w", "nothing (beta < 1)",
       Per(P::kRank), kPerRankParameters, kScore},
      {"quality_filter", "standard; scores as in confident learning (Northcutt et al. 2021)",
       "uniform over the samples above the `drop` quantile of quality",
       "the mean over the samples that stay", Spec([](SamplerSpec& s) {
         s.eligible.all.resize(1);
         s.eligible.all[0].kind = Predicate::Kind::kQuantile;
       }),
       kQualityParameters, kQuality},
      {"rank", "Loshchilov & Hutter, Online batch selection, 2015",
       "q_i proportional to s_e^(-(rank_i - 1)/N)", kSamples, Spec([](SamplerSpec& s) {
         s.preference.kind = P::kRank;
         s.preference.law = Preference::Law::kExponential;
       }),
       kRankParameters, kScore},
      {"recency", "standard", "q_i = (1-lambda) 2^(-age_i/half_life)/sum + lambda/N", kSamples,
       Prefers(P::kRecency), kRecencyParameters, kAge},
      {"repeat_factor", "Gupta et al., LVIS, CVPR 2019",
       "mu_i = r_i = max(1, max over c in i of sqrt(t / f_c)), f_c: share of the samples with "
       "label c; "
       "w_i = M/(N r_i)",
       kSamples, Prefers(P::kRepeatFactor), kRepeatFactorParameters, kLabels},
      {"rho_loss_stale", "Mindermann et al., RHO-LOSS, ICML 2022, on stored scores",
       "the `keep` N samples of largest loss - irreducible loss, each once", kVisible,
       Band("loss", false), kHardParameters, kReducible},
      {"rs2",
       "Okanovic et al., Repeated random sampling, 2023",
       "consecutive slices of floor(r N) of a shuffled order, shuffled anew when used up; w_i = 1",
       kSamples,
       Draws(Draw::Kind::kRounds),
       kRs2Parameters,
       {}},
      {"selective_backprop_stale", "Jiang et al., Selective-Backprop, 2019, on stored scores",
       "pi_i = max(least, percentile_i^beta); w_i = |S|/(N pi_i)", kSamples,
       Spec([](SamplerSpec& s) {
         s.preference.kind = P::kKeepProbability;
         s.draw.kind = Draw::Kind::kIndependent;
       }),
       kSelectiveParameters, kScore},
      {"self_paced", "Kumar et al. 2010, threshold by quantile",
       "the c(t) N samples of smallest score, each once; unscored ones are admitted", kVisible,
       Band("loss", true), kSelfPacedParameters, kScore},
      {"time_block", "standard", "a partition of time into blocks, drawn without replacement",
       kSamples, Draws(Draw::Kind::kBlocks), kTimeBlockParameters, kTime},
      {"uniform",
       "standard",
       "pi_i = M/N; w_i = 1",
       kSamples,
       SamplerSpec{},
       kUniformParameters,
       {}},
      {"unimax", "Chung et al., UniMax, ICLR 2023",
       "shares as even as `max_epochs` passes over each stratum allow: with the defaults, only the "
       "natural mix (raise `max_epochs` or lower `fraction`)",
       kMix, Shares(G::kUnimax), kUnimaxParameters, kGroupStrata},
  }));
  return *presets;
}

}  // namespace subset::sampling
