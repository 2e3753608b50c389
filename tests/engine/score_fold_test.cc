// What reported values become in score columns: smoothed, counted, dated.

#include <cmath>

#include "engine/feedback.h"
#include "engine/run.h"
#include "sampling/forgetting.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

constexpr uint64_t kSession = 9;

v1::Run Settings() {
  v1::Run settings;
  settings.set_num_samples(100);
  settings.set_global_batch_size(10);
  return settings;
}

// A run with a session, and messages to it.
class Reporter {
 public:
  explicit Reporter(const v1::Run& settings) : run(settings, nullptr) {
    run.FoldSession(kSession, 1);
  }

  void Report(const std::string& column, const std::vector<uint32_t>& samples,
              const std::vector<float>& values, std::optional<uint64_t> position = std::nullopt,
              uint64_t step = 0) {
    log::v1::FeedbackReported record;
    record.set_session_id(kSession);
    record.set_sequence(++messages_);
    record.set_content_hash(messages_);
    v1::Feedback* feedback = record.add_feedback();
    if (position.has_value()) feedback->set_position(*position);
    feedback->set_step(step);
    feedback->set_indices(Encode(samples));
    v1::FloatColumn* reported = feedback->add_values();
    reported->set_name(column);
    reported->set_values(Encode(values));
    ASSERT_OK(run.FoldFeedback(1 + messages_, record));
  }
  float Value(const std::string& column, uint32_t sample) {
    return run.Snapshot({column}).views().at(column)[sample];
  }

  Run run;

 private:
  uint64_t messages_ = 0;
};

TEST(ScoreFoldTest, ForgettingCountsRightAnswersFollowedByWrongOnes) {
  Reporter r(Settings());
  for (const float correct : {0, 1, 0, 1, 1, 0}) r.Report(kCorrectColumn, {3}, {correct});
  r.Report(kCorrectColumn, {4, 4, 5, 5, 5}, {1, 1, 0, 0, 0});
  EXPECT_EQ(sampling::ForgettingRank(r.Value(kForgettingColumn, 3)), 2);
  EXPECT_EQ(sampling::ForgettingRank(r.Value(kForgettingColumn, 4)), 0);
  EXPECT_EQ(sampling::ForgettingRank(r.Value(kForgettingColumn, 5)), 2048);
  EXPECT_TRUE(std::isnan(r.Value(kForgettingColumn, 6)));
  EXPECT_EQ(r.Value(kCorrectColumn, 3), 0);  // as reported last
}

TEST(ScoreFoldTest, ForgettingIsNotCountedTwiceWhereAnImageHasIt) {
  Reporter before(Settings());
  before.Report(kCorrectColumn, {3}, {1});
  before.Report(kCorrectColumn, {3}, {0});
  const std::vector<ModifiedChunk> images = before.run.Modified().at(0).chunks;
  auto scores = std::make_unique<ScoreTable>(100);
  for (const ModifiedChunk& chunk : images) {
    ASSERT_OK(scores->Load(
        chunk.column, chunk.chunk, /*sequence=*/3,
        {reinterpret_cast<const char*>(chunk.values.get()), chunk.size * sizeof(float)}));
  }
  // The log from its start, over images that include its first two messages.
  subset::Run run(Settings(), std::move(scores));
  run.FoldSession(kSession, 1);
  for (uint64_t message = 1; message <= 4; ++message) {
    log::v1::FeedbackReported record;
    record.set_session_id(kSession);
    record.set_sequence(message);
    v1::Feedback* feedback = record.add_feedback();
    feedback->set_indices(Encode<uint32_t>({3}));
    v1::FloatColumn* reported = feedback->add_values();
    reported->set_name(kCorrectColumn);
    reported->set_values(Encode<float>({message % 2 == 1 ? 1.0f : 0.0f}));
    ASSERT_OK(run.FoldFeedback(1 + message, record));
  }
  const RunSnapshot snapshot = run.Snapshot({kForgettingColumn});
  EXPECT_EQ(sampling::ForgettingRank(snapshot.views().at(kForgettingColumn)[3]), 2);
}

TEST(ScoreFoldTest, AColumnIsSmoothedAtItsRate) {
  v1::Run settings = Settings();
  (*settings.mutable_score_ema())["loss"] = 0.25;
  Reporter r(settings);
  r.Report("loss", {1}, {8});
  EXPECT_EQ(r.Value("loss", 1), 8);  // the first value is taken as it is
  r.Report("loss", {1, 1}, {0, 2});
  EXPECT_EQ(r.Value("loss", 1), 5);  // 8 -> 6 -> .75 * 6 + .25 * 2
  r.Report("margin", {1}, {3});
  r.Report("margin", {1}, {4});
  EXPECT_EQ(r.Value("margin", 1), 4);  // not named: the newest
}

TEST(ScoreFoldTest, ReportsAreDatedWhereASamplerRefreshesTheOldest) {
  Reporter r(Settings());
  r.Report("loss", {1}, {1}, std::nullopt, /*step=*/5);
  EXPECT_TRUE(std::isnan(r.Value("loss.step", 1)));  // nobody reads it yet

  auto sampler = std::make_shared<SamplerVersion>();
  sampler->spec.preference.kind = sampling::Preference::Kind::kScorePower;
  sampler->spec.guard.refresh = 0.1;
  auto epoch = std::make_shared<Epoch>();
  epoch->sampler = sampler;
  epoch->opened.set_num_positions(100);
  epoch->opened.set_first_step(40);
  std::vector<Uid> dropped;
  r.run.FoldEpoch(epoch, nullptr, &dropped);
  // Positions 19 and 20 are of the epoch's second and third step, whatever the trainer counts.
  r.Report("loss", {1, 2}, {1, 1}, /*position=*/19, /*step=*/7);
  EXPECT_EQ(r.Value("loss.step", 1), 41);
  EXPECT_EQ(r.Value("loss.step", 2), 42);
  EXPECT_TRUE(std::isnan(r.Value("loss.step", 3)));
  r.Report("loss", {3}, {1}, std::nullopt, /*step=*/7);
  EXPECT_EQ(r.Value("loss.step", 3), 7);
  r.Report("margin", {3}, {1});
  EXPECT_TRUE(std::isnan(r.Value("margin.step", 3)));  // not a score it refreshes
}

TEST(ScoreFoldTest, ARunOfOtherSmoothingIsAnotherRun) {
  TestEngine t;
  ASSERT_OK(t.Import("d", 10, {}));
  ASSERT_OK(t.CreateSampler("d/s", "importance"));
  const auto create = [&t](double rate) {
    v1::CreateRunRequest request;
    request.set_name("r");
    request.set_sampler("d/s");
    request.set_global_batch_size(2);
    if (rate > 0) (*request.mutable_score_ema())["loss"] = rate;
    Pending<absl::StatusOr<v1::Run>> created;
    t.engine->CreateRun(request, created.Callback());
    return created.Wait();
  };
  ASSERT_OK(create(0.5));
  ASSERT_OK_AND_ASSIGN(const v1::Run again, create(0.5));
  EXPECT_EQ(again.score_ema().at("loss"), 0.5);
  EXPECT_THAT(create(0.25), ReasonIs("ALREADY_EXISTS"));
  EXPECT_THAT(create(0), ReasonIs("ALREADY_EXISTS"));
  t.CrashAndReopen();
  EXPECT_EQ(t.GetRun("r")->score_ema().at("loss"), 0.5);
}

}  // namespace
}  // namespace subset
