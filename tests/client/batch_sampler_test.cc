#include "subset/batch_sampler.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cpp/uniform_batch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "subset/client.h"
#include "tests/client/fake_server.h"
#include "tests/client/fake_timing.h"
#include "tests/testing/status_matchers.h"

namespace subset {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Lt;
using ::testing::Not;

const grpc::Status kDown(grpc::StatusCode::UNAVAILABLE, "going down");
const std::vector<grpc::Status> kAway(10'000, kDown);

// Epochs and steps of batches; -1 where null came.
using Steps = std::vector<std::pair<int64_t, int64_t>>;
constexpr std::pair<int64_t, int64_t> kEnd(-1, -1);

class BatchSamplerTest : public ::testing::Test {
 protected:
  BatchSamplerTest() {
    ClientOptions options;
    options.timing = &timing_;
    client_ = *Client::Connect(server_.address(), options);
    v1::CreateSamplerRequest sampler;
    sampler.set_name("d/s");
    EXPECT_OK(client_->CreateSampler(sampler));
    v1::CreateRunRequest run;
    run.set_name("r");
    run.set_sampler("d/s");
    run.set_seed(5);
    run.set_global_batch_size(4);  // the fake's epochs have 20 positions
    run_ = *client_->CreateRun(run);
  }

  std::unique_ptr<BatchSampler> Make(OnOutage on_outage = OnOutage::kWait) {
    BatchSamplerOptions options;
    options.on_outage = on_outage;
    return Make(options);
  }
  std::unique_ptr<BatchSampler> Make(const BatchSamplerOptions& options) {
    auto sampler = client_->MakeBatchSampler(run_, options);
    EXPECT_OK(sampler);
    return *std::move(sampler);
  }

  static Steps Take(BatchSampler& batches, int count) {
    Steps steps;
    for (int i = 0; i < count; ++i) {
      const auto batch = batches.Next();
      if (!batch.ok()) {
        ADD_FAILURE() << batch.status();
        return steps;
      }
      steps.push_back(*batch == nullptr
                          ? kEnd
                          : std::pair<int64_t, int64_t>((*batch)->epoch(), (*batch)->step()));
    }
    return steps;
  }

  FakeServer server_;
  FakeTiming timing_;
  std::unique_ptr<Client> client_;
  v1::Run run_;
};

TEST_F(BatchSamplerTest, EpochsFollowEachOther) {
  const auto batches = Make();
  EXPECT_THAT(server_.calls(), Not(Contains("OpenEpoch"))) << "nothing is asked yet";
  EXPECT_EQ(Take(*batches, 13), (Steps{{0, 0},
                                       {0, 1},
                                       {0, 2},
                                       {0, 3},
                                       {0, 4},
                                       kEnd,
                                       {1, 0},
                                       {1, 1},
                                       {1, 2},
                                       {1, 3},
                                       {1, 4},
                                       kEnd,
                                       {2, 0}}));
}

TEST_F(BatchSamplerTest, SetEpochKeepsTheStepOfTheEpochUnderWay) {
  const auto batches = Make();
  batches->SetEpoch(0);
  Take(*batches, 2);
  batches->SetEpoch(0);
  EXPECT_EQ(Take(*batches, 1), (Steps{{0, 2}}));
  batches->SetEpoch(7);
  EXPECT_EQ(batches->epoch(), 7u);
  EXPECT_EQ(Take(*batches, 2), (Steps{{7, 0}, {7, 1}}));
}

TEST_F(BatchSamplerTest, AStateIsRightAtEveryBatchWhateverIsAskedAhead) {
  for (int stop = 0; stop <= 12; ++stop) {
    const auto batches = Make();
    Take(*batches, stop);
    const std::string state = batches->State();
    const auto resumed = Make();
    ASSERT_OK(resumed->LoadState(state));
    EXPECT_EQ(resumed->State(), state);
    EXPECT_EQ(resumed->epoch(), batches->epoch());
    // The same, but that an epoch which is over ends at once.
    Steps expected = Take(*batches, 8);
    if (expected.front() == kEnd) expected.erase(expected.begin());
    EXPECT_EQ(Take(*resumed, static_cast<int>(expected.size())), expected) << "after " << stop;
  }
}

TEST_F(BatchSamplerTest, AStateAfterAnEarlierBatchIsThatBatchs) {
  const auto batches = Make();
  std::vector<std::pair<BatchView, std::string>> given;
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, batches->Next());
    given.emplace_back(*batch, batches->State());
  }
  for (const auto& [batch, state] : given) EXPECT_EQ(batches->State(batch), state);
  EXPECT_THAT(given.back().second, HasSubstr("\"epoch\":1"));
}

TEST_F(BatchSamplerTest, AStateAsksNobody) {
  const auto batches = Make();
  Take(*batches, 2);
  const auto calls = server_.calls();
  ASSERT_OK(batches->LoadState(batches->State()));
  EXPECT_EQ(server_.calls(), calls);
}

