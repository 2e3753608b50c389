// The calls about runs.

#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

class RunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(t.ImportLabels("d", 100));
    ASSERT_OK(t.CreateSampler("d/u", "uniform"));
    ASSERT_OK(t.CreateSampler("d/i", "importance"));
  }
  absl::StatusOr<v1::Run> Create(const v1::CreateRunRequest& request) {
    Pending<absl::StatusOr<v1::Run>> created;
    t.engine->CreateRun(request, created.Callback());
    return created.Wait();
  }
  TestEngine t;
};

TEST_F(RunTest, TheSameSettingsReturnTheSameRun) {
  ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun("r", "d/u", 10, true, 3));
  EXPECT_EQ(run.sampler(), "d/u");
  EXPECT_EQ(run.num_samples(), 100u);
  EXPECT_EQ(run.feedback_timeout().seconds(), 60);
  EXPECT_EQ(run.score_version().incarnation(), 1u);
  EXPECT_EQ(run.score_version().records(), 0u);
  EXPECT_EQ(t.CreateRun("r", "d/u", 10, true, 3)->SerializeAsString(), run.SerializeAsString());
  EXPECT_EQ(t.GetRun("r")->SerializeAsString(), run.SerializeAsString());
  EXPECT_THAT(t.CreateRun("r", "d/u", 11, true, 3),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       ::testing::AllOf(HasSubstr("global_batch_size 10"),
                                        HasSubstr("global_batch_size 11"))));
  EXPECT_THAT(t.CreateRun("r", "d/u", 10, false, 3), ReasonIs("ALREADY_EXISTS"));
  EXPECT_THAT(t.CreateRun("r", "d/u", 10, true, 4), ReasonIs("ALREADY_EXISTS"));
  EXPECT_THAT(t.CreateRun("r", "d/i", 10, true, 3), ReasonIs("ALREADY_EXISTS"));
}

