// Reported values: what is refused, and that each message counts once.

#include <algorithm>
#include <atomic>
#include <limits>
#include <random>
#include <thread>

#include "engine/session.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

class FeedbackTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(t.ImportLabels("d", 1000));
    ASSERT_OK(t.CreateSampler("d/i", "importance"));
    ASSERT_OK_AND_ASSIGN(run, t.CreateRun("r", "d/i", 10));
    ASSERT_OK_AND_ASSIGN(session, t.OpenSession(run.uid()));
    ASSERT_OK(t.OpenEpoch(run.uid(), 0));
  }
  v1::ReportFeedbackRequest Message(uint64_t sequence, std::optional<uint64_t> position,
                                    const std::vector<uint32_t>& indices,
                                    const std::vector<float>& losses) {
    return Losses(run.uid(), session, sequence, 0, position, indices, losses);
  }
  // What a refused message must leave as it was.
  std::string State() { return t.GetRun("r")->SerializeAsString(); }

  TestEngine t;
  v1::Run run;
  uint64_t session = 0;
};

TEST_F(FeedbackTest, AppliesAndAcknowledges) {
  ASSERT_OK_AND_ASSIGN(const auto reply, t.Report(Message(1, 20, {7, 8, 7}, {1, 2, 3})));
  EXPECT_EQ(reply.applied_items(), 3u);
  EXPECT_EQ(reply.already_acknowledged_items(), 0u);
  EXPECT_FALSE(reply.duplicate());
  EXPECT_EQ(reply.durability(), v1::DURABILITY_DURABLE);
  EXPECT_EQ(reply.score_version().records(), 1u);
  ASSERT_OK_AND_ASSIGN(const v1::Run after, t.GetRun("r"));
  EXPECT_EQ(after.scored_samples(), 2u);
  EXPECT_EQ(after.epochs(0).acknowledged_positions(), 3u);
}

TEST_F(FeedbackTest, WithoutAPositionNothingIsAcknowledged) {
  ASSERT_OK(t.Report(Losses(run.uid(), session, 1, 99, std::nullopt, {7}, {1})));
  EXPECT_EQ(t.GetRun("r")->epochs(0).acknowledged_positions(), 0u);
  EXPECT_EQ(t.GetRun("r")->scored_samples(), 1u);
}

TEST_F(FeedbackTest, AppliedIsAnsweredBeforeItIsOnDisk) {
  v1::ReportFeedbackRequest message = Message(1, 0, {7}, {1});
  message.set_durability(v1::DURABILITY_APPLIED);
  EXPECT_EQ(t.Report(message)->durability(), v1::DURABILITY_APPLIED);
  EXPECT_EQ(t.disk.unsynced(), 1u);
  t.CrashAndReopen();
  EXPECT_EQ(t.GetRun("r")->scored_samples(), 0u);
  ASSERT_OK(t.Report(message));
  t.Reopen();  // a clean end makes it durable
  t.CrashAndReopen();
  EXPECT_EQ(t.GetRun("r")->scored_samples(), 1u);
}

TEST_F(FeedbackTest, IndicesOf64BitsAreTheSame) {
  v1::ReportFeedbackRequest message = Message(1, 0, {}, {1, 2});
  message.mutable_feedback(0)->set_index_width(8);
  message.mutable_feedback(0)->set_indices(Encode<uint64_t>({5, 999}));
  EXPECT_EQ(t.Report(message)->applied_items(), 2u);
  message.set_sequence(2);
  message.mutable_feedback(0)->set_indices(Encode<uint64_t>({5, (uint64_t{1} << 32) + 5}));
  EXPECT_THAT(t.Report(message), FieldIs("feedback[0].indices"));
}

