#include "sampling/pruning.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/exact_mean.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

ExactMean MeanOf(const std::vector<float>& values) {
  ExactMean mean;
  mean.Add(values);
  return mean;
}

TEST(ExactMeanTest, EqualValuesAreNeverBelowTheirMean) {
  for (const float value : {3.0f, 0.1f, 1e-45f, FLT_MAX, 2.302585f, 0.0f, -0.7f}) {
    for (const size_t n : {1, 3, 60000}) {
      EXPECT_EQ(MeanOf(std::vector<float>(n, value)).LeastNotBelow(), value);
    }
  }
}

TEST(ExactMeanTest, AgreesWithIntegerArithmetic) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 2000; ++round) {
    const int64_t n = 1 + random() % 20;
    const int64_t span = int64_t{1} << (1 + random() % 20);
    std::vector<int64_t> wholes;
    ExactMean mean;
    for (int64_t k = 0; k < n; ++k) {
      wholes.push_back(static_cast<int64_t>(random() % (2 * span)) - span / 2);
      const float value = static_cast<float>(wholes.back()) / 1024;
      mean.Add({&value, 1});
    }
    const int64_t sum = std::accumulate(wholes.begin(), wholes.end(), int64_t{0});
    const float threshold = mean.LeastNotBelow();
    for (const int64_t whole : wholes) {
      EXPECT_EQ(static_cast<float>(whole) / 1024 < threshold, whole * n < sum);
    }
  }
}

TEST(ExactMeanTest, NeitherHugeNorTinyValuesAreLost) {
  // The mean of {max, max, denormal} is above 2/3 max, that of {max, -max, denormal} is positive.
  EXPECT_GT(MeanOf({FLT_MAX, FLT_MAX, 1e-45f}).LeastNotBelow(), FLT_MAX / 3 * 1.99f);
  EXPECT_EQ(MeanOf({FLT_MAX, -FLT_MAX, 1e-45f}).LeastNotBelow(), 1e-45f);
  EXPECT_EQ(MeanOf({FLT_MAX, -FLT_MAX, -1e-45f}).LeastNotBelow(), 0);
  EXPECT_EQ(MeanOf({-FLT_MAX, -FLT_MAX}).LeastNotBelow(), -FLT_MAX);
  // One unit in the last place: the mean lies between the two floats.
  const float next = std::nextafterf(3.0f, 4);
  EXPECT_EQ(MeanOf({3.0f, 3.0f, next}).LeastNotBelow(), next);
}

// Whole mantissas summed by exponent, the obvious slow way.
class MeanOracle {
 public:
  void Add(float value) {
    if (value != value) return;
    int exponent;
    const auto mantissa = static_cast<int64_t>(std::ldexp(std::frexp(value, &exponent), 24));
    sums_[exponent + kBias] += mantissa;
    ++count_;
  }

  uint64_t count() const { return count_; }

  // Whether value < mean: the sign of sum - count * value, carried from the lowest exponent
  // upwards.
  bool Exceeds(float value) const {
    std::vector<int64_t> sums = sums_;
    int exponent;
    const auto mantissa = static_cast<int64_t>(std::ldexp(std::frexp(value, &exponent), 24));
    sums[exponent + kBias] -= static_cast<int64_t>(count_) * mantissa;
    int64_t carry = 0;
    bool fraction = false;
    for (const int64_t sum : sums) {
      fraction |= (carry & 1) != 0;
      carry = (carry >> 1) + sum;
    }
    return carry > 0 || (carry == 0 && fraction);
  }

 private:
  static constexpr int kBias = 150;
  std::vector<int64_t> sums_ = std::vector<int64_t>(300);
  uint64_t count_ = 0;
};

