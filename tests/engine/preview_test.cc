// What an epoch would be drawn from, against what it then is.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sampling/group_weights.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// 90 samples: label 0 for 60 of them, 1 for 30; quality i / 90.
class PreviewTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kN = 90;

  void SetUp() override {
    std::string labels;
    std::vector<float> quality;
    for (uint64_t i = 0; i < kN; ++i) {
      labels.push_back(i % 3 == 2 ? 1 : 0);
      quality.push_back(static_cast<float>(i) / kN);
    }
    ASSERT_OK(t.Import("d", kN,
                       {{ColumnOf("label", v1::COLUMN_TYPE_UINT8), labels},
                        {ColumnOf("quality", v1::COLUMN_TYPE_FLOAT32), Encode(quality)}}));
    ASSERT_OK(t.CreateSampler("d/uniform", "uniform", {{"fraction", 0.1}}));
    ASSERT_OK(t.CreateSampler("d/balanced", "class_balanced"));
    ASSERT_OK(t.CreateSampler("d/importance", "importance", {{"uniform_floor", 0.2}}));
  }
  absl::StatusOr<v1::PreviewSamplerResponse> Preview(const v1::PreviewSamplerRequest& request) {
    Pending<absl::StatusOr<v1::PreviewSamplerResponse>> preview;
    t.engine->PreviewSampler(request, preview.Callback());
    return preview.Wait();
  }
  absl::StatusOr<v1::PreviewSamplerResponse> Preview(const std::string& sampler,
                                                     const std::string& run = "") {
    v1::PreviewSamplerRequest request;
    request.mutable_planned()->set_sampler(sampler);
    request.mutable_planned()->set_run(run);
    return Preview(request);
  }
  absl::StatusOr<v1::PreviewSamplerResponse> Preview(const v1::SamplerSpec& spec) {
    v1::PreviewSamplerRequest request;
    request.mutable_planned()->set_sampler("d/new");
    *request.mutable_planned()->mutable_spec() = spec;
    return Preview(request);
  }
  absl::StatusOr<v1::ExplainSampleResponse> Explain(const v1::PlannedEpoch& planned,
                                                    uint64_t index) {
    v1::ExplainSampleRequest request;
    *request.mutable_planned() = planned;
    request.set_index(index);
    Pending<absl::StatusOr<v1::ExplainSampleResponse>> explained;
    t.engine->ExplainSample(request, explained.Callback());
    return explained.Wait();
  }
  // A run of the sampler in which sample i has the loss 1 + i % 5, but for the last ten.
  Uid Scored(const std::string& name, const std::string& sampler) {
    const Uid run = t.CreateRun(name, sampler, 8)->uid();
    const auto session = t.OpenSession(run);
    std::vector<uint32_t> indices(kN - 10);
    std::iota(indices.begin(), indices.end(), 0);
    std::vector<float> losses;
    for (const uint32_t i : indices) losses.push_back(static_cast<float>(1 + i % 5));
    EXPECT_OK(t.Report(Losses(run, *session, 1, 0, std::nullopt, indices, losses)));
    return run;
  }

  TestEngine t;
};

TEST_F(PreviewTest, AUniformSubset) {
  ASSERT_OK_AND_ASSIGN(const v1::PreviewSamplerResponse preview, Preview("d/uniform"));
  EXPECT_EQ(preview.sampler_version(), 1u);
  EXPECT_EQ(preview.num_positions(), 9u);
  EXPECT_EQ(preview.num_steps(), 1u);
  EXPECT_EQ(preview.eligible_samples(), kN);
  EXPECT_EQ(preview.reachable_samples(), kN);
  EXPECT_NEAR(preview.effective_sample_size(), kN, 1e-9);
  EXPECT_EQ(preview.largest_weight(), 1);
  EXPECT_EQ(preview.weight_efficiency(), 1);
  EXPECT_EQ(preview.unbiased_over(), v1::UNBIASED_OVER_BATCH);
  ASSERT_EQ(preview.coverage_size(), 4);
  for (const auto& coverage : preview.coverage()) {
    EXPECT_NEAR(coverage.ratio(), 1 - std::pow(0.9, coverage.epochs()), 1e-9);
  }
  ASSERT_EQ(preview.expected_draws_size(), 1);
  EXPECT_EQ(preview.expected_draws(0).low(), 0.0625);  // 0.1 is in [1/16, 1/8)
  EXPECT_EQ(preview.expected_draws(0).samples(), kN);
  ASSERT_EQ(preview.strata_size(), 1);
  EXPECT_EQ(preview.strata(0).samples(), kN);
  EXPECT_EQ(preview.warnings_size(), 0);
}