TEST_F(FeedbackTest, BadMessagesNameTheFieldAndChangeNothing) {
  const std::string before = State();
  const auto writes = t.disk.writes();
  const auto expect = [this](const v1::ReportFeedbackRequest& message, const std::string& field) {
    const auto reply = t.Report(message);
    EXPECT_THAT(reply, StatusIs(kInvalid)) << field;
    EXPECT_THAT(reply, FieldIs(field));
  };
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {NAN, kInfinity, -kInfinity, -1.0f, -1e-40f}) {
    expect(Message(1, 0, {1, 2}, {1, bad}), "feedback[0].values[0].values");
  }
  expect(Message(1, 0, {1000}, {1}), "feedback[0].indices");
  expect(Message(1, 0, {0xffffffff}, {1}), "feedback[0].indices");
  expect(Message(1, 0, {1, 2}, {1}), "feedback[0].values[0].values");
  expect(Message(1, 0, {}, {}), "feedback[0].indices");
  expect(Message(0, 0, {1}, {1}), "sequence");
  v1::ReportFeedbackRequest message = Message(1, 0, {1}, {1});
  message.mutable_feedback(0)->set_indices("abc");
  expect(message, "feedback[0].indices");
  message = Message(1, 0, {1}, {1});
  message.mutable_feedback(0)->set_index_width(2);
  expect(message, "feedback[0].index_width");
  message = Message(1, 0, {1}, {1});
  message.mutable_feedback(0)->mutable_values(0)->set_name("Loss");
  expect(message, "feedback[0].values[0].name");
  message = Message(1, 0, {1}, {1});
  *message.mutable_feedback(0)->add_values() = message.feedback(0).values(0);
  expect(message, "feedback[0].values[1].name");
  message = Message(1, 0, {1}, {1});
  message.clear_feedback();
  expect(message, "feedback");
  message = Message(1, 0, {1}, {1});
  message.set_durability(static_cast<v1::Durability>(9));
  expect(message, "durability");
  message = Message(1, 0, {1}, {1});
  message.mutable_feedback(0)->set_epoch(uint64_t{1} << 32);
  expect(message, "feedback[0].epoch");
  // 16,384 items may come in one message, over all its entries.
  const std::vector<uint32_t> half(8192, 1);
  message = Message(1, 0, half, std::vector<float>(8192, 1));
  *message.add_feedback() = message.feedback(0);
  *message.add_feedback() = Message(1, 0, {1}, {1}).feedback(0);
  expect(message, "feedback");
  EXPECT_EQ(t.disk.writes(), writes);  // garbage is not even logged
  // What the state refuses is logged, and refused again when it is replayed.
  expect(Message(1, 999, {1, 2}, {1, 1}), "feedback[0].position");
  expect(Message(1, ~uint64_t{0}, {1}, {1}), "feedback[0].position");
  EXPECT_EQ(State(), before);
}

TEST_F(FeedbackTest, TheLargestMessageIsTaken) {
  std::vector<uint32_t> indices(16384);
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<uint32_t>(i % 1000);
  EXPECT_EQ(t.Report(Message(1, std::nullopt, indices, std::vector<float>(16384, 1e-40f)))
                ->applied_items(),
            16384u);
  EXPECT_OK(t.Report(Message(2, std::nullopt, {1}, {-0.0f})));
}

TEST_F(FeedbackTest, OtherColumnsMayBeNegativeUnlessTheyArePreferredBy) {
  v1::ReportFeedbackRequest message = Message(1, std::nullopt, {1}, {1});
  message.mutable_feedback(0)->mutable_values(0)->set_name("margin");
  message.mutable_feedback(0)->mutable_values(0)->set_values(Encode<float>({-3}));
  EXPECT_OK(t.Report(message));
  v1::SamplerSpec spec;
  spec.mutable_preference()->mutable_score_power()->set_alpha(1);
  spec.mutable_preference()->mutable_score_power()->set_score("margin");
  ASSERT_OK(t.CreateSampler("d/m", spec));
  ASSERT_OK_AND_ASSIGN(const v1::Run other, t.CreateRun("m", "d/m", 10));
  ASSERT_OK_AND_ASSIGN(const uint64_t other_session, t.OpenSession(other.uid()));
  message.set_run_uid(other.uid());
  message.set_session_id(other_session);
  EXPECT_THAT(t.Report(message), FieldIs("feedback[0].values[0].values"));
}

TEST_F(FeedbackTest, ARunHasABoundedNumberOfColumns) {
  for (int i = 0; i < 64; ++i) {
    v1::ReportFeedbackRequest message = Message(i + 1, std::nullopt, {1}, {1});
    message.mutable_feedback(0)->mutable_values(0)->set_name(absl::StrCat("c", i));
    ASSERT_OK(t.Report(message));
  }
  EXPECT_THAT(t.Report(Message(65, std::nullopt, {1}, {1})),
              StatusIs(kInvalid, HasSubstr("at most 64")));
}