TEST(ExactMeanTest, AgreesWithSumsByExponentOverTheWholeRange) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 600; ++round) {
    // Exponents in a window that is anything from one octave to all of them, of one sign or both;
    // some values missing, some zero; taken in parts, of several blocks or fewer.
    const uint32_t octaves = 1 + random() % (round % 2 == 0 ? 24 : 254);
    const uint32_t lowest = random() % (256 - octaves);
    const uint32_t signs = random() % 2;
    ExactMean mean;
    MeanOracle oracle;
    for (int part = 0; part < 3; ++part) {
      std::vector<float> values;
      for (uint64_t k = random() % 3000; k > 0; --k) {
        const uint32_t exponent = lowest + static_cast<uint32_t>(random() % octaves);
        const uint32_t sign = static_cast<uint32_t>(random()) & signs;
        const uint32_t bits =
            sign << 31 | exponent << 23 | (static_cast<uint32_t>(random()) & 0x7fffff);
        float value;
        std::memcpy(&value, &bits, sizeof(value));
        if (k % 17 == 0) value = NAN;
        if (k % 13 == 0) value = 0;
        values.push_back(value);
        oracle.Add(value);
      }
      if (part == 2) {
        mean.Add(MeanOf(values));
      } else {
        mean.Add(values);
      }
    }
    ASSERT_EQ(mean.count(), oracle.count());
    if (mean.count() == 0) continue;
    const float threshold = mean.LeastNotBelow();
    EXPECT_FALSE(oracle.Exceeds(threshold));
    EXPECT_TRUE(threshold == -FLT_MAX || oracle.Exceeds(std::nextafterf(threshold, -INFINITY)));
  }
}

// Sums whose high places cancel: what one of them rounded away is all that is left.
TEST(ExactMeanTest, NothingIsRoundedInAWindowOfAnyWidth) {
  std::mt19937_64 random(12);
  for (int octaves = 1; octaves <= 60; ++octaves) {
    for (int round = 0; round < 10; ++round) {
      // Nearly all in the highest octave, which makes the sums large; some in the lowest one.
      std::vector<float> values;
      for (int k = 0; k < 4096; ++k) {
        const float mantissa = static_cast<float>(1 << 23 | (random() & 0x7fffff) | 1);
        values.push_back(std::ldexp(mantissa, random() % 64 == 0 ? 0 : octaves));
      }
      ExactMean mean;
      mean.Add(values);
      for (float& value : values) value = -value;
      std::shuffle(values.begin(), values.end(), random);
      mean.Add(values);
      EXPECT_EQ(mean.LeastNotBelow(), 0) << octaves;
      const float least = 1e-45f;
      mean.Add({&least, 1});
      EXPECT_EQ(mean.LeastNotBelow(), least) << octaves;
    }
  }
}

Preference InfoBatch(double delta, uint32_t total_epochs, double ratio = .5) {
  Preference preference;
  preference.kind = Preference::Kind::kBelowMeanPruning;
  preference.delta = delta;
  preference.total_epochs = total_epochs;
  preference.ratio = ratio;
  return preference;
}

TEST(PruningTest, TwoHundredEpochsPrune175) {
  uint64_t pruned = 0;
  for (uint64_t epoch = 0; epoch < 200; ++epoch) pruned += Prunes(InfoBatch(.875, 200), epoch);
  EXPECT_EQ(pruned, 175);
  EXPECT_TRUE(Prunes(InfoBatch(.875, 200), 174));
  EXPECT_FALSE(Prunes(InfoBatch(.875, 200), 175));
}

TEST(PruningTest, AFractionOfEpochsThatIsNotWholeStillEndsPruning) {
  EXPECT_TRUE(Prunes(InfoBatch(.875, 10), 7));
  EXPECT_FALSE(Prunes(InfoBatch(.875, 10), 8));
  EXPECT_FALSE(Prunes(InfoBatch(.875, 10), 9));
}

TEST(PruningTest, KeepsAtLeastOneAndRoundsAsDecimals) {
  EXPECT_EQ(KeptCount(InfoBatch(.875, 10, .5), 1), 1);
  EXPECT_EQ(KeptCount(InfoBatch(.875, 10, .5), 7), 3);
  EXPECT_EQ(KeptCount(InfoBatch(.875, 10, .9), 10), 1);
  EXPECT_EQ(KeptCount(InfoBatch(.875, 10, .71), 100), 29);
}