TEST_F(PreviewTest, SharesAndRepeatsByStratum) {
  ASSERT_OK_AND_ASSIGN(const v1::PreviewSamplerResponse preview, Preview("d/balanced"));
  ASSERT_EQ(preview.strata_size(), 2);
  for (int g = 0; g < 2; ++g) {
    const auto& stratum = preview.strata(g);
    EXPECT_EQ(stratum.value(), g);
    EXPECT_EQ(stratum.samples(), g == 0 ? 60u : 30u);
    EXPECT_EQ(stratum.eligible_samples(), stratum.samples());
    EXPECT_NEAR(stratum.share(), 0.5, 1e-9);
    EXPECT_NEAR(stratum.expected_draws(), 45, 1e-6);
    EXPECT_NEAR(stratum.expected_repeats(), 45.0 / stratum.samples(), 1e-6);
  }
}

// What is looked at is what then opens: the same key, the same scores.
TEST_F(PreviewTest, IsOfTheEpochThatOpensNext) {
  const Uid run = Scored("r", "d/importance");
  ASSERT_OK_AND_ASSIGN(const v1::PreviewSamplerResponse preview, Preview("d/importance", "r"));
  EXPECT_EQ(preview.epoch(), 0u);
  EXPECT_EQ(preview.score_version().records(), 1u);
  EXPECT_TRUE(t.GetRun("r")->epochs().empty());  // nothing was opened
  v1::PlannedEpoch planned;
  planned.set_sampler("d/importance");
  planned.set_run("r");
  ASSERT_OK_AND_ASSIGN(const v1::ExplainSampleResponse explained, Explain(planned, 4));
  ASSERT_OK_AND_ASSIGN(const v1::ExplainSampleResponse unscored, Explain(planned, kN - 1));

  ASSERT_OK_AND_ASSIGN(const v1::Epoch epoch, t.OpenEpoch(run, 0));
  EXPECT_EQ(epoch.num_positions(), preview.num_positions());
  EXPECT_NEAR(preview.effective_sample_size(), epoch.effective_sample_ratio() * kN, 1e-3);
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetPositions(run, 0, 0, kN));
  const std::vector<uint32_t> indices = Decode<uint32_t>(batch.indices());
  const std::vector<float> weights = Decode<float>(batch.weights());
  EXPECT_EQ(preview.largest_weight(), *std::max_element(weights.begin(), weights.end()));
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const double squares = std::inner_product(weights.begin(), weights.end(), weights.begin(), 0.0);
  EXPECT_NEAR(preview.weight_efficiency(), sum * sum / (kN * squares), 1e-6);
  EXPECT_LT(preview.weight_efficiency(), 1);

  // Sample 4 has the loss 5; the mean of the scored is 3, and the unscored take it.
  const double total = 80 * 3 + 10 * 3;
  EXPECT_EQ(explained.score(), 5);
  EXPECT_NEAR(explained.preference(), 5 / total, 1e-3 / total);
  EXPECT_NEAR(explained.guarded(), 0.8 * 5 / total + 0.2 / kN, 1e-5);
  EXPECT_NEAR(explained.expected_draws(), kN * explained.guarded(), 1e-3);
  EXPECT_EQ(explained.num_positions_drawn(),
            static_cast<uint64_t>(std::count(indices.begin(), indices.end(), 4u)));
  for (const uint64_t position : explained.positions()) EXPECT_EQ(indices[position], 4u);
  EXPECT_FALSE(unscored.has_score());
  EXPECT_NEAR(unscored.preference(), 3 / total, 1e-3 / total);
  EXPECT_EQ(Preview("d/importance", "r")->epoch(), 1u);  // the next one now
}

