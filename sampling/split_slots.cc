#include "sampling/split_slots.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstddef>

#include "absl/numeric/bits.h"
#include "sampling/leaf_math.h"
#include "sampling/parts.h"
#include "sampling/simd.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kWord = 64;
constexpr size_t kBlockWords = 4;
constexpr uint64_t kBlock = kBlockWords * kWord;
constexpr uint64_t kNear = 2;   // blocks looked at next to a hint
constexpr size_t kGroup = 128;  // numbers found at a time, so that their cache misses overlap

// An entry of the directory: how many slots of a half lie before a block; and, in three fields,
// how many in its first word, in its first two, in its first three.
constexpr int kField = 10;  // bits: 8 for a count, one more for a comparison, one to spare
constexpr int kBefore = 3 * kField;
constexpr uint64_t kOnes = 1 | uint64_t{1} << kField | uint64_t{1} << (2 * kField);
constexpr uint64_t kHighBit = uint64_t{1} << (kField - 1);
constexpr uint64_t kFieldMask = (uint64_t{1} << kField) - 1;
constexpr uint64_t kEntryOfOnes = kWord | 2 * kWord << kField | 3 * kWord << (2 * kField);

// What the slots of a half are found in.
template <bool kOther>
struct Half {
  const uint64_t* words;
  const uint64_t* entries;
  const uint32_t* hints;
  int shift;

  SUBSET_ALWAYS_INLINE uint64_t Word(uint64_t w) const { return kOther ? ~words[w] : words[w]; }

  SUBSET_ALWAYS_INLINE uint64_t Entry(uint64_t block) const {
    const uint64_t entry = entries[block];
    return kOther ? (block * kBlock << kBefore) + kEntryOfOnes - entry : entry;
  }
  SUBSET_ALWAYS_INLINE uint64_t Before(uint64_t block) const {
    const uint64_t before = entries[block] >> kBefore;
    return kOther ? block * kBlock - before : before;
  }

  // Returns the block of the slot of this rank, from kNear blocks after that of its hint on.
  uint64_t BlockFrom(uint64_t low, uint64_t rank) const {
    uint64_t high = hints[(rank >> shift) + 1];
    while (low < high) {
      const uint64_t middle = (low + high + 1) / 2;
      if (Before(middle) <= rank) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }
};

// Returns the place of the bit of `word` that has `rank` set bits below it.
struct SelectBySteps {
  SUBSET_ALWAYS_INLINE static uint64_t Bit(uint64_t word, uint64_t rank) {
    uint64_t place = 0;
    for (uint64_t half = 32; half > 0; half /= 2) {
      const uint64_t low = word & ((uint64_t{1} << half) - 1);
      const auto below = static_cast<uint64_t>(absl::popcount(low));
      const uint64_t above = rank >= below ? ~uint64_t{0} : 0;
      rank -= below & above;
      place += half & above;
      word >>= half & above;
    }
    return place;
  }
};

// Puts slots of a half in the place of their ranks in it, at most kGroup of them. In several loops:
// so cache misses overlap, and the compiler makes vectors of what is arithmetic.
template <typename Select, bool kOther>
SUBSET_ALWAYS_INLINE void FindGroup(Half<kOther> half, absl::Span<uint32_t> ranks) {
  const size_t count = ranks.size();
  const uint32_t* const rank = ranks.data();
  uint64_t blocks[kGroup];
  uint64_t words[kGroup];
  uint64_t in_word[kGroup];
  for (size_t k = 0; k < count; ++k) {
    blocks[k] = half.hints[rank[k] >> half.shift];
    __builtin_prefetch(half.entries + blocks[k]);
  }
  // Mostly it is that block or one of the next: no branch, which would not be predictable.
  uint64_t far = 0;
  for (size_t k = 0; k < count; ++k) {
    uint64_t past = 0;
    for (uint64_t next = 1; next <= kNear; ++next) {
      past += half.Before(blocks[k] + next) <= rank[k] ? 1 : 0;
    }
    blocks[k] += past;
    far |= past == kNear ? 1 : 0;
  }
  if (far != 0) {
    for (size_t k = 0; k < count; ++k) blocks[k] = half.BlockFrom(blocks[k], rank[k]);
  }
  for (size_t k = 0; k < count; ++k) {
    const uint64_t entry = half.Entry(blocks[k]);
    const uint64_t in_block = rank[k] - (entry >> kBefore);
    const uint64_t counts = entry & ((uint64_t{1} << kBefore) - 1);
    // The highest bit of each field: whether the slot lies past its words.
    const uint64_t past = ((in_block + kHighBit) * kOnes - counts) >> (kField - 1) & kOnes;
    const uint64_t word = (past + (past >> kField) + (past >> (2 * kField))) & kFieldMask;
    words[k] = blocks[k] * kBlockWords + word;
    in_word[k] = in_block - (counts << kField >> (word * kField) & kFieldMask);
  }
  for (size_t k = 0; k < count; ++k) __builtin_prefetch(half.words + words[k]);
  for (size_t k = 0; k < count; ++k) {
    const uint64_t place = Select::Bit(half.Word(words[k]), in_word[k]);
    ranks[k] = static_cast<uint32_t>(words[k] * kWord + place);
  }
}

template <typename Select>
SUBSET_ALWAYS_INLINE void FindAll(SplitSlots::View view, absl::Span<uint32_t> numbers) {
  const Half<false> contained = {view.words, view.entries, view.hints[0], view.shifts[0]};
  const Half<true> others = {view.words, view.entries, view.hints[1], view.shifts[1]};
  while (!numbers.empty()) {  // those of one half mostly follow each other
    const bool other = numbers[0] >= view.num_contained;
    size_t run = 1;
    const size_t most = std::min(kGroup, numbers.size());
    while (run < most && (numbers[run] >= view.num_contained) == other) ++run;
    const auto group = numbers.subspan(0, run);
    if (other) {
      for (uint32_t& number : group) number -= static_cast<uint32_t>(view.num_contained);
      FindGroup<Select>(others, group);
    } else {
      FindGroup<Select>(contained, group);
    }
    numbers.remove_prefix(run);
  }
}

void FindPortable(const SplitSlots::View& view, absl::Span<uint32_t> numbers) {
  FindAll<SelectBySteps>(view, numbers);
}

#if defined(__x86_64__)
// What processors with AVX2 have, too.
__attribute__((target("popcnt"))) void FindPopcnt(const SplitSlots::View& view,
                                                  absl::Span<uint32_t> numbers) {
  FindAll<SelectBySteps>(view, numbers);
}

struct SelectByDeposit {
  __attribute__((target("bmi,bmi2"))) static uint64_t Bit(uint64_t word, uint64_t rank) {
    return _tzcnt_u64(_pdep_u64(uint64_t{1} << rank, word));
  }
};

// What processors with AVX-512 have, too, and are quick at.
__attribute__((target("avx512f,avx512bw,avx512vl,bmi,bmi2"))) void FindDeposit(
    const SplitSlots::View& view, absl::Span<uint32_t> numbers) {
  FindAll<SelectByDeposit>(view, numbers);
}
#endif

}  // namespace

