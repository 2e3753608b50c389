// Bands of ranks are those that sorting finds, whoever works on the parts.

#include "sampling/ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include "base/thread_executor.h"
#include "gtest/gtest.h"

namespace subset::sampling {
namespace {

constexpr PhiloxKey kTies = {7, 11};

// Numbers of samples that have gaps between them, as those of a stratum, or follow each other but
// for one, as where a stratum ends.
template <typename T>
struct Numbers {
  using Value = T;

  std::vector<T> values;
  bool gaps = false;

  uint64_t size() const { return values.size(); }
  uint64_t sample(uint64_t k) const {
    if (k == values.size() / 3) return 1u << 30;
    return gaps ? 3 * k + 5 : k + 5;
  }
  absl::Span<const T> Read(uint64_t first, uint64_t count, T*) const {
    return absl::MakeConstSpan(values).subspan(first, count);
  }
};

// The obvious slow way.
template <typename T>
class Sorted {
 public:
  explicit Sorted(const Numbers<T>& numbers) : size_(numbers.size()) {
    for (uint64_t k = 0; k < numbers.size(); ++k) {
      if (numbers.values[k] != numbers.values[k]) {
        missing_.push_back(k);
      } else {
        ranked_.push_back({numbers.values[k], Philox(kTies, numbers.sample(k))[0], k});
      }
    }
    std::sort(ranked_.begin(), ranked_.end());
  }

  uint64_t count() const { return ranked_.size(); }

  SampleSet Between(uint64_t begin, uint64_t end, bool missing) const {
    SampleSet set(size_);
    for (uint64_t rank = begin; rank < end; ++rank) set.Insert(std::get<2>(ranked_[rank]));
    if (missing) {
      for (const uint64_t k : missing_) set.Insert(k);
    }
    return set;
  }

 private:
  uint64_t size_;
  std::vector<std::tuple<T, uint32_t, uint64_t>> ranked_;
  std::vector<uint64_t> missing_;
};

template <typename T>
void ExpectAsSorted(Numbers<T> numbers, std::mt19937_64& random) {
  numbers.gaps = random() % 2 == 0;
  const ThreadExecutor threads(3);
  const Sorted<T> sorted(numbers);
  const uint64_t n = sorted.count();
  std::vector<std::pair<uint64_t, uint64_t>> bands = {{0, n}, {0, 0}, {n, n}, {0, n / 2}};
  if (n > 0) {
    const uint64_t begin = random() % n;
    bands.insert(bands.end(), {{0, 1}, {n - 1, n}, {begin, begin + random() % (n - begin + 1)}});
  }
  for (const Executor* executor :
       {static_cast<const Executor*>(nullptr), static_cast<const Executor*>(&threads)}) {
    const Ranking<Numbers<T>> ranking(numbers, kTies, executor);
    for (const auto& band : bands) {
      const bool missing = random() % 2 == 0;
      uint64_t ranked = n + 1;
      const auto band_of = [&](uint64_t count) {
        ranked = count;
        const auto part = [&](uint64_t rank) { return n == 0 ? 0 : rank * count / n; };
        return RankBand{part(band.first), part(band.second)};
      };
      ASSERT_TRUE(ranking.Between(band_of, missing).words() ==
                  sorted.Between(band.first, band.second, missing).words())
          << "ranks " << band.first << " .. " << band.second << " of " << n;
      ASSERT_EQ(ranked, n);
    }
  }
}

// Around a word, a piece, a part, and what is few enough to sort.
constexpr uint64_t kSizes[] = {
    1, 63, 64, 65, 1025, (1 << 16), kPartSize, kPartSize + 1, 2 * kPartSize + 77};

template <typename T>
void ExpectFloatsAsSorted() {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  std::mt19937_64 random(5);
  std::exponential_distribution<T> exponential;
  for (const uint64_t size : kSizes) {
    SCOPED_TRACE(size);
    Numbers<T> spread, tied, alike, missing, odd, outlier;
    const T few[] = {kNan, -kNan, kInfinity, -kInfinity, T{0}, -T{0}, -T{1}, T{1e-40}, T{3}};
    for (uint64_t k = 0; k < size; ++k) {
      spread.values.push_back(exponential(random) - T{.5});
      tied.values.push_back(random() % 5 == 0 ? kNan : static_cast<T>(random() % 4) - 1);
      alike.values.push_back(T{2});
      missing.values.push_back(kNan);
      odd.values.push_back(few[random() % 9]);
      outlier.values.push_back(k == size / 2 ? T{1e30} : 1 + static_cast<T>(random() % 1000) / 999);
    }
    for (const auto* numbers : {&spread, &tied, &alike, &missing, &odd, &outlier}) {
      ExpectAsSorted(*numbers, random);
    }
  }
}

TEST(RankingTest, FloatsAreRankedAsSortingDoes) { ExpectFloatsAsSorted<float>(); }

TEST(RankingTest, DoublesAreRankedAsSortingDoes) { ExpectFloatsAsSorted<double>(); }

template <typename T>
void ExpectIntegersAsSorted() {
  std::mt19937_64 random(6);
  for (const uint64_t size : kSizes) {
    SCOPED_TRACE(size);
    Numbers<T> any, extremes;
    for (uint64_t k = 0; k < size; ++k) {
      any.values.push_back(static_cast<T>(random()));
      const T few[] = {std::numeric_limits<T>::min(), 0, 1, std::numeric_limits<T>::max()};
      extremes.values.push_back(few[random() % 4]);
    }
    ExpectAsSorted(any, random);
    ExpectAsSorted(extremes, random);
  }
}

TEST(RankingTest, IntegersAreRankedAsSortingDoes) {
  ExpectIntegersAsSorted<uint8_t>();
  ExpectIntegersAsSorted<uint16_t>();
  ExpectIntegersAsSorted<uint32_t>();
  ExpectIntegersAsSorted<int64_t>();
}

}  // namespace
}  // namespace subset::sampling
