// Samplers that carry the rule to select by: Select needs only the fresh scores.

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/spec_proto.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kBatch = 40;

class SamplerSelectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::vector<float> irreducible(400);
    for (size_t i = 0; i < irreducible.size(); ++i) {
      irreducible[i] = i % 5 == 0 ? NAN : static_cast<float>(i % 7);
    }
    ASSERT_OK(t.Import(
        "d", 400, {{ColumnOf("irreducible_loss", v1::COLUMN_TYPE_FLOAT32), Encode(irreducible)}}));
  }
  Uid Run(const std::string& preset, const std::map<std::string, double>& parameters = {}) {
    EXPECT_OK(t.CreateSampler("d/s", preset, parameters));
    return t.CreateRun("r", "d/s", kBatch)->uid();
  }
  Uid Run(const v1::SamplerSpec& spec) {
    EXPECT_OK(t.CreateSampler("d/s", spec));
    return t.CreateRun("r", "d/s", kBatch)->uid();
  }
  absl::StatusOr<v1::Batch> Select(Uid run, const v1::Batch& pool, std::vector<float> scores,
                                   const std::vector<float>& history = {}) {
    v1::SelectRequest request;
    request.mutable_pool()->set_run_uid(run);
    request.mutable_pool()->set_epoch(pool.epoch());
    auto* block = request.mutable_pool()->mutable_positions();
    block->set_position(pool.position());
    block->set_batch_size(static_cast<uint32_t>(scores.size()));
    request.set_scores(Encode(scores));
    request.set_history(Encode(history));
    return Send(request);
  }
  absl::StatusOr<v1::Batch> Send(const v1::SelectRequest& request) {
    Pending<absl::StatusOr<v1::Batch>> selected;
    t.engine->Select(request, nullptr, selected.Callback());
    return selected.Wait();
  }
  static std::vector<float> Rising(size_t n) {
    std::vector<float> scores(n);
    for (size_t i = 0; i < n; ++i) scores[i] = static_cast<float>(i + 1);
    return scores;
  }

  TestEngine t;
};

TEST_F(SamplerSelectTest, TheRuleAndItsShareAreTheSamplers) {
  const Uid run = Run("ohem", {{"keep", .25}});
  ASSERT_OK_AND_ASSIGN(const v1::Batch pool, t.GetStep(run, 0, 2));
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, Select(run, pool, Rising(kBatch)));
  std::vector<uint32_t> places = Decode<uint32_t>(batch.places());
  EXPECT_EQ(batch.pool_samples(), kBatch);
  ASSERT_EQ(places.size(), 10u);
  const std::vector<uint32_t> candidates = Decode<uint32_t>(pool.indices());
  const std::vector<uint32_t> indices = Decode<uint32_t>(batch.indices());
  for (size_t k = 0; k < places.size(); ++k) EXPECT_EQ(indices[k], candidates[places[k]]);
  std::sort(places.begin(), places.end());
  for (size_t k = 0; k < places.size(); ++k) EXPECT_EQ(places[k], 30 + k);
  EXPECT_EQ(batch.unbiased_over(), v1::UNBIASED_OVER_NOTHING);
  // A rank's part of the batch is a pool of its own, with its own share.
  ASSERT_OK_AND_ASSIGN(const v1::Batch part, t.GetStep(run, 0, 2, 1, 5));
  ASSERT_OK_AND_ASSIGN(const v1::Batch of_part, Select(run, part, Rising(8)));
  EXPECT_EQ(Decode<uint32_t>(of_part.indices()).size(), 2u);
}

TEST_F(SamplerSelectTest, AShareOfTheChosenIsUniformAndThenNothingIsBiased) {
  const Uid run = Run("ohem", {{"keep", .5}, {"uniform_share", .25}});
  ASSERT_OK_AND_ASSIGN(const v1::Batch pool, t.GetStep(run, 0, 0));
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, Select(run, pool, Rising(kBatch)));
  const std::vector<float> weights = Decode<float>(batch.weights());
  ASSERT_EQ(weights.size(), 20u);  // 15 of the largest, 5 of the other 25
  EXPECT_FLOAT_EQ(weights.front(), .5f);
  EXPECT_FLOAT_EQ(weights.back(), .5f * 25 / 5);
  EXPECT_EQ(batch.unbiased_over(), v1::UNBIASED_OVER_BATCH);
}

