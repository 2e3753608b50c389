// A set of samples of a dataset.

#ifndef SUBSET_SAMPLING_SAMPLE_SET_H_
#define SUBSET_SAMPLING_SAMPLE_SET_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace subset::sampling {

// One bit a sample; bits past the last sample are 0.
class SampleSet {
 public:
  explicit SampleSet(uint64_t num_samples) : words_((num_samples + 63) / 64) {}

  // All of them.
  static SampleSet All(uint64_t num_samples) {
    SampleSet set(num_samples);
    for (uint64_t& word : set.words_) word = ~uint64_t{0};
    if (num_samples % 64 != 0) set.words_.back() = (uint64_t{1} << (num_samples % 64)) - 1;
    return set;
  }

  // Keeps those that are, or are not, in `other`, a set of samples of the same dataset.
  void Keep(const SampleSet& other, bool contained) {
    const uint64_t flip = contained ? 0 : ~uint64_t{0};
    for (size_t w = 0; w < words_.size(); ++w) words_[w] &= other.words_[w] ^ flip;
  }

  void Insert(uint64_t i) { words_[i / 64] |= uint64_t{1} << (i % 64); }
  void Remove(uint64_t i) { words_[i / 64] &= ~(uint64_t{1} << (i % 64)); }
  bool Contains(uint64_t i) const { return (words_[i / 64] >> (i % 64) & 1) != 0; }

  // The number of members, of words first .. last - 1 or of all. O(N / 64).
  uint64_t Count(size_t first, size_t last) const;
  uint64_t Count() const { return Count(0, words_.size()); }

  std::vector<uint64_t>& words() { return words_; }
  const std::vector<uint64_t>& words() const { return words_; }

 private:
  std::vector<uint64_t> words_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SAMPLE_SET_H_
