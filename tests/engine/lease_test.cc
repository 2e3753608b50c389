// Leased delivery: who gets which block, and what becomes of it.

#include <algorithm>
#include <set>

#include "engine/epoch_accounts.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

class LeaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(t.ImportLabels("d", 100));
    ASSERT_OK(t.CreateSampler("d/u", "uniform"));
    ASSERT_OK_AND_ASSIGN(run, t.CreateRun("r", "d/u", 30));
  }
  v1::Batch Acquire(const std::string& worker, uint64_t epoch = 0) {
    const auto batch = t.Acquire(run.uid(), epoch, worker);
    EXPECT_OK(batch);
    return batch.ok() ? *batch : v1::Batch();
  }
  v1::AcknowledgeRequest Done(const v1::Batch& batch, const std::string& worker,
                              const std::string& failed = "") {
    return Acknowledgement(run.uid(), batch, worker, failed);
  }
  v1::Epoch Epoch(uint64_t number = 0) {
    const auto described = t.GetRun("r");
    for (const v1::Epoch& epoch : described->epochs()) {
      if (epoch.epoch() == number) return epoch;
    }
    return {};
  }
  LeaseStats Stats() { return t.engine->Stats().runs.at(0).leases; }
  // Everything up to the end, acknowledged by one worker; how many batches that were.
  int Finish(uint64_t epoch = 0) {
    for (int batches = 0;; ++batches) {
      const auto batch = t.Acquire(run.uid(), epoch, "finisher");
      if (!batch.ok()) {
        EXPECT_THAT(batch, ReasonIs("EPOCH_END"));
        return batches;
      }
      EXPECT_FALSE(batch->has_retry_after());
      EXPECT_OK(t.Acknowledge(Done(*batch, "finisher")));
    }
  }

  TestEngine t;
  v1::Run run;
};

TEST_F(LeaseTest, BlocksGoToWhoeverAsksInOrderAndTheLastIsShort) {
  std::vector<uint32_t> indices;
  for (int i = 0; i < 4; ++i) {
    const v1::Batch batch = Acquire(i % 2 == 0 ? "a" : "b");
    EXPECT_EQ(batch.position(), i * 30u);
    EXPECT_EQ(batch.attempt(), 1u);
    EXPECT_EQ(batch.lease().id(), i + 1u);
    EXPECT_EQ(batch.lease().run_uid(), run.uid());
    EXPECT_EQ(batch.lease().incarnation(), 1u);
    EXPECT_EQ(batch.lease().expires_in().seconds(), 10);
    const std::vector<uint32_t> block = Decode<uint32_t>(batch.indices());
    EXPECT_EQ(block.size(), i == 3 ? 10u : 30u);
    EXPECT_EQ(batch.global_samples(), block.size());
    indices.insert(indices.end(), block.begin(), block.end());
  }
  EXPECT_EQ(indices, t.EpochIndices(run.uid(), 0)) << "the epoch's own order";
  EXPECT_EQ(Epoch().leased_positions(), 100u);
  EXPECT_EQ(Stats().active, 4u);
}

TEST_F(LeaseTest, DropLastLeavesOutTheShortBlock) {
  ASSERT_OK_AND_ASSIGN(run, t.CreateRun("short", "d/u", 30, /*drop_last=*/true));
  EXPECT_EQ(Finish(), 3);
}

TEST_F(LeaseTest, AFreshBlockHasTheSizeAskedFor) {
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.Acquire(run.uid(), 0, "a", 7));
  EXPECT_EQ(batch.indices().size(), 7 * sizeof(uint32_t));
  EXPECT_EQ(Acquire("a").position(), 7u);
}

