// Timing of things that run batch by batch, in rounds that are interleaved with those of others.

#ifndef SUBSET_BENCH_DRAW_ROUNDS_H_
#define SUBSET_BENCH_DRAW_ROUNDS_H_

#include <cstdint>
#include <functional>

namespace subset::bench {

// What is timed, over one batch.
struct Contender {
  std::function<void(uint64_t batch)> prepare;  // before the clock starts
  std::function<void(uint64_t batch)> run;
};

// CPU time of this thread: everything timed by it is one thread that never waits, and a neighbour's
// turn on the core is not part of it.
double Seconds();

// Runs a round of at least 40 ms; returns nanoseconds a sample. No two rounds share a batch.
double TimeRound(const Contender& contender, uint64_t batch_size, uint64_t round);

}  // namespace subset::bench

#endif  // SUBSET_BENCH_DRAW_ROUNDS_H_
