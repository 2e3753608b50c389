#include "client/cpp/retry.h"

#include <algorithm>
#include <cmath>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "base/clock.h"

namespace subset {
namespace {

class RealTiming final : public RetryTiming {
 public:
  absl::Duration Monotonic() override { return Clock::Real()->Monotonic(); }
  void Sleep(absl::Duration duration) override { absl::SleepFor(duration); }
  double Uniform() override {
    thread_local absl::InsecureBitGen bits;
    return absl::Uniform(bits, 0.0, 1.0);
  }
};

}  // namespace

RetryTiming* RetryTiming::Real() {
  static RealTiming timing;
  return &timing;
}

Retry::Retry(const RetryOptions& options, absl::Duration timeout, RetryTiming* timing)
    : options_(options), timing_(timing), deadline_(timing->Monotonic() + timeout) {}

absl::Duration Retry::Remaining() const { return deadline_ - timing_->Monotonic(); }

bool Retry::WaitToTryAgain(const absl::Status& status) {
  if (!MayBeTriedAgain(status)) return false;
  if (failures_ == 0) first_failure_ = timing_->Monotonic();
  if (++failures_ >= options_.max_attempts) return false;
  // Infinity times a duration saturates, so a large exponent is harmless.
  const absl::Duration ceiling =
      std::min(options_.max_backoff,
               options_.initial_backoff * std::pow(options_.multiplier, failures_ - 1));
  const absl::Duration wait = ceiling * timing_->Uniform();
  const absl::Duration patience = first_failure_ + options_.patience - timing_->Monotonic();
  if (wait >= std::min(Remaining(), patience)) return false;
  timing_->Sleep(wait);
  return true;
}

}  // namespace subset
