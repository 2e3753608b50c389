#include "sampling/sample_set.h"

#include "absl/numeric/bits.h"

namespace subset::sampling {

uint64_t SampleSet::Count() const {
  uint64_t count = 0;
  for (const uint64_t word : words_) count += absl::popcount(word);
  return count;
}

}  // namespace subset::sampling
