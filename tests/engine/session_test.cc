#include "engine/session.h"

#include "gtest/gtest.h"

namespace subset {
namespace {

using Verdict = Session::Verdict;

TEST(SessionTest, AMessageIsKnownBySequenceAndContent) {
  Session session;
  EXPECT_EQ(session.Judge(1, 7), Verdict::kNew);
  session.Note(1, 7);
  EXPECT_EQ(session.Judge(1, 7), Verdict::kDuplicate);
  EXPECT_EQ(session.Judge(1, 8), Verdict::kOtherContent);
  EXPECT_EQ(session.Judge(2, 7), Verdict::kNew);
}

TEST(SessionTest, MessagesInFlightMayOvertakeEachOther) {
  Session session;
  session.Note(3, 30);
  EXPECT_EQ(session.Judge(1, 10), Verdict::kNew);
  session.Note(1, 10);
  EXPECT_EQ(session.Judge(2, 20), Verdict::kNew);
  EXPECT_EQ(session.Judge(1, 10), Verdict::kDuplicate);
}

TEST(SessionTest, TheWindowEndsExactlyAt1024) {
  Session session;
  session.Note(1, 10);
  session.Note(2, 20);
  session.Note(kSessionWindow, 5);
  EXPECT_EQ(session.Judge(1, 10), Verdict::kDuplicate);
  session.Note(kSessionWindow + 1, 6);
  EXPECT_EQ(session.Judge(1, 10), Verdict::kExpired);
  EXPECT_EQ(session.Judge(2, 20), Verdict::kDuplicate);
  EXPECT_EQ(session.Judge(3, 30), Verdict::kNew);
}

TEST(SessionTest, SurvivesItsImage) {
  Session session;
  for (uint64_t sequence = 1; sequence <= 3000; sequence += 2) session.Note(sequence, sequence * 3);
  session.set_last_used(99);
  log::v1::SessionState state;
  session.Save(&state);
  EXPECT_LE(state.window_size(), static_cast<int>(kSessionWindow));
  const Session restored(state);
  EXPECT_EQ(restored.last_used(), 99u);
  for (uint64_t sequence = 1; sequence <= 3100; ++sequence) {
    ASSERT_EQ(restored.Judge(sequence, sequence * 3), session.Judge(sequence, sequence * 3));
  }
}

}  // namespace
}  // namespace subset