TEST_F(PreviewTest, AFilterIsExplainedPredicateByPredicate) {
  v1::SamplerSpec spec;
  v1::Predicate* label = spec.mutable_eligible()->add_all();
  label->set_column("label");
  label->mutable_in()->add_values(0);
  v1::Predicate* quality = spec.mutable_eligible()->add_all();
  quality->set_column("quality");
  quality->mutable_range()->set_minimum(0.5);
  spec.mutable_proportion()->set_column("label");
  ASSERT_OK_AND_ASSIGN(const v1::PreviewSamplerResponse preview, Preview(spec));
  EXPECT_EQ(preview.sampler_version(), 0u);
  EXPECT_EQ(preview.eligible_samples(), 30u);
  EXPECT_EQ(preview.num_positions(), 30u);
  ASSERT_EQ(preview.strata_size(), 2);
  EXPECT_EQ(preview.strata(0).eligible_samples(), 30u);
  EXPECT_EQ(preview.strata(0).share(), 1);
  EXPECT_EQ(preview.strata(1).samples(), 30u);
  EXPECT_EQ(preview.strata(1).eligible_samples(), 0u);
  EXPECT_EQ(preview.strata(1).expected_draws(), 0);
  EXPECT_THAT(preview.warnings(), ElementsAre(HasSubstr("nothing of stratum 1 is eligible")));

  v1::PlannedEpoch planned;
  planned.set_sampler("d/new");
  *planned.mutable_spec() = spec;
  ASSERT_OK_AND_ASSIGN(const v1::ExplainSampleResponse out, Explain(planned, 3));
  EXPECT_FALSE(out.eligible());
  ASSERT_EQ(out.predicates_size(), 2);
  EXPECT_TRUE(out.predicates(0).passes());
  EXPECT_EQ(out.predicates(0).value(), 0);
  EXPECT_FALSE(out.predicates(1).passes());
  EXPECT_EQ(out.predicates(1).path(), "eligible.all[1]");
  EXPECT_EQ(out.expected_draws(), 0);
  EXPECT_EQ(out.num_positions_drawn(), 0u);
  EXPECT_THAT(out.summary(), HasSubstr("eligible.all[1] (\"quality\" is 0.0333"));
  ASSERT_OK_AND_ASSIGN(const v1::ExplainSampleResponse in, Explain(planned, 60));
  EXPECT_TRUE(in.eligible());
  EXPECT_EQ(in.proportion(), 1);
  EXPECT_EQ(in.expected_draws(), 1);
  EXPECT_EQ(in.num_positions_drawn(), 1u);
}

TEST_F(PreviewTest, OfForgettingTheNumberOfEventsIsExplained) {
  const Uid run = t.CreateRun("r", "d/uniform", 8)->uid();
  v1::ReportFeedbackRequest answers =
      Losses(run, *t.OpenSession(run), 1, 0, std::nullopt, {3, 3, 5, 5, 7}, {0, 0, 1, 0, 1});
  answers.mutable_feedback(0)->mutable_values(0)->set_name("correct");
  ASSERT_OK(t.Report(answers));
  v1::PlannedEpoch planned;
  planned.set_sampler("d/new");
  planned.set_run("r");
  v1::Predicate* forgotten = planned.mutable_spec()->mutable_eligible()->add_all();
  forgotten->set_score("forgetting");
  forgotten->mutable_range()->set_minimum(1);
  const auto verdict = [&](uint64_t index) { return Explain(planned, index)->predicates(0); };
  EXPECT_EQ(verdict(3).value(), 2048) << "never learned";
  EXPECT_EQ(verdict(5).value(), 1);
  EXPECT_TRUE(verdict(5).passes());
  EXPECT_EQ(verdict(7).value(), 0);
  EXPECT_FALSE(verdict(7).passes());
  EXPECT_FALSE(verdict(8).has_value()) << "never presented";
}