TEST_F(FeedbackTest, SentAgainItChangesNothing) {
  const auto message = Message(5, 0, {1, 2}, {3, 4});
  ASSERT_OK(t.Report(message));
  const std::string once = State();
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const auto again, t.Report(message));
    EXPECT_TRUE(again.duplicate());
    EXPECT_EQ(again.applied_items(), 0u);
    EXPECT_EQ(again.score_version().records(), 1u);
    EXPECT_EQ(State(), once);
  }
  auto applied = message;  // the wish for durability is no part of the content
  applied.set_durability(v1::DURABILITY_APPLIED);
  EXPECT_TRUE(t.Report(applied)->duplicate());
  const auto other = t.Report(Message(5, 0, {1, 2}, {3, 5}));
  EXPECT_THAT(other, StatusIs(kInvalid));
  EXPECT_THAT(other, FieldIs("sequence"));
  t.CrashAndReopen();
  EXPECT_TRUE(t.Report(message)->duplicate());
  ASSERT_OK(t.engine->FoldNow());
  t.CrashAndReopen();
  EXPECT_TRUE(t.Report(message)->duplicate());
  EXPECT_EQ(t.GetRun("r")->score_version().records(), 1u);
}

TEST_F(FeedbackTest, UnknownSessionsAndOldSequencesAreNeverApplied) {
  const auto expect_expired = [this](const v1::ReportFeedbackRequest& message) {
    const auto reply = t.Report(message);
    EXPECT_THAT(reply, StatusIs(kPrecondition));
    EXPECT_THAT(reply, ReasonIs("SEQ_EXPIRED"));
  };
  auto message = Message(1, 0, {1}, {1});
  message.set_session_id(session + 1000);
  expect_expired(message);
  ASSERT_OK_AND_ASSIGN(const v1::Run other, t.CreateRun("other", "d/i", 10));
  ASSERT_OK_AND_ASSIGN(const uint64_t foreign, t.OpenSession(other.uid()));
  message.set_session_id(foreign);
  expect_expired(message);
  ASSERT_OK(t.Report(Message(kSessionWindow + 5, std::nullopt, {1}, {1})));
  expect_expired(Message(5, std::nullopt, {1}, {1}));
  EXPECT_OK(t.Report(Message(6, std::nullopt, {1}, {1})));
}

TEST_F(FeedbackTest, TheLeastRecentlyUsedSessionGoesWhenThereAreTooMany) {
  ASSERT_OK_AND_ASSIGN(const uint64_t second, t.OpenSession(run.uid()));
  ASSERT_OK(t.Report(Message(1, std::nullopt, {1}, {1})));  // the first was used since
  for (size_t i = 2; i < kMaxSessions; ++i) ASSERT_OK(t.OpenSession(run.uid()));
  EXPECT_OK(t.Report(Losses(run.uid(), second, 1, 0, std::nullopt, {1}, {1})));
  ASSERT_OK(t.OpenSession(run.uid()));
  EXPECT_THAT(t.Report(Message(2, std::nullopt, {1}, {1})), ReasonIs("SEQ_EXPIRED"));
  EXPECT_OK(t.Report(Losses(run.uid(), second, 2, 0, std::nullopt, {1}, {1})));
}

TEST_F(FeedbackTest, AReplicatedRankCountsOnce) {
  ASSERT_OK_AND_ASSIGN(const uint64_t replica, t.OpenSession(run.uid()));
  ASSERT_OK(t.Report(Message(1, 0, {1, 2, 3}, {1, 1, 1})));
  ASSERT_OK_AND_ASSIGN(const auto again,
                       t.Report(Losses(run.uid(), replica, 1, 0, 0, {1, 2, 3}, {9, 9, 9})));
  EXPECT_FALSE(again.duplicate());
  EXPECT_EQ(again.applied_items(), 0u);
  EXPECT_EQ(again.already_acknowledged_items(), 3u);
  EXPECT_EQ(again.score_version().records(), 1u);
  // A part of what was acknowledged is acknowledged.
  EXPECT_EQ(t.Report(Message(2, 1, {2}, {9}))->already_acknowledged_items(), 1u);
}

