#include "bench/draw/contenders.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/log.h"
#include "sampling/columns.h"
#include "sampling/permutation.h"
#include "sampling/philox.h"

namespace subset::bench {
namespace {

using sampling::HugeArray;
using sampling::Permutation;
using sampling::Philox;
using sampling::PhiloxBlock;
using sampling::PhiloxFill;
using sampling::ScoreDraw;

constexpr size_t kLine = 64;
constexpr size_t kAhead = 64;

// Numbers no two batches or purposes share.
std::vector<uint64_t> RandomBelow(uint64_t n, uint32_t purpose, uint64_t batch, size_t count) {
  std::vector<uint64_t> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    numbers[i] = sampling::UniformInt({0xbe7c4, purpose}, batch * count + i, n);
  }
  return numbers;
}

struct Drawn {
  explicit Drawn(size_t size) : indices(size), probabilities(size), weights(size) {}
  std::vector<uint32_t> indices;
  std::vector<double> probabilities;
  std::vector<float> weights;
};

struct Changes {
  std::vector<uint32_t> indices;
  std::vector<float> scores;

  void Make(const std::vector<float>& from, uint64_t batch, size_t count) {
    const auto to = RandomBelow(from.size(), 1, batch, count);
    const auto source = RandomBelow(from.size(), 2, batch, count);
    indices.assign(to.begin(), to.end());
    scores.resize(count);
    for (size_t i = 0; i < count; ++i) scores[i] = from[source[i]];
  }
};

}  // namespace

std::vector<float> MakeScores(uint64_t num_samples) {
  std::vector<float> scores(num_samples);
  std::vector<PhiloxBlock> blocks(4096);
  for (uint64_t i = 0; i < num_samples; ++i) {
    if (i % blocks.size() == 0) PhiloxFill({1, 2}, i, 0, absl::MakeSpan(blocks));
    const PhiloxBlock& block = blocks[i % blocks.size()];
    const float u = (static_cast<float>(block[0] >> 8) + 1) * 0x1p-24f;
    const float v = static_cast<float>(block[1] >> 8) * 0x1p-24f;
    scores[i] = std::exp(std::sqrt(-2 * std::log(u)) * std::cos(6.2831853f * v));
  }
  return scores;
}

std::unique_ptr<ScoreDraw> MakeScoreDraw(const std::vector<float>& scores) {
  constexpr uint64_t kChunk = sampling::kChunkSamples;
  std::vector<float> last(kChunk, NAN);  // chunks are whole
  std::vector<const float*> chunks;
  for (uint64_t first = 0; first < scores.size(); first += kChunk) {
    const bool whole = first + kChunk <= scores.size();
    if (!whole) std::copy(scores.begin() + first, scores.end(), last.begin());
    chunks.push_back(whole ? &scores[first] : last.data());
  }
  sampling::PlanInput input;
  input.spec.preference.kind = sampling::Preference::Kind::kScorePower;
  input.spec.draw.kind = sampling::Draw::Kind::kWithReplacement;
  SUBSET_CHECK(sampling::ResolveSpec(&input.spec).ok());
  input.spec.guard.uniform_floor = 0;
  input.num_samples = scores.size();
  input.columns.scores["loss"].chunks = chunks;
  auto draw = ScoreDraw::Build(input);
  SUBSET_CHECK(draw.ok());
  return *std::move(draw);
}

Contender DrawOurs(const ScoreDraw& draw, const Workload& workload) {
  const auto out = std::make_shared<Drawn>(workload.batch_size);
  return {[](uint64_t) {},
          [out, &draw, workload](uint64_t batch) {
            const uint64_t batches = workload.num_samples / workload.batch_size;
            draw.Draw({1, 1, batch / batches}, batch % batches * workload.batch_size,
                      absl::MakeSpan(out->indices), absl::MakeSpan(out->probabilities),
                      absl::MakeSpan(out->weights));
          }};
}

Contender DrawPeer(const ReverbLike& peer, const Workload& workload) {
  const auto out = std::make_shared<Drawn>(workload.batch_size);
  const auto uniforms = std::make_shared<std::vector<double>>(workload.batch_size);
  return {[uniforms](uint64_t batch) {
            for (size_t i = 0; i < uniforms->size(); ++i) {
              (*uniforms)[i] = sampling::UniformDouble({3, 4}, batch * uniforms->size() + i);
            }
          },
          [out, uniforms, &peer, workload](uint64_t) {
            for (size_t i = 0; i < uniforms->size(); ++i) {
              const ReverbLike::Item item = peer.Sample((*uniforms)[i]);
              out->indices[i] = static_cast<uint32_t>(item.key);
              out->probabilities[i] = item.probability;
              out->weights[i] = static_cast<float>(
                  1 / (static_cast<double>(workload.num_samples) * item.probability));
            }
          }};
}

Contender UpdateOurs(ScoreDraw* draw, const std::vector<float>& scores, const Workload& workload) {
  const auto changes = std::make_shared<Changes>();
  return {[changes, &scores, workload](uint64_t batch) {
            changes->Make(scores, batch, workload.batch_size);
          },
          [changes, draw](uint64_t) { draw->Update(changes->indices, changes->scores); }};
}

Contender UpdatePeer(ReverbLike* peer, const std::vector<float>& scores, const Workload& workload) {
  const auto changes = std::make_shared<Changes>();
  return {[changes, &scores, workload](uint64_t batch) {
            changes->Make(scores, batch, workload.batch_size);
          },
          [changes, peer](uint64_t) {
            for (size_t i = 0; i < changes->indices.size(); ++i) {
              peer->Update(changes->indices[i], changes->scores[i]);
            }
          }};
}

Contender LineReads(const HugeArray<char>& memory, const Workload& workload) {
  const auto lines = std::make_shared<std::vector<uint64_t>>();
  return {[lines, &memory, workload](uint64_t batch) {
            *lines = RandomBelow(memory.size() / kLine, 3, batch, workload.batch_size);
          },
          [lines, &memory](uint64_t) {
            uint64_t sum = 0;
            for (size_t i = 0; i < lines->size(); ++i) {
              if (i + kAhead < lines->size()) {
                __builtin_prefetch(&memory[(*lines)[i + kAhead] * kLine], 0, 2);  // into L2
              }
              uint64_t word;
              std::memcpy(&word, &memory[(*lines)[i] * kLine], sizeof(word));
              sum += word;
            }
            SUBSET_CHECK(sum != 1);  // keeps the loop
          }};
}

Contender OrderOurs(const Workload& workload) {
  const auto order = std::make_shared<Permutation>(workload.num_samples, sampling::PhiloxKey{5, 6});
  const auto out = std::make_shared<std::vector<uint32_t>>(workload.batch_size);
  return {[](uint64_t) {},
          [order, out](uint64_t batch) {
            const uint64_t batches = order->size() / out->size();
            order->Fill(batch % batches * out->size(), absl::MakeSpan(*out));
          }};
}

Contender OrderMaterialised(const Workload& workload) {
  const auto shuffle = std::make_shared<std::vector<uint32_t>>(workload.num_samples);
  Permutation(workload.num_samples, {5, 6}).Fill(0, absl::MakeSpan(*shuffle));
  const auto out = std::make_shared<std::vector<uint32_t>>(workload.batch_size);
  return {[](uint64_t) {},
          [shuffle, out](uint64_t batch) {
            const uint64_t batches = shuffle->size() / out->size();
            std::memcpy(out->data(), &(*shuffle)[batch % batches * out->size()],
                        out->size() * sizeof(uint32_t));
          }};
}

}  // namespace subset::bench
