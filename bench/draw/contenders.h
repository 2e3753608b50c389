// What bench_draw times, each over one batch: Subset's draw, update and epoch order, and what they
// are compared with.

#ifndef SUBSET_BENCH_DRAW_CONTENDERS_H_
#define SUBSET_BENCH_DRAW_CONTENDERS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "bench/draw/reverb_like.h"
#include "bench/draw/rounds.h"
#include "sampling/huge_array.h"
#include "sampling/score_draw.h"

namespace subset::bench {

struct Workload {
  uint64_t num_samples = 0;
  uint32_t batch_size = 0;
};

// Lognormal(0, 1) scores.
std::vector<float> MakeScores(uint64_t num_samples);

// Subset's draw with replacement by score^1, no floor.
std::unique_ptr<sampling::ScoreDraw> MakeScoreDraw(const std::vector<float>& scores);

// Index, probability and weight of each draw; ours makes its random bits as well, the peer is given
// its.
Contender DrawOurs(const sampling::ScoreDraw& draw, const Workload& workload);
Contender DrawPeer(const ReverbLike& peer, const Workload& workload);

// Random samples get the scores of other random samples.
Contender UpdateOurs(sampling::ScoreDraw* draw, const std::vector<float>& scores,
                     const Workload& workload);
Contender UpdatePeer(ReverbLike* peer, const std::vector<float>& scores, const Workload& workload);

// Reads one random cache line, prefetched, for each of a batch: no structure of `memory`'s size can
// do with less.
Contender LineReads(const sampling::HugeArray<char>& memory, const Workload& workload);

// Consecutive positions of a keyed permutation, and of a shuffle that lies in memory.
Contender OrderOurs(const Workload& workload);
Contender OrderMaterialised(const Workload& workload);

}  // namespace subset::bench

#endif  // SUBSET_BENCH_DRAW_CONTENDERS_H_