TEST(PruningTest, OnlyScoredSamplesBelowTheMeanOfTheScoredAreLow) {
  const Scores scores({1, NAN, 2, 3, NAN, 10});  // mean 4
  const SampleSet low =
      BelowMean(PreferredScores(scores.view(), {6, nullptr}), {6, nullptr}, false);
  const std::vector<bool> expected = {true, false, true, true, false, false};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(low.Contains(i), expected[i]) << i;
}

TEST(PruningTest, MeansCanBeOfEachStratum) {
  const Scores scores({1, 2, 30, 10});
  ASSERT_OK_AND_ASSIGN(const auto strata, StrataOf(std::vector<uint8_t>{0, 0, 1, 1}));
  const SampleSet low = BelowMean(PreferredScores(scores.view(), {4, strata}), {4, strata}, true);
  const std::vector<bool> expected = {true, false, false, true};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(low.Contains(i), expected[i]) << i;
}

// What is read of the scores, and where it lies: in place over borders of chunks and parts, a
// chunk that is not there, from a column of the dataset, less what is irreducible.
TEST(PruningTest, ScoresOfAnyKindArePrunedAsTheOracleDoes) {
  const uint64_t n = 2 * kChunkSamples + 1777;
  std::mt19937_64 random(5);
  std::vector<float> loss(n);
  std::vector<double> column(n);
  std::vector<float> irreducible(n);
  for (uint64_t i = 0; i < n; ++i) {
    loss[i] = random() % 9 == 0 ? NAN : static_cast<float>(random() % 1000) / 100;
    column[i] = static_cast<double>(random() % 1000) / 7;
    irreducible[i] = static_cast<float>(random() % 300) / 100;
  }
  const auto chunks = [n](const auto& values) {
    std::vector<const void*> pointers;
    for (uint64_t i = 0; i < n; i += kChunkSamples) pointers.push_back(&values[i]);
    return pointers;
  };
  std::vector<const float*> reported = {loss.data(), nullptr, loss.data() + 2 * kChunkSamples};
  for (uint64_t i = kChunkSamples; i < 2 * kChunkSamples; ++i) loss[i] = NAN;
  const auto column_chunks = chunks(column);
  const auto irreducible_chunks = chunks(irreducible);
  PlanInput input;
  input.num_samples = n;
  input.columns.scores["loss"] = {reported};
  input.columns.dataset["column"] = {ColumnView::Type::kFloat64, column_chunks};
  input.columns.dataset["il"] = {ColumnView::Type::kFloat32, irreducible_chunks};
  const Population population = {n, nullptr};
  for (const bool reads_column : {false, true}) {
    for (const bool less : {false, true}) {
      input.spec.preference = InfoBatch(.875, 10);
      input.spec.preference.score = "loss";
      if (reads_column) input.spec.preference.column = "column";
      if (less) input.spec.preference.irreducible = "il";
      std::vector<float> scores(n);
      MeanOracle oracle;
      for (uint64_t i = 0; i < n; ++i) {
        const double score = reads_column ? column[i] : loss[i];
        scores[i] = static_cast<float>(less ? score - irreducible[i] : score);
        oracle.Add(scores[i]);
      }
      const SampleSet low = BelowMean(PreferredScores(input, population), population, false);
      uint64_t wrong = 0;
      for (uint64_t i = 0; i < n; ++i) {
        wrong += low.Contains(i) != (scores[i] == scores[i] && oracle.Exceeds(scores[i]));
      }
      EXPECT_EQ(wrong, 0u) << reads_column << less;
    }
  }
}

TEST(PruningTest, NothingIsLowWhereNothingIsScored) {
  const SampleSet none =
      BelowMean(PreferredScores(ScoreView{}, {100, nullptr}), {100, nullptr}, false);
  const std::vector<const float*> absent(1);
  const SampleSet null_chunk =
      BelowMean(PreferredScores(ScoreView{absent}, {100, nullptr}), {100, nullptr}, false);
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_FALSE(none.Contains(i));
    EXPECT_FALSE(null_chunk.Contains(i));
  }
}

}  // namespace
}  // namespace subset::sampling
