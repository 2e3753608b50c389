#include "bench/draw/rounds.h"

#include <time.h>

namespace subset::bench {
namespace {

// What a round takes at least.
constexpr double kRoundSeconds = 0.04;
constexpr uint64_t kRoundBatches = 12;

}  // namespace

double Seconds() {
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double TimeRound(const Contender& contender, uint64_t batch_size, uint64_t round) {
  double seconds = 0;
  uint64_t batches = 0;
  for (; batches < kRoundBatches || seconds < kRoundSeconds; ++batches) {
    const uint64_t batch = round << 20 | batches;
    contender.prepare(batch);
    const double start = Seconds();
    contender.run(batch);
    seconds += Seconds() - start;
  }
  return seconds * 1e9 / static_cast<double>(batches * batch_size);
}

}  // namespace subset::bench