TEST_F(BatchSamplerTest, ARefusedStateChangesNothing) {
  const auto batches = Make();
  Take(*batches, 2);
  v1::Run other = run_;
  other.set_seed(6);
  EXPECT_THAT(batches->LoadState(MakeState(other, {0, 4})),
              AllOf(StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("seed 6, this run 5")),
                    FieldIs("state")));
  EXPECT_EQ(Take(*batches, 1), (Steps{{0, 2}}));
}

TEST_F(BatchSamplerTest, APlaceAtTheEndGoesOnWithTheNextEpochAndOnePastItIsRefused) {
  const auto batches = Make();
  ASSERT_OK(batches->LoadState(MakeState(run_, {3, 5})));
  EXPECT_EQ(Take(*batches, 1), (Steps{{4, 0}}));
  ASSERT_OK(batches->LoadState(MakeState(run_, {3, 6})));
  EXPECT_THAT(batches->Next(), StatusIs(absl::StatusCode::kOutOfRange,
                                        HasSubstr("step 6 is past epoch 3, which has 5")));
  batches->SetEpoch(4);
  EXPECT_EQ(Take(*batches, 1), (Steps{{4, 0}}));
}

TEST_F(BatchSamplerTest, WaitTriesForEightMinutesAndThenTheSameBatchesFollow) {
  const auto batches = Make();
  server_.EndStream(2, kDown);
  EXPECT_EQ(Take(*batches, 2), (Steps{{0, 0}, {0, 1}}));
  server_.FailNext(kAway);
  const absl::Duration before = timing_.Monotonic();
  EXPECT_THAT(batches->Next(), StatusIs(absl::StatusCode::kUnavailable, "going down"));
  EXPECT_THAT(timing_.Monotonic() - before,
              AllOf(Gt(absl::Minutes(8) - absl::Seconds(1)), Lt(absl::Minutes(8))));
  server_.FailNext({});
  EXPECT_EQ(Take(*batches, 4), (Steps{{0, 2}, {0, 3}, {0, 4}, kEnd}));
  EXPECT_EQ(batches->fallback_batches(), 0u);
}

TEST_F(BatchSamplerTest, RaiseGivesUpAtOnceAndCanBeAskedAgain) {
  const auto batches = Make(OnOutage::kRaise);
  server_.EndStream(1, kDown);
  EXPECT_EQ(Take(*batches, 1), (Steps{{0, 0}}));
  EXPECT_THAT(batches->Next(), StatusIs(absl::StatusCode::kUnavailable, "going down"));
  EXPECT_THAT(timing_.sleeps(), IsEmpty());
  EXPECT_EQ(Take(*batches, 1), (Steps{{0, 1}}));
}

TEST_F(BatchSamplerTest, UniformFillsInFlaggedAndCountedUntilTheServerIsBack) {
  const auto batches = Make(OnOutage::kUniform);
  server_.EndStream(1, kDown);
  EXPECT_EQ(Take(*batches, 1), (Steps{{0, 0}}));
  server_.FailNext(kAway);
  v1::Epoch epoch;
  epoch.set_num_positions(20);
  std::vector<absl::Duration> times = {timing_.Monotonic()};
  for (uint64_t step : {1, 2, 3}) {
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, batches->Next());
    BatchView expected;
    ASSERT_OK(expected.Decode(client_internal::UniformBatch(run_, epoch, step, 0, 1)));
    EXPECT_TRUE(batch->fallback());
    EXPECT_EQ(batch->step(), step);
    EXPECT_EQ(batch->indices(), expected.indices());
    times.push_back(timing_.Monotonic());
  }
  // Its patience, a look at a server that seems to be back, and then no look for a while.
  EXPECT_THAT(times[1] - times[0], AllOf(Gt(absl::Seconds(9)), Lt(absl::Seconds(10))));
  EXPECT_THAT(times[2] - times[1], AllOf(Gt(absl::ZeroDuration()), Lt(absl::Seconds(1))));
  EXPECT_EQ(times[3], times[2]);
  server_.FailNext({});
  timing_.Advance(absl::Seconds(5));
  ASSERT_OK_AND_ASSIGN(const BatchView* batch, batches->Next());
  EXPECT_FALSE(batch->fallback());
  EXPECT_EQ(batch->step(), 4u);
  EXPECT_EQ(batches->fallback_batches(), 3u);
  EXPECT_EQ(Take(*batches, 1), (Steps{kEnd}));
}

TEST_F(BatchSamplerTest, AnEpochThatEndsWithUniformBatchesIsOver) {
  const auto batches = Make(OnOutage::kUniform);
  server_.EndStream(3, kDown);
  EXPECT_EQ(Take(*batches, 3), (Steps{{0, 0}, {0, 1}, {0, 2}}));
  server_.FailNext(kAway);
  EXPECT_EQ(Take(*batches, 2), (Steps{{0, 3}, {0, 4}}));
  EXPECT_EQ(batches->epoch(), 1u);
  EXPECT_EQ(Take(*batches, 1), (Steps{kEnd}));
  EXPECT_EQ(batches->fallback_batches(), 2u);
}