TEST_F(LeaseTest, AnEpochEndsWhenAllIsAcknowledged) {
  std::vector<v1::Batch> batches;
  for (int i = 0; i < 4; ++i) batches.push_back(Acquire("a"));
  ASSERT_OK_AND_ASSIGN(const v1::Batch nothing, t.Acquire(run.uid(), 0, "b"));
  EXPECT_TRUE(nothing.has_retry_after()) << "all is with others";
  EXPECT_EQ(nothing.retry_after().seconds(), 1);
  EXPECT_FALSE(nothing.has_lease());
  EXPECT_TRUE(nothing.indices().empty());
  for (const v1::Batch& batch : batches) ASSERT_OK(t.Acknowledge(Done(batch, "a")));
  EXPECT_EQ(Epoch().acknowledged_positions(), 100u);
  EXPECT_EQ(Epoch().leased_positions(), 0u);
  EXPECT_THAT(t.Acquire(run.uid(), 0, "b"), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(t.Acquire(run.uid(), 0, "b"), ReasonIs("EPOCH_END"));
  EXPECT_EQ(Finish(1), 4) << "the next epoch opens";
}

TEST_F(LeaseTest, AnExpiredBlockIsDeliveredAgainWhole) {
  const v1::Batch first = Acquire("a");
  t.clock.Advance(absl::Seconds(9));
  EXPECT_EQ(Acquire("b").position(), 30u);
  t.clock.Advance(absl::Seconds(1));
  ASSERT_OK_AND_ASSIGN(const v1::Batch again, t.Acquire(run.uid(), 0, "c", 5));
  EXPECT_EQ(again.position(), 0u);
  EXPECT_EQ(again.indices(), first.indices()) << "whatever size is asked for";
  EXPECT_EQ(again.attempt(), 2u);
  EXPECT_NE(again.lease().id(), first.lease().id());
  EXPECT_EQ(Stats().expired, 1u);
  EXPECT_EQ(Stats().redelivered_samples, 30u);
  EXPECT_THAT(t.Acknowledge(Done(first, "a")), ReasonIs("LEASE_EXPIRED"));
  ASSERT_OK_AND_ASSIGN(const auto reply, t.Acknowledge(Done(again, "c")));
  EXPECT_EQ(reply.acknowledged_positions(), 30u);
  ASSERT_OK_AND_ASSIGN(const auto stale, t.Acknowledge(Done(first, "a")));
  EXPECT_TRUE(stale.duplicate()) << "delivered again and done";
  EXPECT_EQ(Epoch().acknowledged_positions(), 30u);
}

TEST_F(LeaseTest, ALateAcknowledgementCountsWhileNobodyElseHasTheBlock) {
  const v1::Batch batch = Acquire("a");
  t.clock.Advance(absl::Minutes(1));
  EXPECT_EQ(Stats().expired, 1u);
  EXPECT_EQ(Stats().active, 0u);
  ASSERT_OK_AND_ASSIGN(const auto reply, t.Acknowledge(Done(batch, "a")));
  EXPECT_FALSE(reply.duplicate());
  EXPECT_EQ(Stats().late_acknowledgements, 1u);
  EXPECT_EQ(Acquire("b").position(), 30u) << "the block is not delivered again";
}

TEST_F(LeaseTest, RenewalKeepsABlock) {
  const v1::Batch batch = Acquire("a");
  for (int i = 0; i < 5; ++i) {
    t.clock.Advance(absl::Seconds(6));
    ASSERT_OK_AND_ASSIGN(const auto renewed, t.Renew(run.uid(), "a", {batch.lease()}));
    EXPECT_EQ(renewed.lost_size(), 0);
    EXPECT_EQ(renewed.expires_in().seconds(), 10);
  }
  EXPECT_EQ(Stats().expired, 0u);
  EXPECT_EQ(Acquire("b").position(), 30u);
}

TEST_F(LeaseTest, RenewalBringsAnExpiredLeaseBackOrSaysItIsLost) {
  const v1::Batch a = Acquire("a"), b = Acquire("a"), c = Acquire("a");
  ASSERT_OK(t.Acknowledge(Done(c, "a")));
  t.clock.Advance(absl::Minutes(1));
  EXPECT_EQ(Stats().expired, 2u);
  EXPECT_EQ(Acquire("thief").position(), 0u);
  ASSERT_OK_AND_ASSIGN(const auto renewed,
                       t.Renew(run.uid(), "a", {a.lease(), b.lease(), c.lease()}));
  ASSERT_EQ(renewed.lost_size(), 2);
  EXPECT_EQ(renewed.lost(0).id(), a.lease().id());
  EXPECT_EQ(renewed.lost(1).id(), c.lease().id());
  EXPECT_EQ(Acquire("b").position(), 90u) << "b's block is held again";
}

TEST_F(LeaseTest, TwoWorkersOfOneNameHaveLeasesOfTheirOwn) {
  const v1::Batch one = Acquire("same"), two = Acquire("same");
  EXPECT_NE(one.position(), two.position());
  EXPECT_NE(one.lease().id(), two.lease().id());
  ASSERT_OK(t.Acknowledge(Done(two, "same")));
  t.clock.Advance(absl::Minutes(1));
  EXPECT_EQ(Acquire("same").position(), one.position()) << "one died, two did not";
}

TEST_F(LeaseTest, FeedbackWithTheLeaseAcknowledgesItsBlock) {
  ASSERT_OK_AND_ASSIGN(const uint64_t session, t.OpenSession(run.uid()));
  const v1::Batch batch = Acquire("a");
  v1::ReportFeedbackRequest report =
      Losses(run.uid(), session, 1, 0, batch.position(), Decode<uint32_t>(batch.indices()),
             std::vector<float>(30, 1.0f));
  *report.mutable_feedback(0)->mutable_lease() = batch.lease();
  report.mutable_feedback(0)->set_worker("a");
  EXPECT_EQ(t.Report(report)->applied_items(), 30u);
  EXPECT_EQ(Stats().active, 0u);
  EXPECT_TRUE(t.Report(report)->duplicate()) << "a retry, its lease long gone";
  report.set_sequence(2);
  EXPECT_EQ(t.Report(report)->already_acknowledged_items(), 30u);
}

TEST_F(LeaseTest, APartAcknowledgedIsNotDeliveredAgain) {
  const v1::Batch batch = Acquire("a");
  v1::AcknowledgeRequest part = Done(batch, "a");
  part.mutable_acknowledgements(0)->set_position(10);
  part.mutable_acknowledgements(0)->set_num_positions(5);
  ASSERT_OK(t.Acknowledge(part));
  EXPECT_EQ(Epoch().leased_positions(), 25u);
  t.clock.Advance(absl::Minutes(1));
  const v1::Batch before = Acquire("b"), after = Acquire("b");
  EXPECT_EQ(before.indices().size(), 10 * sizeof(uint32_t));
  EXPECT_EQ(after.position(), 15u);
  EXPECT_EQ(after.attempt(), 2u);
  EXPECT_THAT(t.Acknowledge(Done(batch, "a")), ReasonIs("LEASE_EXPIRED"));
  ASSERT_OK(t.Acknowledge(Done(before, "b")));
  ASSERT_OK(t.Acknowledge(Done(after, "b")));
  EXPECT_EQ(Finish(), 3);
}

TEST_F(LeaseTest, AFailedPartIsDeliveredAgainAloneAndParkedAfterFiveFailures) {
  v1::Batch batch = Acquire("a");
  v1::AcknowledgeRequest failed = Done(batch, "a", "corrupt file");
  failed.mutable_acknowledgements(0)->set_position(3);
  failed.mutable_acknowledgements(0)->set_num_positions(1);
  ASSERT_OK_AND_ASSIGN(auto reply, t.Acknowledge(failed));
  EXPECT_EQ(reply.failed_positions(), 1u);
  EXPECT_TRUE(t.Acknowledge(failed)->duplicate()) << "a repeat is counted once";
  for (uint32_t failures = 2; failures <= kMaxAttempts; ++failures) {
    batch = Acquire("b");
    ASSERT_EQ(batch.position(), 3u);
    ASSERT_EQ(batch.indices().size(), sizeof(uint32_t));
    EXPECT_EQ(batch.attempt(), failures);
    ASSERT_OK_AND_ASSIGN(reply, t.Acknowledge(Done(batch, "b", "corrupt file")));
    EXPECT_EQ(reply.parked_positions(), failures == kMaxAttempts ? 1u : 0u);
  }
  EXPECT_EQ(Epoch().parked_positions(), 1u);
  EXPECT_EQ(t.engine->Stats().runs.at(0).parked_blocks, 1u);
  ASSERT_OK_AND_ASSIGN(const auto list, t.ListLeases(run.uid(), 0));
  ASSERT_EQ(list.parked_size(), 1);
  EXPECT_EQ(list.parked(0).reason(), "corrupt file");
  EXPECT_EQ(list.parked(0).worker(), "b");
  EXPECT_EQ(list.parked(0).failures(), kMaxAttempts);
  EXPECT_EQ(list.num_leased(), 1u) << "the rest of the first block";

  t.clock.Advance(absl::Minutes(1));
  EXPECT_EQ(Finish(), 5) << "two parts of the first block, three others";
  EXPECT_EQ(Epoch().acknowledged_positions(), 99u);
  EXPECT_THAT(t.Acquire(run.uid(), 0, "a"),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("but for 1 parked")));
}

