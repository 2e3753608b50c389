#include "sampling/weight_index.h"

#include <cstdint>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/philox.h"
#include "sampling/simd.h"

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
        std::vector<uint64_t> targets(1 + random(70));
        for (uint64_t& target : targets) target = random(index.total());
        targets[0] = 0;
        targets.back() = index.total() - 1;
        ExpectFinds(index, oracle, targets);
      }
      const uint64_t slot = random(n + 1);
      ASSERT_EQ(index.PrefixSum(slot), oracle.PrefixSum(slot));
      std::vector<uint32_t> slots(random(100));
      std::vector<Leaf> changes(slots.size());
      for (size_t i = 0; i < slots.size(); ++i) {
        slots[i] = static_cast<uint32_t>(random(i % 2 == 0 ? n : (n + 9) / 10));  // some repeat
        changes[i] = random_leaf();
        oracle.Set(slots[i], changes[i]);
      }
      index.Set(slots, changes);
      ASSERT_EQ(std::vector<Leaf>(index.leaves().begin(), index.leaves().end()), oracle.leaves());
    }
  }
}

}  // namespace
}  // namespace subset::sampling