TEST_F(BatchSamplerTest, RanksDecideTogetherForAsManyStepsAsAreInFlight) {
  std::vector<bool> mine, all = {true, false, true};
  BatchSamplerOptions options;
  options.rank = 1;
  options.world_size = 2;
  options.in_flight = 2;
  options.on_outage = OnOutage::kUniform;
  options.agree = [&](bool arrived) {
    mine.push_back(arrived);
    return static_cast<bool>(all[mine.size() - 1]);
  };
  const auto batches = Make(options);
  std::vector<bool> local;
  for (int step = 0; step < 5; ++step) {
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, batches->Next());
    EXPECT_EQ(batch->step(), static_cast<uint64_t>(step));
    local.push_back(batch->fallback());
  }
  EXPECT_THAT(mine, Each(true)) << "it was another rank's server that was away";
  EXPECT_THAT(local, ElementsAre(false, false, true, true, false));
  EXPECT_THAT(batches->Next(), IsOkAndHolds(nullptr));
}

TEST_F(BatchSamplerTest, ABlockThatDidNotArriveWholeIsDrawnHereWhole) {
  std::vector<bool> mine;
  BatchSamplerOptions options;
  options.world_size = 2;
  options.in_flight = 4;
  options.on_outage = OnOutage::kUniform;
  options.agree = [&](bool arrived) {
    mine.push_back(arrived);
    return arrived;
  };
  const auto batches = Make(options);
  server_.EndStream(3, kDown);
  for (int i = 0; i < 1000; ++i) server_.EndStream(0, kDown);
  for (int step = 0; step < 5; ++step) {
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, batches->Next());
    EXPECT_TRUE(batch->fallback()) << step;
  }
  EXPECT_THAT(mine, ElementsAre(false, false));
}

TEST_F(BatchSamplerTest, AnErrorThatIsNoOutageIsNoReasonForUniformBatches) {
  const auto batches = Make(OnOutage::kUniform);
  Take(*batches, 1);
  ASSERT_OK(batches->LoadState(batches->State()));  // a new stream follows
  server_.EndStream(1, grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "epoch is gone"));
  EXPECT_EQ(Take(*batches, 1), (Steps{{0, 1}}));
  EXPECT_THAT(batches->Next(), StatusIs(absl::StatusCode::kFailedPrecondition, "epoch is gone"));
  EXPECT_EQ(Take(*batches, 1), (Steps{{0, 2}})) << "and it can be asked again";
}

TEST_F(BatchSamplerTest, UniformRefusesASamplerThatLeavesSamplesOut) {
  v1::UpdateSamplerRequest restricted;
  restricted.set_name("d/s");
  restricted.mutable_spec()->mutable_eligible()->add_all();
  ASSERT_OK(client_->UpdateSampler(restricted));
  EXPECT_THAT(Make(OnOutage::kUniform)->Next(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("eligible")));
  EXPECT_OK(Make(OnOutage::kWait)->Next());
}

TEST_F(BatchSamplerTest, LossesOfUniformBatchesAcknowledgeNothing) {
  BatchView batch;
  v1::Epoch epoch;
  epoch.set_num_positions(20);
  ASSERT_OK(batch.Decode(client_internal::UniformBatch(run_, epoch, 1, 0, 1)));
  ASSERT_OK_AND_ASSIGN(const v1::Feedback feedback,
                       LossFeedback(batch, 1, std::vector<float>(4, 0.5f)));
  EXPECT_FALSE(feedback.has_position());
  EXPECT_FALSE(feedback.has_generation());
  EXPECT_EQ(feedback.indices().size(), 16u);
}

TEST_F(BatchSamplerTest, BadOptionsAreRefusedByName) {
  const auto refused = [&](void (*change)(BatchSamplerOptions&)) {
    BatchSamplerOptions options;
    options.on_outage = OnOutage::kUniform;
    change(options);
    return client_->MakeBatchSampler(run_, options).status();
  };
  const auto is = [](const std::string& field, const std::string& message) {
    return AllOf(StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)), FieldIs(field));
  };
  EXPECT_THAT(refused([](auto& o) { o.rank = 3; }), is("rank", "3 is outside [0, world_size 1)"));
  EXPECT_THAT(refused([](auto& o) { o.world_size = 0; }), is("rank", "world_size 0"));
  EXPECT_THAT(refused([](auto& o) { o.in_flight = 0; }), is("in_flight", "0 is outside [1, 1024]"));
  EXPECT_THAT(refused([](auto& o) { o.in_flight = 1025; }), is("in_flight", "1025"));
  EXPECT_THAT(refused([](auto& o) { o.patience = -absl::Seconds(1); }), is("patience", "-1s"));
  EXPECT_THAT(refused([](auto& o) { o.patience = absl::ZeroDuration(); }), is("patience", "0"));
  EXPECT_THAT(refused([](auto& o) { o.world_size = 2; }), is("agree", "2 ranks"));
  EXPECT_THAT(client_->MakeBatchSampler(v1::Run()), is("run", "no uid"));
  EXPECT_THAT(server_.calls(), ElementsAre("CreateSampler", "CreateRun"));
}

}  // namespace
}  // namespace subset