TEST_F(LeaseTest, AReleasedBlockIsDeliveredAgain) {
  for (uint32_t i = 0; i < kMaxAttempts; ++i) {
    ASSERT_OK(t.Acknowledge(Done(Acquire("a"), "a", "out of memory")));
  }
  EXPECT_EQ(Epoch().parked_positions(), 30u);
  t.CrashAndReopen();
  EXPECT_EQ(Epoch().parked_positions(), 30u) << "parked stays parked";
  EXPECT_EQ(Finish(), 3);
  ASSERT_OK_AND_ASSIGN(const auto released, t.Release(run.uid(), 0, 0));
  EXPECT_EQ(released.released_positions(), 30u);
  EXPECT_EQ(t.Release(run.uid(), 0)->released_positions(), 0u);
  EXPECT_EQ(Epoch().parked_positions(), 0u);
  const v1::Batch again = Acquire("b");
  EXPECT_EQ(again.position(), 0u);
  EXPECT_GT(again.attempt(), 1u);
  ASSERT_OK(t.Acknowledge(Done(again, "b")));
  EXPECT_EQ(Finish(), 0);
}

TEST_F(LeaseTest, AParkedBlockDoesNotHoldTheNextEpochBackAndTheReplySaysSo) {
  ASSERT_OK(t.CreateSampler("d/i", "importance"));
  ASSERT_OK_AND_ASSIGN(run, t.CreateRun("scored", "d/i", 100));
  ASSERT_OK_AND_ASSIGN(const uint64_t session, t.OpenSession(run.uid()));
  v1::Batch batch = Acquire("a");
  v1::ReportFeedbackRequest report =
      Losses(run.uid(), session, 1, 0, 0, Decode<uint32_t>(batch.indices()),
             std::vector<float>(100, 1.0f));
  report.mutable_feedback(0)->mutable_indices()->resize(99 * sizeof(uint32_t));
  report.mutable_feedback(0)->mutable_values(0)->mutable_values()->resize(99 * sizeof(float));
  *report.mutable_feedback(0)->mutable_lease() = batch.lease();
  report.mutable_feedback(0)->set_worker("a");
  ASSERT_OK(t.Report(report));
  v1::AcknowledgeRequest failed = Done(batch, "a", "corrupt");
  failed.mutable_acknowledgements(0)->set_position(99);
  failed.mutable_acknowledgements(0)->set_num_positions(1);
  ASSERT_OK(t.Acknowledge(failed));
  auto opening = t.StartOpenEpoch(run.uid(), 1);
  for (uint32_t i = 1; i < kMaxAttempts; ++i) {
    EXPECT_FALSE(opening.done());
    ASSERT_OK(t.Acknowledge(Done(Acquire("a"), "a", "corrupt")));
  }
  ASSERT_OK_AND_ASSIGN(const v1::Epoch opened, opening.Wait());
  EXPECT_EQ(opened.opened(), v1::Epoch::REST_PARKED);
}

