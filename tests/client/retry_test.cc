#include "client/cpp/retry.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_timing.h"

namespace subset {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Status kDown = absl::UnavailableError("down");

RetryOptions Options() {
  RetryOptions options;
  options.max_attempts = 6;
  options.initial_backoff = absl::Milliseconds(100);
  options.max_backoff = absl::Milliseconds(500);
  options.multiplier = 2;
  return options;
}

TEST(RetryTest, CeilingsGrowExponentiallyUpToTheMaximum) {
  FakeTiming timing(0.999999);
  Retry retry(Options(), absl::Hours(1), &timing);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(retry.WaitToTryAgain(kDown));
  EXPECT_FALSE(retry.WaitToTryAgain(kDown)) << "six attempts in all";
  std::vector<int64_t> ceilings;
  for (absl::Duration sleep : timing.sleeps()) {
    ceilings.push_back(absl::ToInt64Milliseconds(sleep + absl::Milliseconds(1)));
  }
  EXPECT_THAT(ceilings, ElementsAre(100, 200, 400, 500, 500));
}

TEST(RetryTest, JitterIsFull) {
  for (double uniform : {0.0, 0.25, 0.75}) {
    FakeTiming timing(uniform);
    Retry retry(Options(), absl::Hours(1), &timing);
    EXPECT_TRUE(retry.WaitToTryAgain(kDown));
    EXPECT_TRUE(retry.WaitToTryAgain(kDown));
    EXPECT_THAT(timing.sleeps(),
                ElementsAre(absl::Milliseconds(100) * uniform, absl::Milliseconds(200) * uniform));
  }
}

TEST(RetryTest, UnavailableAndCancelledAreTriedAgain) {
  FakeTiming timing;
  for (int code = 0; code <= 16; ++code) {
    Retry retry(Options(), absl::Hours(1), &timing);
    const absl::Status status(static_cast<absl::StatusCode>(code), "x");
    EXPECT_EQ(retry.WaitToTryAgain(status),
              absl::IsUnavailable(status) || absl::IsCancelled(status))
        << status;
  }
  EXPECT_EQ(timing.sleeps().size(), 2u);
}

TEST(RetryTest, OneAttemptNeverWaits) {
  FakeTiming timing;
  RetryOptions options = Options();
  options.max_attempts = 1;
  Retry retry(options, absl::Hours(1), &timing);
  EXPECT_FALSE(retry.WaitToTryAgain(kDown));
  EXPECT_THAT(timing.sleeps(), IsEmpty());
}

TEST(RetryTest, AWaitThatReachesTheDeadlineIsNotBegun) {
  FakeTiming timing(0.5);
  Retry retry(Options(), absl::Milliseconds(150), &timing);
  EXPECT_TRUE(retry.WaitToTryAgain(kDown));  // 50 ms
  EXPECT_EQ(retry.Remaining(), absl::Milliseconds(100));
  EXPECT_FALSE(retry.WaitToTryAgain(kDown));  // 100 ms would end at the deadline
  EXPECT_EQ(timing.sleeps().size(), 1u);
}

TEST(RetryTest, PatienceCountsFromTheFirstFailure) {
  FakeTiming timing(0.5);
  RetryOptions options = Options();
  options.patience = absl::Milliseconds(150);
  Retry retry(options, absl::InfiniteDuration(), &timing);
  timing.Advance(absl::Hours(1));
  EXPECT_TRUE(retry.WaitToTryAgain(kDown));   // 50 ms
  EXPECT_FALSE(retry.WaitToTryAgain(kDown));  // 100 ms would end with the patience
  options.patience = absl::ZeroDuration();
  EXPECT_FALSE(Retry(options, absl::InfiniteDuration(), &timing).WaitToTryAgain(kDown));
}

TEST(RetryTest, TimePassesDuringAttemptsToo) {
  FakeTiming timing(0.5);
  Retry retry(Options(), absl::Seconds(1), &timing);
  timing.Advance(absl::Seconds(2));
  EXPECT_LT(retry.Remaining(), absl::ZeroDuration());
  EXPECT_FALSE(retry.WaitToTryAgain(kDown));
}

TEST(RetryTest, ALargeNumberOfAttemptsStaysAtTheMaximum) {
  FakeTiming timing(0.5);
  RetryOptions options = Options();
  options.max_attempts = 5000;
  Retry retry(options, absl::InfiniteDuration(), &timing);
  for (int i = 0; i < 4999; ++i) ASSERT_TRUE(retry.WaitToTryAgain(kDown));
  EXPECT_EQ(timing.sleeps().back(), absl::Milliseconds(250));
}

TEST(RetryTest, RealRandomnessStaysInItsRange) {
  for (int i = 0; i < 10000; ++i) {
    const double uniform = RetryTiming::Real()->Uniform();
    ASSERT_GE(uniform, 0);
    ASSERT_LT(uniform, 1);
  }
}

}  // namespace
}  // namespace subset