TEST_F(RunTest, BadSettingsNameTheField) {
  EXPECT_THAT(t.CreateRun("R", "d/u", 10), FieldIs("name"));
  EXPECT_THAT(t.CreateRun("r", "d/u", 0), FieldIs("global_batch_size"));
  EXPECT_THAT(t.CreateRun("r", "d/u", 65537), FieldIs("global_batch_size"));
  EXPECT_THAT(t.CreateRun("r", "d", 10), FieldIs("sampler"));
  EXPECT_THAT(t.CreateRun("r", "d/x", 10),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean")));
  v1::CreateRunRequest request;
  request.set_name("r");
  request.set_sampler("d/u");
  request.set_global_batch_size(10);
  for (const int64_t seconds : {int64_t{-1}, int64_t{86401}, INT64_MAX}) {
    request.mutable_feedback_timeout()->set_seconds(seconds);
    EXPECT_THAT(Create(request), FieldIs("feedback_timeout")) << seconds;
  }
  request.mutable_feedback_timeout()->set_seconds(86400);
  request.mutable_feedback_timeout()->set_nanos(1000);
  EXPECT_THAT(Create(request), FieldIs("feedback_timeout"));
  request.mutable_feedback_timeout()->set_nanos(0);
  EXPECT_OK(Create(request));
  EXPECT_EQ(t.engine->ListRuns({})->runs_size(), 1);
}

TEST_F(RunTest, ATimeoutOfZeroOpensAtOnce) {
  v1::CreateRunRequest request;
  request.set_name("r");
  request.set_sampler("d/i");
  request.set_global_batch_size(10);
  request.mutable_feedback_timeout();
  ASSERT_OK_AND_ASSIGN(const v1::Run run, Create(request));
  EXPECT_EQ(t.OpenEpoch(run.uid(), 0)->opened(), v1::Epoch::FIRST);
  EXPECT_EQ(t.OpenEpoch(run.uid(), 1)->opened(), v1::Epoch::TIMEOUT);
}

TEST_F(RunTest, ListsThoseOfADataset) {
  ASSERT_OK(t.Import("e", 10, {}));
  ASSERT_OK(t.CreateSampler("e/u", "uniform"));
  ASSERT_OK(t.CreateRun("b", "d/u", 10));
  ASSERT_OK(t.CreateRun("a", "e/u", 10));
  v1::ListRunsRequest request;
  EXPECT_EQ(t.engine->ListRuns(request)->runs(0).name(), "a");
  request.set_dataset("d");
  ASSERT_EQ(t.engine->ListRuns(request)->runs_size(), 1);
  EXPECT_EQ(t.engine->ListRuns(request)->runs(0).name(), "b");
  request.set_dataset("none");
  EXPECT_EQ(t.engine->ListRuns(request)->runs_size(), 0);
  request.set_dataset("NONE");
  EXPECT_THAT(t.engine->ListRuns(request).status(), FieldIs("dataset"));
  request.clear_dataset();
  request.set_page_token("?");
  EXPECT_THAT(t.engine->ListRuns(request).status(), FieldIs("page_token"));
}

TEST_F(RunTest, DeletedRunsAreGoneWithTheirImages) {
  ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun("r", "d/i", 10));
  ASSERT_OK_AND_ASSIGN(const uint64_t session, t.OpenSession(run.uid()));
  ASSERT_OK(t.Report(Losses(run.uid(), session, 1, 0, std::nullopt, {1, 2}, {1, 2})));
  ASSERT_OK(t.OpenEpoch(run.uid(), 0));
  ASSERT_OK(t.engine->FoldNow());
  ASSERT_OK(t.DeleteRun("r"));
  EXPECT_THAT(t.DeleteRun("r"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(t.GetRun("r"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(t.OpenSession(run.uid()), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(t.Report(Losses(run.uid(), session, 2, 0, std::nullopt, {1}, {1})),
              StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(t.engine->FoldNow());
  for (const auto& [name, bytes] : t.disk.images()) {
    EXPECT_TRUE(name.substr(0, 7) == "import/" || name.substr(0, 7) == "catalog") << name;
  }
  // A new run of that name starts afresh.
  ASSERT_OK_AND_ASSIGN(const v1::Run fresh, t.CreateRun("r", "d/i", 10));
  EXPECT_NE(fresh.uid(), run.uid());
  EXPECT_EQ(fresh.scored_samples(), 0u);
}

// The memory of the dataset's columns and strata, once the planner has done what it was told so
// far.
uint64_t BytesWhenIdle(TestEngine& t) {
  v1::SamplerSpec spec;
  v1::Predicate& predicate = *spec.mutable_eligible()->add_all();
  predicate.set_column("label");
  predicate.mutable_in()->add_values(1);
  EXPECT_OK(t.CreateSampler("d/filter", spec));  // checked on the planner's thread
  return t.engine->Stats().datasets.at(0).bytes;
}

TEST_F(RunTest, StrataAreReadyBeforeTheFirstEpochIsAskedFor) {
  constexpr uint64_t kStrata = 100 * sizeof(uint32_t);
  v1::SamplerSpec balanced;
  balanced.mutable_proportion()->set_column("label");
  balanced.mutable_proportion()->set_kind(v1::Proportion::EQUAL);
  ASSERT_OK(t.CreateRun("r", "d/u", 10));
  const uint64_t before = BytesWhenIdle(t);
  v1::UpdateSamplerRequest update;  // for the run that there is
  update.set_name("d/u");
  *update.mutable_spec() = balanced;
  Pending<absl::StatusOr<v1::Sampler>> updated;
  t.engine->UpdateSampler(update, updated.Callback());
  ASSERT_OK(updated.Wait());
  EXPECT_EQ(BytesWhenIdle(t), before + kStrata);

  t.Reopen();
  ASSERT_OK(t.DeleteRun("r"));
  EXPECT_EQ(BytesWhenIdle(t), before);
  ASSERT_OK(t.CreateRun("new", "d/u", 10));
  EXPECT_EQ(BytesWhenIdle(t), before + kStrata);
}

TEST_F(RunTest, MemoryIsEstimatedBeforeItIsTaken) {
  t.options.max_memory_bytes = 700;  // 100 of labels; a run driven by scores needs 400 + 230
  t.Reopen();
  EXPECT_OK(t.CreateRun("u", "d/u", 10));
  EXPECT_THAT(t.CreateRun("i", "d/i", 10),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("needs 630 bytes")));
}

}  // namespace
}  // namespace subset
