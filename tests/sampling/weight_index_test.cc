#include "sampling/weight_index.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/parts.h"
#include "sampling/permutation.h"
#include "sampling/philox.h"
#include "sampling/simd.h"
#include "tests/sampling/chi_square.h"

namespace subset::sampling {
namespace {

// The obvious slow form of the index.
class LinearIndex {
 public:
  explicit LinearIndex(std::vector<Leaf> leaves) : leaves_(std::move(leaves)) {}

  uint64_t PrefixSum(uint64_t slot) const {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < slot; ++i) sum += LeafWeight(leaves_[i]);
    return sum;
  }
  uint64_t total() const { return PrefixSum(leaves_.size()); }
  uint32_t Find(uint64_t target) const {
    uint32_t slot = 0;
    while (target >= LeafWeight(leaves_[slot])) target -= LeafWeight(leaves_[slot++]);
    return slot;
  }
  void Set(uint32_t slot, Leaf leaf) { leaves_[slot] = leaf; }
  const std::vector<Leaf>& leaves() const { return leaves_; }

 private:
  std::vector<Leaf> leaves_;
};

void ExpectFinds(const WeightIndex& index, const LinearIndex& oracle,
                 const std::vector<uint64_t>& targets) {
  std::vector<uint32_t> slots(targets.size());
  std::vector<uint32_t> weights(targets.size());
  index.Find(targets, absl::MakeSpan(slots), absl::MakeSpan(weights));
  for (size_t i = 0; i < targets.size(); ++i) {
    ASSERT_EQ(slots[i], oracle.Find(targets[i])) << "target " << targets[i];
    ASSERT_EQ(weights[i], LeafWeight(oracle.leaves()[slots[i]]));
  }
}

class WeightIndexTest : public ::testing::TestWithParam<SimdLevel> {
 protected:
  ScopedSimdLimit limit_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Levels, WeightIndexTest,
                         ::testing::Values(SimdLevel::kPortable, SimdLevel::kAvx2,
                                           SimdLevel::kAvx512));

TEST_P(WeightIndexTest, AgreesWithALinearScanThroughRandomChanges) {
  const PhiloxKey key = {1, 2};
  uint64_t counter = 0;
  const auto random = [&](uint64_t n) { return UniformInt(key, counter++, n); };
  // A third of the leaves are 0, a third small, a third anything.
  const auto random_leaf = [&]() -> Leaf {
    const uint64_t kind = random(3);
    return kind == 0 ? 0 : static_cast<Leaf>(random(kind == 1 ? 20 : 65536));
  };
  for (const uint64_t n : {1, 2, 31, 32, 33, 255, 256, 257, 2047, 2048, 2049, 5000, 16385}) {
    std::vector<Leaf> leaves(n);
    for (Leaf& leaf : leaves) leaf = random_leaf();
    WeightIndex index(leaves);
    LinearIndex oracle(leaves);
    for (int round = 0; round < 30; ++round) {
      ASSERT_EQ(index.total(), oracle.total());
      if (index.total() > 0) {
        std::vector<uint64_t> targets(1 + random(600));  // up to three groups of a walk
        for (uint64_t& target : targets) target = random(index.total());
        targets[0] = 0;
        targets.back() = index.total() - 1;
        ExpectFinds(index, oracle, targets);
      }
      const uint64_t slot = random(n + 1);
      ASSERT_EQ(index.PrefixSum(slot), oracle.PrefixSum(slot));
      std::vector<uint32_t> slots(random(100));
      std::vector<Leaf> changes(slots.size());
      std::vector<Leaf> expected_replaced(slots.size());
      for (size_t i = 0; i < slots.size(); ++i) {
        slots[i] = static_cast<uint32_t>(random(i % 2 == 0 ? n : (n + 9) / 10));  // some repeat
        changes[i] = random_leaf();
        expected_replaced[i] = oracle.leaves()[slots[i]];
        oracle.Set(slots[i], changes[i]);
      }
      std::vector<Leaf> replaced(round % 2 == 0 ? slots.size() : 0);
      index.Set(slots, changes, absl::MakeSpan(replaced));
      if (round % 2 == 0) {
        ASSERT_EQ(replaced, expected_replaced);
      }
      ASSERT_EQ(std::vector<Leaf>(index.leaves().begin(), index.leaves().end()), oracle.leaves());
    }
  }
}

// Leaves that cover the whole range, a tenth of them 0.
std::vector<Leaf> MixedLeaves(uint64_t n, uint32_t seed) {
  std::vector<Leaf> leaves(n);
  for (uint64_t i = 0; i < n; ++i) {
    const PhiloxBlock block = Philox({seed, 77}, i);
    leaves[i] = block[0] % 10 == 0 ? 0 : static_cast<Leaf>(block[1] % 30000);
  }
  return leaves;
}

std::pair<std::vector<uint32_t>, std::vector<uint32_t>> Find(const WeightIndex& index,
                                                             const std::vector<uint64_t>& targets) {
  std::vector<uint32_t> slots(targets.size());
  std::vector<uint32_t> weights(targets.size());
  index.Find(targets, absl::MakeSpan(slots), absl::MakeSpan(weights));
  return {slots, weights};
}

TEST_P(WeightIndexTest, EveryTargetFindsItsSlotAndNoneFindsAZero) {
  for (const uint64_t n : {1, 2, 3, 31, 32, 33, 64, 257, 300, 2049, 3000}) {
    std::vector<Leaf> leaves(n);
    for (uint64_t i = 0; i < n; ++i) {
      leaves[i] = static_cast<Leaf>(UniformInt({3, 4}, i, 4) % 3 * (1 + i % 5));
    }
    leaves[n / 2] = 1;  // not all zero
    const WeightIndex index(leaves);
    std::vector<uint64_t> targets(index.total());
    std::iota(targets.begin(), targets.end(), 0);
    const auto [slots, weights] = Find(index, targets);
    uint64_t target = 0;
    for (uint64_t slot = 0; slot < n; ++slot) {
      for (uint32_t i = 0; i < LeafWeight(leaves[slot]); ++i, ++target) {
        ASSERT_EQ(slots[target], slot) << "n " << n << " target " << target;
        ASSERT_EQ(weights[target], LeafWeight(leaves[slot]));
      }
    }
    ASSERT_EQ(target, targets.size());
  }
}

// Several levels of nodes: both ends of the ranges of slots all over, and every line's first slot.
TEST_P(WeightIndexTest, RangesMeetAtPrefixSumsInALargeIndex) {
  for (const uint64_t n : {65535, 65536, 65537, 524289, 3000001}) {
    const std::vector<Leaf> leaves = MixedLeaves(n, 5);
    const WeightIndex index(leaves);
    std::vector<uint64_t> targets;
    std::vector<uint32_t> expected;
    uint64_t sum = 0;
    for (uint64_t slot = 0; slot < n; ++slot) {
      const uint32_t weight = LeafWeight(leaves[slot]);
      if (slot % 32 == 0 || slot + 1 == n || slot % 97 == 0) {
        ASSERT_EQ(index.PrefixSum(slot), sum);
        if (weight > 0) {
          targets.insert(targets.end(), {sum, sum + weight - 1});
          expected.insert(expected.end(), 2, static_cast<uint32_t>(slot));
        }
      }
      sum += weight;
    }
    ASSERT_EQ(index.total(), sum);
    ASSERT_EQ(index.PrefixSum(n), sum);
    ASSERT_EQ(Find(index, targets).first, expected) << n;
  }
}

TEST_P(WeightIndexTest, AllLeavesAtTheirLargestDoNotOverflow) {
  constexpr uint64_t n = 1000003;
  const WeightIndex index(std::vector<Leaf>(n, 0xffff));
  ASSERT_EQ(index.total(), n * kMaxLeafWeight);
  std::vector<uint64_t> targets;
  for (uint64_t slot = 0; slot < n; ++slot) {
    targets.push_back(slot * kMaxLeafWeight + (slot % 2 == 0 ? 0 : kMaxLeafWeight - 1));
  }
  const auto [slots, weights] = Find(index, targets);
  for (uint64_t slot = 0; slot < n; ++slot) {
    ASSERT_EQ(slots[slot], slot);
    ASSERT_EQ(weights[slot], kMaxLeafWeight);
  }
}

TEST_P(WeightIndexTest, OneDominatingWeightLeavesTheOthersReachable) {
  constexpr uint64_t n = 100000;
  for (const uint32_t big : {0u, 31u, 50000u, 99999u}) {
    WeightIndex index(std::vector<Leaf>(n, 1));
    index.Set({big}, {0xffff});
    ASSERT_EQ(index.total(), kMaxLeafWeight + n - 1);
    std::vector<uint64_t> targets;
    std::vector<uint32_t> expected;
    for (uint32_t slot = 0; slot < n; ++slot) {
      targets.push_back(index.PrefixSum(slot));
      expected.push_back(slot);
    }
    targets.push_back(uint64_t{big} + kMaxLeafWeight - 1);
    expected.push_back(big);
    ASSERT_EQ(Find(index, targets).first, expected);
  }
}

TEST_P(WeightIndexTest, TheLastValueOfARepeatedSlotStays) {
  WeightIndex index(std::vector<Leaf>(100, 5));
  index.Set({7, 8, 7, 7}, {1, 2, 60000, 3});
  EXPECT_EQ(index.leaf(7), 3);
  EXPECT_EQ(index.leaf(8), 2);
  EXPECT_EQ(index.total(), 98 * 5 + 3 + 2);
  EXPECT_EQ(index.PrefixSum(9), 7 * 5 + 3 + 2);
}

TEST_P(WeightIndexTest, StateDependsOnTheLeavesOnlyNotOnTheWayThere) {
  constexpr uint64_t n = 70001;
  const std::vector<Leaf> final_leaves = MixedLeaves(n, 6);
  std::vector<uint32_t> order(n);
  Permutation(n, {9, 9}).Fill(0, absl::MakeSpan(order));
  std::vector<Leaf> ordered(n);
  for (uint64_t i = 0; i < n; ++i) ordered[i] = final_leaves[order[i]];

  const WeightIndex built(final_leaves);
  WeightIndex from_zero(std::vector<Leaf>(n, 0));
  from_zero.Set(order, ordered);
  WeightIndex wandered(MixedLeaves(n, 7));
  for (const uint32_t seed : {8, 9}) wandered.Set(order, MixedLeaves(n, seed));
  std::reverse(order.begin(), order.end());
  std::reverse(ordered.begin(), ordered.end());
  for (uint64_t i = 0; i < n; i += 1000) {
    const uint64_t count = std::min<uint64_t>(1000, n - i);
    wandered.Set(absl::MakeSpan(order).subspan(i, count),
                 absl::MakeSpan(ordered).subspan(i, count));
  }

  std::vector<uint64_t> targets(200000);
  for (uint64_t i = 0; i < targets.size(); ++i) targets[i] = UniformInt({1, 1}, i, built.total());
  const auto expected = Find(built, targets);
  for (const WeightIndex* other : {&from_zero, &wandered}) {
    ASSERT_EQ(other->leaves(), built.leaves());
    ASSERT_EQ(other->total(), built.total());
    for (uint64_t slot = 0; slot <= n; ++slot) {
      ASSERT_EQ(other->PrefixSum(slot), built.PrefixSum(slot)) << slot;
    }
    ASSERT_EQ(Find(*other, targets), expected);
  }
}

TEST_P(WeightIndexTest, DrawsAreProportionalToWeightsAfterUpdates) {
  constexpr uint64_t n = 200000;
  constexpr uint64_t kDraws = 8000000;
  WeightIndex index(MixedLeaves(n, 10));
  std::vector<uint32_t> slots;
  for (uint32_t i = 0; i < n; i += 3) slots.push_back(i);
  index.Set(slots, MixedLeaves(slots.size(), 11));

  std::vector<uint64_t> counts(n);
  std::vector<uint64_t> targets(8192);
  for (uint64_t begin = 0; begin < kDraws; begin += targets.size()) {
    for (size_t i = 0; i < targets.size(); ++i) {
      targets[i] = UniformInt({12, 13}, begin + i, index.total());
    }
    for (const uint32_t slot : Find(index, targets).first) ++counts[slot];
  }
  const uint64_t draws = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  std::vector<double> expected(n);
  for (uint64_t slot = 0; slot < n; ++slot) {
    expected[slot] = static_cast<double>(draws) * LeafWeight(index.leaf(slot)) /
                     static_cast<double>(index.total());
  }
  EXPECT_LT(std::abs(ChiSquareScore(counts, expected)), kOneInAMillion);
}

TEST(WeightIndexSizeTest, CopiesAreIndependentAndMovesKeepTheWeights) {
  WeightIndex index(std::vector<Leaf>(100, 5));
  WeightIndex copy = index;
  copy.Set({3}, {9});
  EXPECT_EQ(index.leaf(3), 5);
  EXPECT_EQ(index.total(), 500);
  EXPECT_EQ(copy.total(), 504);
  const WeightIndex moved = std::move(copy);
  EXPECT_EQ(moved.PrefixSum(4), 24);
}

TEST(WeightIndexSizeTest, PartsAreSummedInAnyOrder) {
  for (const uint64_t n : {uint64_t{1}, kPartSize, kPartSize + 1, 3 * kPartSize - 31}) {
    std::vector<Leaf> leaves(n);
    for (uint64_t slot = 0; slot < n; ++slot) leaves[slot] = static_cast<Leaf>(slot % 1001);
    const WeightIndex forwards(leaves);
    uint64_t sum = 0;
    const WeightIndex backwards(n, [&](absl::Span<Leaf> out, SumPart sum_part) {
      ASSERT_EQ(out.size(), n);
      for (size_t part = NumParts(n); part-- > 0;) {
        const uint64_t first = part * kPartSize;
        const uint64_t last = std::min(first + kPartSize, n);
        for (uint64_t slot = first; slot < last; ++slot) {
          EXPECT_EQ(out[slot], 0);
          out[slot] = leaves[slot];
        }
        sum += sum_part(first, last).total;
      }
    });
    EXPECT_EQ(backwards.total(), sum);
    for (uint64_t slot = 0; slot < n; slot += 97) {
      ASSERT_EQ(backwards.leaf(slot), leaves[slot]);
      ASSERT_EQ(backwards.PrefixSum(slot), forwards.PrefixSum(slot));
    }
  }
}

TEST(WeightIndexSizeTest, TakesLessThanTwoPointThreeBytesASlot) {
  constexpr uint64_t n = 10000000;
  const WeightIndex index(n, [n](absl::Span<Leaf>, SumPart sum_part) {
    for (uint64_t first = 0; first < n; first += kPartSize) {
      sum_part(first, std::min(first + kPartSize, n));
    }
  });
  EXPECT_LT(static_cast<double>(index.memory_bytes()), 2.3 * n);
  EXPECT_EQ(index.total(), 0);
}

}  // namespace
}  // namespace subset::sampling
