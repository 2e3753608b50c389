// Slots by time are those that sorting finds, whoever works on the parts.

#include "sampling/time_order.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/thread_executor.h"
#include "gtest/gtest.h"
#include "sampling/parts.h"

namespace subset::sampling {
namespace {

constexpr PhiloxKey kTies = {3, 5};

template <typename T>
ColumnView ColumnOf(const std::vector<T>& values, ColumnView::Type type,
                    std::vector<const void*>* chunks) {
  for (uint64_t first = 0; first < values.size(); first += kChunkSamples) {
    chunks->push_back(&values[first]);
  }
  return {type, *chunks};
}

// The obvious slow way.
template <typename T>
std::vector<uint32_t> Sorted(const std::vector<T>& times, const Population& population) {
  std::vector<std::tuple<T, uint64_t, uint32_t>> moments;
  for (uint32_t slot = 0; slot < population.size(); ++slot) {
    const uint32_t sample = population.sample(slot);
    if (times[sample] != times[sample]) continue;
    moments.emplace_back(times[sample], BlockLow(Philox(kTies, sample)), slot);
  }
  std::sort(moments.begin(), moments.end());
  std::vector<uint32_t> slots;
  for (const auto& moment : moments) slots.push_back(std::get<2>(moment));
  return slots;
}

// Some samples, the odd ones behind the even ones.
Population TwoStrata(uint64_t num_samples) {
  auto strata = std::make_shared<Strata>();
  strata->values = {0, 1};
  std::vector<uint32_t> members;
  strata->offsets.push_back(0);
  for (uint64_t remainder = 0; remainder < 2; ++remainder) {
    for (uint64_t i = remainder; i < num_samples; i += 2) {
      if (i % 7 != 3) members.push_back(static_cast<uint32_t>(i));
    }
    strata->offsets.push_back(members.size());
  }
  strata->members = HugeArray<uint32_t>(members.size());
  std::copy(members.begin(), members.end(), strata->members.data());
  Population population;
  population.num_samples = num_samples;
  population.strata = std::move(strata);
  return population;
}

template <typename T>
void ExpectAsSorted(const std::vector<T>& times, ColumnView::Type type) {
  const ThreadExecutor threads(3);
  std::vector<const void*> chunks;
  const ColumnView column = ColumnOf(times, type, &chunks);
  Population all;
  all.num_samples = times.size();
  for (const Population& population : {all, TwoStrata(times.size())}) {
    const std::vector<uint32_t> sorted = Sorted(times, population);
    ASSERT_EQ(SlotsByTime(column, population, kTies, nullptr), sorted);
    ASSERT_EQ(SlotsByTime(column, population, kTies, &threads), sorted);
  }
}

constexpr uint64_t kSizes[] = {2, 63, 1000, kPartSize, kPartSize + 1, 2 * kPartSize + 77};

TEST(TimeOrderTest, WholeTimesAreInOrder) {
  std::mt19937_64 random(1);
  for (const uint64_t size : kSizes) {
    SCOPED_TRACE(size);
    std::vector<int64_t> nanoseconds, any, alike(size, 42);
    std::vector<uint32_t> days;
    for (uint64_t k = 0; k < size; ++k) {
      // Closer than doubles tell apart, in three clusters that 32 bits do.
      nanoseconds.push_back(1764158853000000000 + static_cast<int64_t>(random() % 86400) +
                            static_cast<int64_t>(random() % 3) * 3600000000000);
      any.push_back(static_cast<int64_t>(random()));
      days.push_back(static_cast<uint32_t>(random() % 30));
    }
    any[0] = std::numeric_limits<int64_t>::max();
    any[1] = std::numeric_limits<int64_t>::min();
    ExpectAsSorted(nanoseconds, ColumnView::Type::kInt64);
    ExpectAsSorted(any, ColumnView::Type::kInt64);
    ExpectAsSorted(alike, ColumnView::Type::kInt64);
    ExpectAsSorted(days, ColumnView::Type::kUint32);
  }
}

TEST(TimeOrderTest, FractionsAreInOrderAndWhatIsMissingIsLeftOut) {
  std::mt19937_64 random(2);
  const double odd[] = {NAN, -NAN, 0, -0., 1e-320, -1e300, INFINITY, -INFINITY, 3};
  for (const uint64_t size : kSizes) {
    SCOPED_TRACE(size);
    std::vector<double> spread, few, missing(size, NAN);
    std::vector<float> narrow;
    for (uint64_t k = 0; k < size; ++k) {
      spread.push_back(std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 99)));
      few.push_back(odd[random() % 9]);
      narrow.push_back(static_cast<float>(odd[random() % 9]));
    }
    ExpectAsSorted(spread, ColumnView::Type::kFloat64);
    ExpectAsSorted(few, ColumnView::Type::kFloat64);
    ExpectAsSorted(missing, ColumnView::Type::kFloat64);
    ExpectAsSorted(narrow, ColumnView::Type::kFloat32);
  }
}

}  // namespace
}  // namespace subset::sampling