SplitSlots::SplitSlots(const Population& population, const SampleSet& set,
                       const Executor* executor) {
  const uint64_t size = population.size();
  const size_t blocks = (size + kBlock - 1) / kBlock;
  words_ = HugeArray<uint64_t>(blocks * kBlockWords);
  entries_.resize(blocks + kNear);
  ForEachPart(executor, size, [&](size_t, uint64_t first, uint64_t last) {
    if (population.strata == nullptr) {
      const auto words = set.words().begin();
      std::copy(words + first / kWord, words + (last + kWord - 1) / kWord,
                words_.data() + first / kWord);
    } else {
      const uint32_t* const members = population.strata->members.data();
      for (uint64_t slot = first; slot < last; ++slot) {
        words_[slot / kWord] |= uint64_t{set.Contains(members[slot])} << (slot % kWord);
      }
    }
    for (uint64_t b = first / kBlock; b * kBlock < last; ++b) {
      uint64_t count = 0;
      for (size_t w = 0; w < kBlockWords; ++w) {
        entries_[b] |= count << (w * kField) >> kField;
        count += static_cast<uint64_t>(absl::popcount(words_[b * kBlockWords + w]));
      }
      entries_[b] |= count << kBefore;
    }
  });
  for (uint64_t& entry : entries_) {
    const uint64_t count = entry >> kBefore;
    entry += (num_contained_ - count) << kBefore;
    num_contained_ += count;
  }
  WriteHints(num_contained_, true);
  WriteHints(size - num_contained_, false);
}

void SplitSlots::WriteHints(uint64_t size, bool contained) {
  const uint64_t blocks = entries_.size() - kNear;
  int& shift = shifts_[!contained];
  while ((size >> shift) > 2 * blocks) ++shift;
  std::vector<uint32_t>& hints = hints_[!contained];
  hints.reserve((size >> shift) + 2);
  uint64_t slot = 0;  // of the half
  for (uint64_t b = 0; b < blocks; ++b) {
    const uint64_t in_set = entries_[b + 1] >> kBefore;
    const uint64_t end = std::min(contained ? in_set : (b + 1) * kBlock - in_set, size);
    for (; slot < end; slot += uint64_t{1} << shift) hints.push_back(static_cast<uint32_t>(b));
  }
  hints.push_back(static_cast<uint32_t>(blocks - 1));
}

uint64_t SplitSlots::NumberFrom(uint64_t slot, bool contained) const {
  uint64_t in_set = entries_[slot / kBlock] >> kBefore;
  for (uint64_t w = slot / kBlock * kBlockWords; w < slot / kWord; ++w) {
    in_set += static_cast<uint64_t>(absl::popcount(words_[w]));
  }
  if (slot % kWord != 0) {
    const uint64_t below = (uint64_t{1} << (slot % kWord)) - 1;
    in_set += static_cast<uint64_t>(absl::popcount(words_[slot / kWord] & below));
  }
  return contained ? in_set : num_contained_ + slot - in_set;
}

void SplitSlots::Find(absl::Span<uint32_t> numbers) const {
  const View view = {words_.data(),
                     entries_.data(),
                     {hints_[0].data(), hints_[1].data()},
                     shifts_,
                     num_contained_};
  switch (ActiveSimdLevel()) {
#if defined(__x86_64__)
    case SimdLevel::kAvx512:
      return FindDeposit(view, numbers);
    case SimdLevel::kAvx2:
      return FindPopcnt(view, numbers);
#endif
    default:
      return FindPortable(view, numbers);
  }
}

}  // namespace subset::sampling
