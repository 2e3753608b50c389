// Members of strata written out.

#ifndef SUBSET_TESTS_SAMPLING_MEMBERS_H_
#define SUBSET_TESTS_SAMPLING_MEMBERS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sampling/huge_array.h"

namespace subset::sampling {

inline HugeArray<uint32_t> Members(const std::vector<uint32_t>& samples) {
  HugeArray<uint32_t> members(samples.size());
  std::copy(samples.begin(), samples.end(), members.data());
  return members;
}

}  // namespace subset::sampling

#endif  // SUBSET_TESTS_SAMPLING_MEMBERS_H_
