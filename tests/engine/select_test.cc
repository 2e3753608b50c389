// Pool then select, through the engine: the pool is a batch, what is chosen is a batch.

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "sampling/select.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

class SelectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(t.Import("d", 1000, {}));
    ASSERT_OK(t.CreateSampler("d/uniform", "uniform"));
    ASSERT_OK(t.CreateSampler("d/importance", "importance", {{"uniform_floor", 0.5}}));
    run = Create("r", "d/uniform");
  }
  Uid Create(const std::string& name, const std::string& sampler) {
    return t.CreateRun(name, sampler, 64)->uid();
  }
  v1::SelectRequest Request(v1::SelectRule::Kind kind) {
    v1::SelectRequest request;
    request.mutable_pool()->set_run_uid(run);
    request.mutable_pool()->mutable_assigned()->set_step(2);
    request.mutable_pool()->mutable_assigned()->set_world_size(1);
    request.mutable_rule()->set_kind(kind);
    request.set_scores(Encode(scores));
    return request;
  }
  absl::StatusOr<v1::Batch> Select(const v1::SelectRequest& request) {
    Pending<absl::StatusOr<v1::Batch>> selected;
    t.engine->Select(request, nullptr, selected.Callback());
    return selected.Wait();
  }

  TestEngine t;
  Uid run = 0;
  std::vector<float> scores = [] {
    std::vector<float> values(64);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>((i * 37) % 64);
    return values;
  }();
};

TEST_F(SelectTest, TheTopOfThePoolIsChosen) {
  v1::SelectRequest request = Request(v1::SelectRule::TOP);
  request.mutable_rule()->set_count(4);
  ASSERT_OK_AND_ASSIGN(const v1::Batch pool, t.GetStep(run, 0, 2));
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, Select(request));
  const std::vector<uint32_t> candidates = Decode<uint32_t>(pool.indices());
  std::vector<uint32_t> expected;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] >= 60) expected.push_back(candidates[i]);
  }
  std::vector<uint32_t> chosen = Decode<uint32_t>(batch.indices());
  std::sort(chosen.begin(), chosen.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(chosen, expected);
  EXPECT_EQ(batch.unbiased_over(), v1::UNBIASED_OVER_NOTHING);
  EXPECT_EQ(batch.position(), pool.position());
  EXPECT_EQ(Decode<float>(batch.weights()), std::vector<float>(4, 1.0f));
  EXPECT_EQ(Select(request)->SerializeAsString(), batch.SerializeAsString());
}

// Two phases multiply: the weight is the pool's times the rule's.
TEST_F(SelectTest, WeightsAreThePoolsTimesTheRules) {
  run = Create("weighted", "d/importance");
  ASSERT_OK_AND_ASSIGN(const uint64_t session, t.OpenSession(run));
  std::vector<uint32_t> indices(1000);
  std::vector<float> losses(1000);
  for (uint32_t i = 0; i < 1000; ++i) {
    indices[i] = i;
    losses[i] = static_cast<float>(1 + i % 7);
  }
  ASSERT_OK(t.Report(Losses(run, session, 1, 0, std::nullopt, indices, losses)));
  v1::SelectRequest request = Request(v1::SelectRule::PROPORTIONAL);
  request.mutable_rule()->set_count(32);
  request.mutable_rule()->set_floor(0.25);
  ASSERT_OK_AND_ASSIGN(const v1::Batch pool, t.GetStep(run, 0, 2));
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, Select(request));
  EXPECT_EQ(batch.unbiased_over(), v1::UNBIASED_OVER_BATCH);
  EXPECT_EQ(batch.probability_kind(), v1::PROBABILITY_KIND_PER_DRAW);
  const std::vector<uint32_t> candidates = Decode<uint32_t>(pool.indices());
  const std::vector<float> pool_weights = Decode<float>(pool.weights());
  ASSERT_EQ(pool_weights.size(), 64u);
  const double total = 63 * 64 / 2;
  const std::vector<uint32_t> chosen = Decode<uint32_t>(batch.indices());
  const std::vector<double> probabilities = Decode<double>(batch.probabilities());
  const std::vector<float> weights = Decode<float>(batch.weights());
  ASSERT_EQ(chosen.size(), 32u);
  // A sample of the pool twice has two places; its weight is that of one of them.
  std::multimap<uint32_t, std::pair<double, double>> of_candidate;  // -> q, weight
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double q = 0.75 * scores[i] / total + 0.25 / 64;
    of_candidate.insert({candidates[i], {q, pool_weights[i] / (64 * q)}});
  }
  for (size_t k = 0; k < chosen.size(); ++k) {
    const auto [begin, end] = of_candidate.equal_range(chosen[k]);
    EXPECT_TRUE(std::any_of(begin, end, [&](const auto& candidate) {
      return std::abs(candidate.second.first - probabilities[k]) < 1e-9 &&
             std::abs(candidate.second.second / weights[k] - 1) < 1e-5;
    })) << k;
  }
}