TEST_F(SamplerSelectTest, IrreducibleLossesAreSubtractedOnTheServer) {
  const Uid run = Run("rho_loss", {{"keep", .2}});
  ASSERT_OK_AND_ASSIGN(const v1::Batch pool, t.GetStep(run, 0, 1));
  const std::vector<uint32_t> candidates = Decode<uint32_t>(pool.indices());
  std::vector<float> losses, reducible;
  for (const uint32_t i : candidates) {
    losses.push_back(static_cast<float>(i % 11));
    reducible.push_back(losses.back() - (i % 5 == 0 ? 0 : static_cast<float>(i % 7)));
  }
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, Select(run, pool, losses));
  const std::vector<uint32_t> places = Decode<uint32_t>(batch.places());
  ASSERT_EQ(places.size(), 8u);
  float least = 1e9f;
  for (const uint32_t place : places) least = std::min(least, reducible[place]);
  const std::set<uint32_t> chosen(places.begin(), places.end());
  for (uint32_t place = 0; place < kBatch; ++place) {
    if (chosen.count(place) > 0) continue;
    EXPECT_LE(reducible[place], least);
  }
  // A rule of the request's own takes the scores as they are.
  v1::SelectRequest own;
  own.mutable_pool()->set_run_uid(run);
  own.mutable_pool()->mutable_assigned()->set_step(1);
  own.mutable_pool()->mutable_assigned()->set_world_size(1);
  own.set_scores(Encode(losses));
  own.mutable_rule()->set_kind(v1::SelectRule::TOP);
  own.mutable_rule()->set_count(1);
  ASSERT_OK_AND_ASSIGN(const v1::Batch top, Send(own));
  EXPECT_EQ(losses[Decode<uint32_t>(top.places()).at(0)],
            *std::max_element(losses.begin(), losses.end()));
}

TEST_F(SamplerSelectTest, ProportionalTakesNoReducibleLossBelowZero) {
  v1::SamplerSpec spec;
  spec.mutable_preference()->set_irreducible("irreducible_loss");
  spec.mutable_preference()->set_missing_irreducible(v1::Preference::EXCLUDE);
  spec.mutable_select()->set_kind(v1::SelectRule::PROPORTIONAL);
  spec.mutable_select()->set_keep(1);
  const Uid run = Run(spec);
  ASSERT_OK_AND_ASSIGN(const v1::Batch pool, t.GetStep(run, 0, 0));
  const std::vector<uint32_t> candidates = Decode<uint32_t>(pool.indices());
  EXPECT_THAT(Select(run, pool, Rising(candidates.size()), {1, 2}), FieldIs("history"));
  double sum = 0;
  std::vector<double> left;
  for (const uint32_t i : candidates) {
    EXPECT_NE(i % 5, 0u) << "has no irreducible loss, so it is in no pool";
    left.push_back(std::max(0.0, 3 - static_cast<double>(i % 7)));
    sum += left.back();
  }
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch,
                       Select(run, pool, std::vector<float>(candidates.size(), 3)));
  const std::vector<uint32_t> places = Decode<uint32_t>(batch.places());
  const std::vector<double> q = Decode<double>(batch.probabilities());
  const std::vector<float> weights = Decode<float>(batch.weights());
  ASSERT_EQ(places.size(), candidates.size());
  for (size_t k = 0; k < places.size(); ++k) {
    EXPECT_NEAR(q[k], left[places[k]] / sum, 1e-12);
    EXPECT_FLOAT_EQ(weights[k], 1 / (kBatch * q[k]));
  }
}

TEST_F(SamplerSelectTest, NumbersOfTheRuleFollowSchedulesByTheStepOfThePool) {
  v1::SamplerSpec spec;
  spec.mutable_select()->set_kind(v1::SelectRule::TOP);
  v1::Schedule& schedule = (*spec.mutable_schedules())["select.keep"];
  schedule.set_unit(v1::Schedule::STEPS);
  for (const auto& [at, value] : {std::pair{0, .1}, {5, .6}, {10, 1.}}) {
    auto* point = schedule.add_points();
    point->set_at(at);
    point->set_value(value);
    point->set_curve(v1::Schedule::LINEAR);
  }
  const Uid run = Run(spec);
  const auto chosen = [&](uint64_t epoch, uint64_t step) {
    const auto pool = t.GetStep(run, epoch, step);
    EXPECT_OK(pool);
    const auto batch = Select(run, *pool, Rising(kBatch));
    EXPECT_OK(batch);
    return batch->places().size() / sizeof(uint32_t);
  };
  EXPECT_EQ(chosen(0, 0), 4u);
  EXPECT_EQ(chosen(0, 1), 8u);
  EXPECT_EQ(chosen(0, 5), 24u);
  EXPECT_EQ(chosen(1, 0), 40u);  // step 10 of the run
}

// What a lease grants is a pool like any other: by its positions; the lease acknowledges all of it.
TEST_F(SamplerSelectTest, ALeasedPoolIsNamedByItsPositionsAndAcknowledgedWhole) {
  const Uid run = Run("ohem");
  ASSERT_OK_AND_ASSIGN(const v1::Batch first, t.Acquire(run, 0, "w"));
  ASSERT_OK_AND_ASSIGN(const v1::Batch pool, t.Acquire(run, 0, "w"));
  EXPECT_EQ(pool.position(), kBatch);
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, Select(run, pool, Rising(kBatch)));
  const std::vector<uint32_t> candidates = Decode<uint32_t>(pool.indices());
  const std::vector<uint32_t> places = Decode<uint32_t>(batch.places());
  ASSERT_EQ(places.size(), 10u);
  for (size_t k = 0; k < places.size(); ++k) {
    EXPECT_EQ(Decode<uint32_t>(batch.indices())[k], candidates[places[k]]);
  }
  ASSERT_OK_AND_ASSIGN(const auto done, t.Acknowledge(Acknowledgement(run, pool, "w")));
  EXPECT_EQ(done.acknowledged_positions(), kBatch);
  // A leased address would grant another block.
  v1::SelectRequest request;
  request.mutable_pool()->set_run_uid(run);
  request.mutable_pool()->mutable_leased()->set_worker("w");
  request.set_scores(Encode(Rising(kBatch)));
  const auto refused = Send(request);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("positions {position, batch_size}")));
  EXPECT_THAT(refused, FieldIs("pool.leased"));
}

