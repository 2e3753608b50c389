#include "sampling/sample_scores.h"

#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/simd.h"

namespace subset::sampling {
namespace {

// Every other chunk is missing.
void Check(SimdLevel level, const Population& population) {
  const ScopedSimdLimit limit(level);
  std::mt19937 random(3);
  std::vector<float> chunk(kChunkSamples);
  for (float& score : chunk) score = random() % 7 == 0 ? NAN : static_cast<float>(random());
  const std::vector<const float*> chunks = {chunk.data(), nullptr, chunk.data()};
  const ScoreView reported = {chunks};
  SampleScores scores(reported, population);
  for (const uint64_t most : {uint64_t{64}, uint64_t{1024}, population.num_samples}) {
    for (uint64_t first = 0; first < population.num_samples;) {
      const auto read = scores.Read(first, std::min(most, population.num_samples - first));
      ASSERT_GT(read.size(), 0);
      ASSERT_LE(read.size(), most);
      for (uint64_t k = 0; k < read.size(); ++k) {
        const bool member =
            population.eligible == nullptr || population.eligible->Contains(first + k);
        const float expected = member ? reported[first + k] : 0;
        ASSERT_TRUE(read[k] == expected || (std::isnan(read[k]) && std::isnan(expected)))
            << "sample " << first + k;
      }
      first += read.size();
    }
  }
}

TEST(SampleScoresTest, AreThoseReportedOfMembersAndZeroOfOthers) {
  std::mt19937 random(4);
  for (const uint64_t n : {1, 63, 64, 100, 65536, 65537, 140001}) {
    auto some = std::make_shared<SampleSet>(n);
    for (uint64_t i = 0; i < n; ++i) {
      if (random() % 3 > 0) some->Insert(i);
    }
    for (const SimdLevel level : {SimdLevel::kPortable, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
      Check(level, {n, nullptr, nullptr});
      Check(level, {n, nullptr, some});
    }
  }
}

TEST(SampleScoresTest, AreUnscoredWhereNothingWasReported) {
  SampleScores scores(ScoreView{}, {100, nullptr});
  const auto read = scores.Read(64, 36);
  ASSERT_EQ(read.size(), 36);
  for (const float score : read) EXPECT_TRUE(std::isnan(score));
}

}  // namespace
}  // namespace subset::sampling
