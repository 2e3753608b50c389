#include "sampling/split_slots.h"

#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "base/thread_executor.h"
#include "gtest/gtest.h"
#include "sampling/parts.h"
#include "sampling/simd.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

// The slots by number, written out: those in the set, then the others.
std::vector<uint32_t> Written(const Population& population, const SampleSet& set) {
  std::vector<uint32_t> slots;
  for (const bool contained : {true, false}) {
    for (uint64_t slot = 0; slot < population.size(); ++slot) {
      if (set.Contains(population.sample(slot)) == contained) {
        slots.push_back(static_cast<uint32_t>(slot));
      }
    }
  }
  return slots;
}

void ExpectAsWritten(const Population& population, const SampleSet& set,
                     const Executor* executor = nullptr) {
  const SplitSlots split(population, set, executor);
  const std::vector<uint32_t> written = Written(population, set);
  std::vector<uint32_t> found(written.size());
  std::iota(found.begin(), found.end(), 0);
  split.Find(absl::MakeSpan(found));
  EXPECT_TRUE(found == written) << "in order";

  std::vector<uint32_t> numbers(2000);
  std::mt19937_64 random(1);
  for (uint32_t& number : numbers) number = static_cast<uint32_t>(random() % written.size());
  std::vector<uint32_t> slots = numbers;
  split.Find(absl::MakeSpan(slots));
  uint64_t wrong = 0;
  for (size_t k = 0; k < slots.size(); ++k) wrong += slots[k] != written[numbers[k]];
  EXPECT_EQ(wrong, 0u) << "of both halves, in any order";

  uint64_t contained = 0;
  const uint64_t num_contained = split.NumberFrom(population.size(), true);
  for (uint64_t slot = 0; slot <= population.size(); ++slot) {
    ASSERT_EQ(split.NumberFrom(slot, true), contained);
    ASSERT_EQ(split.NumberFrom(slot, false), num_contained + slot - contained);
    if (slot < population.size()) contained += set.Contains(population.sample(slot));
  }
}

class SplitSlotsTest : public testing::TestWithParam<SimdLevel> {
  ScopedSimdLimit limit_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Levels, SplitSlotsTest,
                         testing::Values(SimdLevel::kPortable, SimdLevel::kAvx2,
                                         SimdLevel::kAvx512));

// Sets that are even, sparse, in runs, in one place, everything and nothing.
const std::vector<std::function<bool(uint64_t i, uint64_t n, uint64_t random)>> kSets = {
    [](uint64_t, uint64_t, uint64_t random) { return random % 2 == 0; },
    [](uint64_t, uint64_t, uint64_t random) { return random % 1000 == 0; },
    [](uint64_t, uint64_t, uint64_t random) { return random % 1000 != 0; },
    [](uint64_t i, uint64_t, uint64_t) { return i / 700 % 3 == 0; },
    [](uint64_t i, uint64_t, uint64_t) { return i / 9000 % 2 == 0; },
    [](uint64_t i, uint64_t n, uint64_t random) {
      return i > n / 2 && i < n * 3 / 5 && random % 4;
    },
    [](uint64_t i, uint64_t n, uint64_t) { return i == 0 || i + 1 == n; },
    [](uint64_t, uint64_t, uint64_t) { return true; },
    [](uint64_t, uint64_t, uint64_t) { return false; },
};

TEST_P(SplitSlotsTest, FindsWhatIsWritten) {
  std::mt19937_64 random(2);
  for (const uint64_t n : {1, 2, 63, 64, 65, 255, 256, 257, 1024, 40000, 65536, 65537}) {
    for (size_t s = 0; s < kSets.size(); ++s) {
      SCOPED_TRACE(testing::Message() << n << " samples, set " << s);
      SampleSet set(n);
      for (uint64_t i = 0; i < n; ++i) {
        if (kSets[s](i, n, random())) set.Insert(i);
      }
      ExpectAsWritten({n, nullptr}, set);
    }
  }
}

TEST_P(SplitSlotsTest, SlotsAreThoseOfTheStrata) {
  std::mt19937_64 random(3);
  for (const uint64_t n : {100, 5000, 30000}) {
    std::vector<uint16_t> labels;
    SampleSet set(n);
    SampleSet eligible(n);
    for (uint64_t i = 0; i < n; ++i) {
      labels.push_back(static_cast<uint16_t>(random() % 30));
      if (random() % 3 == 0) set.Insert(i);
      if (random() % 5 != 0) eligible.Insert(i);
    }
    ASSERT_OK_AND_ASSIGN(const auto strata, StrataOf(labels));
    ExpectAsWritten({n, strata}, set);
    ExpectAsWritten({n, RestrictStrata(*strata, eligible)}, set);
  }
}

TEST(SplitSlotsPartsTest, AreTheSameWhoeverWorksOnThem) {
  const uint64_t n = 2 * kPartSize + 777;
  std::mt19937_64 random(4);
  SampleSet set(n);
  std::vector<uint8_t> labels;
  for (uint64_t i = 0; i < n; ++i) {
    if (random() % 3 == 0) set.Insert(i);
    labels.push_back(static_cast<uint8_t>(random() % 7));
  }
  const ThreadExecutor executor(3);
  ASSERT_OK_AND_ASSIGN(const auto strata, StrataOf(labels));
  ExpectAsWritten({n, nullptr}, set, &executor);
  ExpectAsWritten({n, strata}, set, &executor);
}

}  // namespace
}  // namespace subset::sampling