TEST_F(PreviewTest, WhatDoremiLearnedIsTheMeanOfItsShares) {
  ASSERT_OK(
      t.Import("il", kN,
               {{ColumnOf("group", v1::COLUMN_TYPE_UINT8),
                 std::string(kN / 2, '\0') + std::string(kN / 2, '\1')},
                {ColumnOf("loss", v1::COLUMN_TYPE_FLOAT32), Encode(std::vector<float>(kN))}}));
  v1::SamplerSpec spec;
  spec.mutable_proportion()->set_kind(v1::Proportion::DOREMI);
  spec.mutable_proportion()->set_column("group");
  spec.mutable_preference()->set_irreducible("loss");
  ASSERT_OK(t.CreateSampler("il/s", spec));
  EXPECT_FALSE(Preview("il/s")->strata(0).has_mean_learned_share())
      << "nothing learns without a run";
  const Uid run = t.CreateRun("r", "il/s", 8)->uid();
  EXPECT_FALSE(Preview("il/s", "r")->strata(0).has_mean_learned_share()) << "no epoch yet";
  ASSERT_OK(t.OpenEpoch(run, 0));
  const auto session = t.OpenSession(run);
  sampling::Proportion rule;
  rule.kind = sampling::Proportion::Kind::kDoremi;
  rule.eta = 1;
  rule.epsilon = 0.001;
  sampling::GroupWeights oracle(2);
  for (uint64_t message = 1; message <= 3; ++message) {
    const float loss = static_cast<float>(message);
    ASSERT_OK(t.Report(Losses(run, *session, message, 0, std::nullopt, {0, kN - 1}, {loss, 1})));
    oracle.Update(rule, std::vector<double>{loss, 1}, std::vector<uint64_t>{kN / 2, kN / 2});
  }
  ASSERT_OK_AND_ASSIGN(const v1::PreviewSamplerResponse preview, Preview("il/s", "r"));
  for (int g = 0; g < 2; ++g) {
    EXPECT_NEAR(preview.strata(g).mean_learned_share(), oracle.MeanShares()[g], 1e-12);
    EXPECT_NEAR(preview.strata(g).share(), oracle.Shares(rule.kind)[g], 1. / kN);
  }
}

TEST_F(PreviewTest, UnimaxWarnsWhereItsCapsLeaveOnlyTheNaturalMix) {
  v1::SamplerSpec spec;
  spec.mutable_proportion()->set_kind(v1::Proportion::UNIMAX);
  spec.mutable_proportion()->set_column("label");
  spec.mutable_proportion()->set_max_epochs(1);
  ASSERT_OK_AND_ASSIGN(const auto natural, Preview(spec));
  EXPECT_EQ(natural.strata(1).expected_draws(), 30);
  ASSERT_EQ(natural.warnings_size(), 1);
  EXPECT_THAT(natural.warnings(0), HasSubstr("natural shares"));
  spec.mutable_proportion()->set_max_epochs(1.5);
  ASSERT_OK_AND_ASSIGN(const auto even, Preview(spec));
  EXPECT_EQ(even.strata(1).expected_draws(), 45);
  EXPECT_EQ(even.warnings_size(), 0);
}

TEST_F(PreviewTest, SharesOfAnEpochOfRandomLengthSumToOne) {
  v1::SamplerSpec spec;
  spec.mutable_proportion()->set_kind(v1::Proportion::NATURAL);
  spec.mutable_proportion()->set_column("label");
  spec.mutable_draw()->set_kind(v1::Draw::INDEPENDENT);
  spec.mutable_draw()->set_fraction(0.5);
  ASSERT_OK_AND_ASSIGN(const auto preview, Preview(spec));
  EXPECT_NE(preview.num_positions(), 45u);  // the coins of this seed
  EXPECT_NEAR(preview.strata(0).share(), 2. / 3, 1e-9);
  EXPECT_NEAR(preview.strata(1).share(), 1. / 3, 1e-9);
  v1::PlannedEpoch planned;
  planned.set_sampler("d/new");
  *planned.mutable_spec() = spec;
  EXPECT_NEAR(Explain(planned, 0)->stratum().share(), 2. / 3, 1e-9);
}

TEST_F(PreviewTest, OfWhatIsHandedInThereIsNoPlanToLookAt) {
  v1::SamplerSpec spec;
  spec.mutable_draw()->set_kind(v1::Draw::PROVIDED);
  EXPECT_THAT(Preview(spec), ReasonIs("EPOCH_NOT_PROVIDED"));
  EXPECT_THAT(Preview(spec).status().message(), HasSubstr("no plan to look at"));
}