TEST_F(LeaseTest, ARestartEndsLeasesAndEveryRedeliverySaysSo) {
  const v1::Batch first = Acquire("a"), second = Acquire("b"), third = Acquire("c");
  ASSERT_OK(t.Acknowledge(Done(second, "b")));
  t.CrashAndReopen();
  // An acknowledgement by a lease of the server before counts while nobody else has the block.
  ASSERT_OK_AND_ASSIGN(const auto late, t.Acknowledge(Done(third, "c")));
  EXPECT_EQ(late.acknowledged_positions(), 30u);
  EXPECT_EQ(Stats().late_acknowledgements, 1u);
  const v1::Batch again = Acquire("d");
  EXPECT_EQ(again.position(), first.position());
  EXPECT_EQ(again.indices(), first.indices());
  EXPECT_EQ(again.attempt(), 2u) << "it may have been delivered before";
  EXPECT_EQ(again.lease().incarnation(), 2u);
  EXPECT_THAT(t.Acknowledge(Done(first, "a")), ReasonIs("LEASE_EXPIRED"));
  EXPECT_EQ(t.Renew(run.uid(), "a", {first.lease()})->lost_size(), 1);
  ASSERT_OK(t.Acknowledge(Done(again, "d")));
  EXPECT_EQ(Finish(), 1);
}