TEST_F(SamplerSelectTest, RulesThatCannotWorkAreRefusedWhenTheyAreMade) {
  const auto field = [&](auto change) {
    v1::SamplerSpec spec;
    spec.mutable_select()->set_kind(v1::SelectRule::TOP);
    spec.mutable_select()->set_keep(.5);
    change(spec);
    const auto created = t.CreateSampler("d/s", spec);
    EXPECT_FALSE(created.ok());
    return ErrorField(created.status()).value_or("");
  };
  EXPECT_EQ(field([](auto& s) { s.mutable_select()->clear_kind(); }), "spec.select.kind");
  EXPECT_EQ(field([](auto& s) { s.mutable_select()->set_keep(1.5); }), "spec.select.keep");
  EXPECT_EQ(field([](auto& s) { s.mutable_select()->clear_keep(); }), "spec.select.keep");
  EXPECT_EQ(field([](auto& s) {
              s.mutable_select()->clear_keep();
              s.mutable_select()->set_count(5);
            }),
            "spec.select.count");
  EXPECT_EQ(field([](auto& s) { s.mutable_select()->set_alpha(1); }), "spec.select.alpha");
  EXPECT_EQ(field([](auto& s) { s.mutable_select()->set_kind(v1::SelectRule::TOP_AND_UNIFORM); }),
            "spec.select.uniform_share");
  EXPECT_EQ(field([](auto& s) { s.mutable_preference()->set_irreducible("nothing"); }),
            "spec.preference.irreducible");
  EXPECT_EQ(field([](auto& s) {
              s.mutable_preference()->set_irreducible("irreducible_loss");
              s.mutable_preference()->set_missing_irreducible(v1::Preference::STRATUM_MEAN);
            }),
            "spec.preference.missing_irreducible");
  EXPECT_EQ(field([](auto& s) { (*s.mutable_schedules())["select.floor"]; }),
            "spec.schedules[select.floor]");
  // Without a rule, here or there.
  const Uid run = Run("uniform");
  ASSERT_OK_AND_ASSIGN(const v1::Batch pool, t.GetStep(run, 0, 0));
  const auto none = Select(run, pool, Rising(kBatch));
  EXPECT_THAT(none, FieldIs("rule"));
  EXPECT_THAT(none, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("d/s")));
}

TEST_F(SamplerSelectTest, APreviewSaysThatItIsOfPools) {
  v1::PreviewSamplerRequest request;
  request.mutable_planned()->set_sampler("d/none");
  request.mutable_planned()->mutable_preset()->set_name("ohem");
  Pending<absl::StatusOr<v1::PreviewSamplerResponse>> preview;
  t.engine->PreviewSampler(request, preview.Callback());
  ASSERT_OK_AND_ASSIGN(const v1::PreviewSamplerResponse pools, preview.Wait());
  EXPECT_EQ(pools.num_positions(), 400u);
  ASSERT_EQ(pools.warnings_size(), 1);
  EXPECT_THAT(pools.warnings(0), HasSubstr("batches are pools"));
}

TEST_F(SamplerSelectTest, EveryKindOfRuleSurvivesItsProto) {
  for (int kind = v1::SelectRule::TOP; kind <= v1::SelectRule::KEEP_FRACTION; ++kind) {
    v1::SamplerSpec spec;
    v1::SelectRule& rule = *spec.mutable_select();
    rule.set_kind(static_cast<v1::SelectRule::Kind>(kind));
    if (kind != v1::SelectRule::KEEP_PROBABILITY) rule.set_keep(.5);
    if (kind == v1::SelectRule::TOP_AND_UNIFORM) rule.set_uniform_share(.125);
    if (kind == v1::SelectRule::PROPORTIONAL) rule.set_floor(.25);
    if (kind == v1::SelectRule::KEEP_PROBABILITY) rule.set_least(.25);
    ASSERT_OK_AND_ASSIGN(const sampling::SamplerSpec read, SpecFromProto(spec));
    const v1::SamplerSpec written = SpecToProto(read);
    ASSERT_OK_AND_ASSIGN(const sampling::SamplerSpec again, SpecFromProto(written));
    EXPECT_EQ(SpecToProto(again).SerializeAsString(), written.SerializeAsString());
    EXPECT_EQ(written.select().kind(), rule.kind());
    EXPECT_EQ(written.select().keep(), rule.keep());
    EXPECT_EQ(written.select().uniform_share(), rule.uniform_share());
    EXPECT_EQ(written.select().floor(), rule.floor());
    EXPECT_EQ(written.select().least(), rule.least());
  }
}

}  // namespace
}  // namespace subset