TEST_F(FeedbackTest, HalfAcknowledgedRefusesTheWholeMessage) {
  ASSERT_OK(t.Report(Message(1, 10, {1, 2}, {1, 1})));
  const std::string before = State();
  auto message = Message(2, 50, {500}, {1});
  *message.add_feedback() = Message(2, 11, {2, 3}, {9, 9}).feedback(0);
  const auto reply = t.Report(message);
  EXPECT_THAT(reply, StatusIs(kPrecondition, HasSubstr("1 of the positions [11, 13)")));
  EXPECT_THAT(reply, ReasonIs("PARTLY_ACKNOWLEDGED"));
  EXPECT_THAT(reply, FieldIs("feedback[1].position"));
  EXPECT_EQ(State(), before);
  // Entries of one message count too.
  message = Message(2, 50, {1, 2}, {1, 1});
  *message.add_feedback() = Message(2, 51, {2, 3}, {1, 1}).feedback(0);
  EXPECT_THAT(t.Report(message), ReasonIs("PARTLY_ACKNOWLEDGED"));
  EXPECT_EQ(State(), before);
  // Refused messages do not use up their sequence.
  EXPECT_OK(t.Report(Message(2, 50, {1, 2}, {1, 1})));
}

TEST_F(FeedbackTest, AnEpochThatIsNotOpenCannotBeAcknowledged) {
  const auto reply = t.Report(Losses(run.uid(), session, 1, 7, 0, {1}, {1}));
  EXPECT_THAT(reply, StatusIs(kPrecondition));
  EXPECT_THAT(reply, ReasonIs("EPOCH_NOT_OPEN"));
}

TEST_F(FeedbackTest, AFailedAppendChangesNothingAndMayBeRetried) {
  const std::string before = State();
  const auto message = Message(1, 0, {1}, {1});
  t.disk.FailWrites(1, absl::ResourceExhaustedError("disk full"));
  EXPECT_THAT(t.Report(message), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(State(), before);
  EXPECT_OK(t.GetPositions(run.uid(), 0, 0, 10));  // draws go on
  EXPECT_TRUE(t.engine->Stats().read_only);
  t.disk.Repair();
  EXPECT_FALSE(t.Report(message)->duplicate());
}

TEST_F(FeedbackTest, ANewColumnMustFitMemory) {
  t.options.max_memory_bytes = 1000 + 2300 + 4000;  // labels, plan, one column
  t.Reopen();
  EXPECT_OK(t.Report(Message(1, std::nullopt, {1}, {1})));
  auto message = Message(2, std::nullopt, {1}, {1});
  message.mutable_feedback(0)->mutable_values(0)->set_name("margin");
  EXPECT_THAT(t.Report(message), StatusIs(absl::StatusCode::kResourceExhausted));
}

// Every message is sent several times, at once and in any order: the state is as if each had come
// once, in some order of first arrivals.
TEST_F(FeedbackTest, ARetryStormEqualsOneOfEach) {
  constexpr int kMessages = 200;
  std::vector<std::thread> senders;
  std::atomic<int> applied{0};
  for (int sender = 0; sender < 4; ++sender) {
    senders.emplace_back([&, sender] {
      std::mt19937 random(sender);
      std::vector<int> order(kMessages);
      for (int i = 0; i < kMessages; ++i) order[i] = i;
      std::shuffle(order.begin(), order.end(), random);
      for (const int i : order) {
        const auto index = static_cast<uint32_t>(i * 5);
        const auto reply =
            t.Report(Message(i + 1, i * 5, {index, index + 1, index + 2, index + 3, index + 4},
                             {1.0f * static_cast<float>(i), 2, 3, 4, 5}));
        ASSERT_OK(reply);
        if (!reply->duplicate()) ++applied;
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(applied, kMessages);
  ASSERT_OK_AND_ASSIGN(const v1::Run after, t.GetRun("r"));
  EXPECT_EQ(after.score_version().records(), static_cast<uint64_t>(kMessages));
  EXPECT_EQ(after.scored_samples(), 1000u);
  EXPECT_EQ(after.epochs(0).acknowledged_positions(), 1000u);
  const RunStats stats = t.engine->Stats().runs[0];
  EXPECT_EQ(stats.feedback_messages, 4u * kMessages);
  EXPECT_EQ(stats.feedback_duplicates, 3u * kMessages);
  EXPECT_EQ(stats.feedback_updates, 1000u);
  EXPECT_EQ(stats.epoch_progress_ratio, 1);
}

}  // namespace
}  // namespace subset
