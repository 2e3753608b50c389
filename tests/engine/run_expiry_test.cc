// A run's time to live.

#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

class RunExpiryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(t.ImportLabels("d", 100));
    ASSERT_OK(t.CreateSampler("d/u", "uniform"));
  }
  absl::StatusOr<v1::Run> Create(const std::string& name, int64_t seconds) {
    v1::CreateRunRequest request;
    request.set_name(name);
    request.set_sampler("d/u");
    request.set_global_batch_size(10);
    request.mutable_time_to_live()->set_seconds(seconds);
    Pending<absl::StatusOr<v1::Run>> created;
    t.engine->CreateRun(request, created.Callback());
    return created.Wait();
  }
  // The engine's own thread may have come first.
  bool Expires(const std::string& name) {
    t.engine->ExpireIdleRuns();
    EXPECT_OK(t.CreateSampler(absl::StrCat("d/s", ++barriers), "uniform"));  // the log in between
    return !t.GetRun(name).ok();
  }

  TestEngine t;
  int barriers = 0;
};

TEST_F(RunExpiryTest, AnIdleRunGoesAndOneThatIsUsedStays) {
  ASSERT_OK(Create("idle", 60));
  ASSERT_OK_AND_ASSIGN(const v1::Run used, Create("used", 60));
  EXPECT_EQ(used.time_to_live().seconds(), 60);
  ASSERT_OK(t.CreateRun("for-ever", "d/u", 10));
  t.clock.Advance(absl::Seconds(59));
  EXPECT_FALSE(Expires("idle"));
  ASSERT_OK(t.GetStep(used.uid(), 0, 0));
  t.clock.Advance(absl::Seconds(1));
  EXPECT_TRUE(Expires("idle"));
  EXPECT_OK(t.GetRun("used"));
  t.clock.Advance(absl::Hours(1000));
  EXPECT_TRUE(Expires("used"));
  EXPECT_OK(t.GetRun("for-ever"));
  t.CrashAndReopen();
  EXPECT_THAT(t.GetRun("idle"), StatusIs(absl::StatusCode::kNotFound)) << "the record is logged";
}

TEST_F(RunExpiryTest, ARestartStartsTheTimeAnew) {
  ASSERT_OK(Create("r", 60));
  t.clock.Advance(absl::Seconds(59));
  t.Reopen();
  EXPECT_FALSE(Expires("r"));
  t.clock.Advance(absl::Seconds(59));
  EXPECT_FALSE(Expires("r"));
  t.clock.Advance(absl::Seconds(1));
  EXPECT_TRUE(Expires("r"));
}

TEST_F(RunExpiryTest, RefusesTimesOutOfBounds) {
  for (const int64_t seconds : {int64_t{-1}, int64_t{0}, int64_t{3650} * 24 * 3600}) {
    EXPECT_THAT(Create("r", seconds), FieldIs("time_to_live")) << seconds;
  }
}

}  // namespace
}  // namespace subset