TEST_F(SelectTest, UniformlyKeepsAsManyAsTheRuleWithThePoolsWeights) {
  v1::SelectRequest request = Request(v1::SelectRule::PROPORTIONAL);
  request.mutable_rule()->set_keep(0.25);
  request.clear_scores();
  request.set_uniformly(true);
  ASSERT_OK_AND_ASSIGN(const v1::Batch pool, t.GetStep(run, 0, 2));
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, Select(request));
  const std::vector<uint32_t> places = Decode<uint32_t>(batch.places());
  EXPECT_EQ(std::set<uint32_t>(places.begin(), places.end()).size(), 16u);
  for (size_t k = 0; k < 16; ++k) {
    EXPECT_EQ(Decode<uint32_t>(batch.indices())[k], Decode<uint32_t>(pool.indices())[places[k]]);
  }
  EXPECT_EQ(Decode<float>(batch.weights()), std::vector<float>(16, 1.0f));
  EXPECT_EQ(Decode<double>(batch.probabilities()), std::vector<double>(16, 0.25));
  EXPECT_EQ(batch.probability_kind(), v1::PROBABILITY_KIND_INCLUSION_BATCH);
  EXPECT_EQ(batch.unbiased_over(), v1::UNBIASED_OVER_BATCH);
  EXPECT_EQ(Select(request)->SerializeAsString(), batch.SerializeAsString());
}

TEST_F(SelectTest, OfWhatIsEmptyTheKindOfProbabilityIsKnownToo) {
  v1::SelectRequest request = Request(v1::SelectRule::KEEP_PROBABILITY);
  request.set_history(Encode<float>({64}));  // above every score
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, Select(request));
  EXPECT_EQ(batch.indices(), "");
  EXPECT_EQ(batch.probability_kind(), v1::PROBABILITY_KIND_INCLUSION_BATCH);
  EXPECT_EQ(batch.unbiased_over(), v1::UNBIASED_OVER_NOTHING);
}

TEST_F(SelectTest, HowManyIsANumberOrAShareByItsPathInTheRequest) {
  v1::SelectRequest request = Request(v1::SelectRule::TOP);
  EXPECT_THAT(Select(request).status().message(), HasSubstr("rule.keep is not set"));
  request.mutable_rule()->set_count(4);
  request.mutable_rule()->set_keep(0.5);
  EXPECT_THAT(Select(request).status().message(), HasSubstr("is set beside rule.count"));
}

TEST_F(SelectTest, BadRequestsNameTheField) {
  const auto refused = [this](auto change) {
    v1::SelectRequest request = Request(v1::SelectRule::TOP);
    request.mutable_rule()->set_count(4);
    change(request);
    const absl::Status status = Select(request).status();
    EXPECT_FALSE(status.ok());
    return ErrorField(status).value_or("");
  };
  EXPECT_EQ(refused([](auto& r) { r.mutable_pool()->set_run_uid(99); }), "pool.run_uid");
  EXPECT_EQ(refused([](auto& r) { r.mutable_pool()->clear_assigned(); }), "pool.address");
  EXPECT_EQ(refused([](auto& r) { r.mutable_pool()->mutable_assigned()->set_rank(1); }),
            "assigned.rank");
  EXPECT_EQ(refused([](auto& r) { r.mutable_rule()->clear_kind(); }), "rule.kind");
  EXPECT_EQ(refused([](auto& r) { r.mutable_rule()->set_count(0); }), "rule.count");
  EXPECT_EQ(refused([](auto& r) { r.mutable_rule()->set_count(65); }), "rule.count");
  EXPECT_EQ(refused([](auto& r) { r.mutable_rule()->set_keep(0.5); }), "rule.keep");
  EXPECT_EQ(refused([](auto& r) {
              r.mutable_rule()->set_kind(v1::SelectRule::PROPORTIONAL);
              r.mutable_rule()->set_floor(1.5);
            }),
            "rule.floor");
  EXPECT_EQ(refused([](auto& r) { r.set_scores("abc"); }), "scores");
  EXPECT_EQ(refused([](auto& r) { r.set_scores(Encode<float>({1, 2})); }), "scores");
  EXPECT_EQ(refused([this](auto& r) {
              std::vector<float> values = scores;
              values[3] = NAN;
              r.set_scores(Encode(values));
            }),
            "scores[3]");
  EXPECT_EQ(refused([](auto& r) { r.set_uniformly(true); }), "scores");
  EXPECT_EQ(refused([](auto& r) {
              r.set_uniformly(true);
              r.clear_scores();
              r.mutable_rule()->clear_count();
              r.mutable_rule()->set_kind(v1::SelectRule::KEEP_PROBABILITY);
            }),
            "uniformly");
  EXPECT_EQ(refused([](auto& r) { r.set_history(Encode<float>({1, 2})); }), "history");
}

}  // namespace
}  // namespace subset