// Draws whose epochs overlap themselves, or are all the same.
TEST_F(PreviewTest, CoverageIsThatOfTheDraw) {
  const auto after = [this](const v1::SamplerSpec& spec, int i) {
    return Preview(spec)->coverage(i).ratio();  // after 1, 2, 5 and 10 epochs
  };
  v1::SamplerSpec bag;
  bag.mutable_draw()->set_kind(v1::Draw::BOOTSTRAP);
  auto* bootstrap = bag.mutable_draw()->mutable_bootstrap();
  for (const int i : {0, 3}) EXPECT_NEAR(after(bag, i), 1 - std::pow(1 - 1. / kN, kN), 1e-9);
  bootstrap->set_form(v1::Draw::Bootstrap::POISSON);
  for (const int i : {0, 3}) EXPECT_NEAR(after(bag, i), 1 - std::exp(-1), 1e-9);
  bootstrap->set_form(v1::Draw::Bootstrap::BAYESIAN);
  EXPECT_EQ(after(bag, 0), 1);

  v1::SamplerSpec blocks;  // three of 10 samples an epoch
  blocks.mutable_draw()->set_kind(v1::Draw::BLOCKS);
  blocks.mutable_draw()->set_fraction(1. / 3);
  blocks.mutable_draw()->mutable_blocks()->set_column("quality");
  blocks.mutable_draw()->mutable_blocks()->set_length(10);
  const auto with = [&blocks](v1::Draw::Blocks::Form form) {
    blocks.mutable_draw()->mutable_blocks()->set_form(form);
    return blocks;
  };
  const double held = 10. / kN;  // chance that a block holds a sample
  EXPECT_NEAR(after(with(v1::Draw::Blocks::FIXED), 1), 1 - std::pow(1 - 3 * held, 2), 1e-9);
  EXPECT_NEAR(after(with(v1::Draw::Blocks::CIRCULAR), 1), 1 - std::pow(1 - held, 6), 1e-9);
  // A block of k samples holds one of n with the chance min(k, n) / n.
  const double geometric = held * (1 - std::pow(0.9, kN));
  EXPECT_NEAR(after(with(v1::Draw::Blocks::STATIONARY), 1), 1 - std::pow(1 - geometric, 6), 1e-9);
  double missed = 0;
  for (uint64_t i = 0; i < kN; ++i) {
    const double holding = std::min({i + 1, uint64_t{10}, kN - i}) / (kN - 9.);
    missed += std::pow(1 - holding, 6) / kN;
  }
  EXPECT_NEAR(after(with(v1::Draw::Blocks::MOVING), 1), 1 - missed, 1e-9);
}

TEST_F(PreviewTest, CountsThatARoundingPartsAreOneBin) {
  v1::SamplerSpec spec;
  spec.mutable_draw()->set_kind(v1::Draw::WITH_REPLACEMENT);
  spec.mutable_proportion()->set_kind(v1::Proportion::TEMPERATURE);
  spec.mutable_proportion()->set_column("label");
  spec.mutable_proportion()->set_temperature(1);
  ASSERT_OK_AND_ASSIGN(const v1::PreviewSamplerResponse preview, Preview(spec));
  ASSERT_EQ(preview.expected_draws_size(), 1) << "natural shares: each sample is expected once";
  EXPECT_EQ(preview.expected_draws(0).low(), 1);
}

// Also the guards that reach across strata, and for samples without a preference.
TEST_F(PreviewTest, WithReplacementProportionTimesGuardedIsTheChanceOfADraw) {
  const Uid run = Scored("r", "d/importance");
  ASSERT_OK(t.Report(Losses(run, *t.OpenSession(run), 1, 0, std::nullopt, {7, 8}, {0, 50})));
  for (const bool by_target : {false, true}) {
    v1::PlannedEpoch planned;
    planned.set_sampler("d/new");
    planned.set_run("r");
    v1::SamplerSpec& spec = *planned.mutable_spec();
    spec.mutable_preference()->mutable_score_power()->set_alpha(1);
    spec.mutable_proportion()->set_kind(v1::Proportion::TEMPERATURE);
    spec.mutable_proportion()->set_column("label");
    spec.mutable_proportion()->set_temperature(2);
    spec.mutable_weight()->set_target(v1::Weight::NATURAL);
    spec.mutable_guard()->set_uniform_floor(0.2);
    spec.mutable_guard()->set_floor_by_target(by_target);
    if (!by_target) spec.mutable_guard()->set_max_repeats(4);
    double sum = 0;
    double largest = 0;
    for (uint64_t i = 0; i < kN; ++i) {
      ASSERT_OK_AND_ASSIGN(const v1::ExplainSampleResponse explained, Explain(planned, i));
      const double q = explained.proportion() * explained.guarded();
      EXPECT_NEAR(q, explained.expected_draws() / kN, 1e-12) << i;
      EXPECT_GT(q, 0) << i;
      sum += q;
      largest = std::max(largest, q);
    }
    if (!by_target) {
      EXPECT_NEAR(largest, 4. / kN, 0x1p-11 / kN);
    }
    EXPECT_NEAR(sum, 1, 1e-9);
  }
}