TEST_F(LeaseTest, FailuresSurviveARestart) {
  for (int i = 0; i < 3; ++i) ASSERT_OK(t.Acknowledge(Done(Acquire("a"), "a", "corrupt")));
  ASSERT_OK(t.engine->FoldNow());
  t.CrashAndReopen();
  const v1::Batch fourth = Acquire("a");
  EXPECT_EQ(fourth.position(), 0u);
  EXPECT_EQ(fourth.attempt(), 4u);
  ASSERT_OK(t.Acknowledge(Done(fourth, "a", "corrupt")));
  ASSERT_OK_AND_ASSIGN(const auto fifth, t.Acknowledge(Done(Acquire("a"), "a", "corrupt")));
  EXPECT_EQ(fifth.parked_positions(), 30u);
}

TEST_F(LeaseTest, AReplaySaysWhoAcknowledgedWhat) {
  const v1::Batch a = Acquire("a"), lost = Acquire("b");
  ASSERT_OK(t.Acknowledge(Done(a, "a")));
  t.clock.Advance(absl::Minutes(1));
  ASSERT_OK(t.Acknowledge(Done(Acquire("c"), "c")));
  ASSERT_OK(t.engine->FoldNow());
  t.CrashAndReopen();
  v1::GetBatchRequest request;
  request.set_run_uid(run.uid());
  request.set_replay(true);
  request.mutable_positions()->set_batch_size(100);
  ASSERT_OK_AND_ASSIGN(const v1::Batch replay, t.GetBatch(request));
  EXPECT_EQ(replay.indices().substr(0, a.indices().size()), a.indices());
  ASSERT_EQ(replay.acknowledged_size(), 2);
  EXPECT_EQ(replay.acknowledged(0).worker(), "a");
  EXPECT_EQ(replay.acknowledged(0).attempt(), 1u);
  EXPECT_EQ(replay.acknowledged(1).worker(), "c");
  EXPECT_EQ(replay.acknowledged(1).position(), 30u);
  EXPECT_EQ(replay.acknowledged(1).attempt(), 2u);
  EXPECT_EQ(t.engine->Stats().runs.at(0).batches_served, 0u) << "a replay serves nobody";
  request.set_epoch(1);
  EXPECT_THAT(t.GetBatch(request), ReasonIs("EPOCH_NOT_OPEN"));
  EXPECT_EQ(t.GetRun("r")->epochs_size(), 1) << "looking back opens nothing";
}

TEST_F(LeaseTest, LiveDrawsAreLeasedToo) {
  t.options.keep_live_batches = 4;
  t.Reopen();
  v1::SamplerSpec spec = t.CreateSampler("d/i", "importance")->spec();
  spec.set_snapshot(v1::SNAPSHOT_LIVE);
  ASSERT_OK(t.CreateSampler("d/live", spec));
  ASSERT_OK_AND_ASSIGN(run, t.CreateRun("live", "d/live", 5));
  const v1::Batch slow = Acquire("slow");
  EXPECT_EQ(slow.weights().size(), 5 * sizeof(float));
  ASSERT_OK(t.Acknowledge(Done(Acquire("a"), "a")));
  ASSERT_OK_AND_ASSIGN(const v1::Batch wait, t.Acquire(run.uid(), 0, "a"));
  EXPECT_TRUE(wait.has_retry_after()) << "the draw of the slow one must still be kept";
  t.clock.Advance(absl::Minutes(1));
  const v1::Batch again = Acquire("a");
  EXPECT_EQ(again.indices(), slow.indices());
  EXPECT_EQ(again.attempt(), 2u);
  ASSERT_OK(t.Acknowledge(Done(again, "a")));
  EXPECT_EQ(Finish(), 18);
}

}  // namespace
}  // namespace subset