TEST_F(PreviewTest, PruningPrefersWhatItKeepsForSure) {
  Scored("r", "d/importance");
  v1::PlannedEpoch planned;
  planned.set_sampler("d/new");
  planned.set_run("r");
  auto* pruning = planned.mutable_spec()->mutable_preference()->mutable_below_mean_pruning();
  pruning->set_ratio(0.5);
  pruning->set_delta(1);
  pruning->set_total_epochs(9);
  // 32 of the losses 1 and 2 are below the mean, 16 of them stay, and the other 58 samples.
  ASSERT_OK_AND_ASSIGN(const v1::ExplainSampleResponse low, Explain(planned, 0));
  ASSERT_OK_AND_ASSIGN(const v1::ExplainSampleResponse high, Explain(planned, 4));
  EXPECT_NEAR(low.preference(), 0.5 / 74, 1e-12);
  EXPECT_NEAR(high.preference(), 1. / 74, 1e-12);
  EXPECT_EQ(low.guarded(), low.preference());
  EXPECT_NEAR(low.expected_draws(), 0.5, 1e-12);
}

TEST_F(PreviewTest, AGapBetweenBlocksIsNoPreference) {
  v1::PlannedEpoch planned;
  planned.set_sampler("d/new");
  v1::Draw* draw = planned.mutable_spec()->mutable_draw();
  draw->set_kind(v1::Draw::BLOCKS);
  draw->mutable_blocks()->set_column("quality");
  draw->mutable_blocks()->set_length(8);
  draw->mutable_blocks()->set_gap(2);
  ASSERT_OK_AND_ASSIGN(const v1::ExplainSampleResponse explained, Explain(planned, 9));
  EXPECT_EQ(explained.expected_draws(), 0);
  EXPECT_THAT(explained.summary(), HasSubstr("the draw leaves it out"));
}

TEST_F(PreviewTest, BadRequestsNameTheField) {
  const auto refused = [this](auto change) {
    v1::PreviewSamplerRequest request;
    request.mutable_planned()->set_sampler("d/uniform");
    change(request);
    return Preview(request).status();
  };
  EXPECT_THAT(refused([](auto& r) { r.mutable_planned()->set_sampler("d/unifrm"); }),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean \"d/uniform\"")));
  EXPECT_THAT(refused([](auto& r) { r.mutable_planned()->set_run("r"); }),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(refused([](auto& r) { r.mutable_planned()->set_global_batch_size(65537); }),
              FieldIs("planned.global_batch_size"));
  EXPECT_THAT(refused([](auto& r) { r.mutable_planned()->set_epoch(uint64_t{1} << 32); }),
              FieldIs("planned.epoch"));
  EXPECT_THAT(refused([](auto& r) { r.add_coverage_epochs(0); }), FieldIs("coverage_epochs[0]"));
  EXPECT_THAT(refused([](auto& r) {
                for (int i = 0; i < 17; ++i) r.add_coverage_epochs(1);
              }),
              FieldIs("coverage_epochs"));
  EXPECT_THAT(
      refused([](auto& r) { r.mutable_planned()->mutable_spec()->mutable_weight()->set_beta(2); }),
      FieldIs("spec.weight.beta"));
  ASSERT_OK(t.Import("e", 5, {}));
  ASSERT_OK(t.CreateSampler("e/uniform", "uniform"));
  ASSERT_OK(t.CreateRun("other", "e/uniform", 2));
  EXPECT_THAT(refused([](auto& r) { r.mutable_planned()->set_run("other"); }),
              FieldIs("planned.run"));
  v1::PlannedEpoch planned;
  planned.set_sampler("d/uniform");
  EXPECT_THAT(Explain(planned, kN).status(), FieldIs("index"));
}

}  // namespace
}  // namespace subset
