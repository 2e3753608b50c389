#include "sampling/targets.h"

#include <cstddef>
#include <cstdint>

namespace subset::sampling {

std::vector<double> InverseTargets(const Weight& weight, const Population& population) {
  const size_t strata = population.num_strata();
  std::vector<double> inverse(strata, static_cast<double>(population.size()));
  if (weight.target != Weight::Target::kBalanced || population.strata == nullptr) return inverse;
  const std::vector<int64_t>& values = population.strata->values;  // equal ones are neighbours
  std::vector<uint64_t> members;                                   // of each outer stratum
  for (size_t g = 0; g < strata; ++g) {
    if (g == 0 || values[g] != values[g - 1]) members.push_back(0);
    members.back() += population.count(g);
  }
  size_t outer = 0;
  for (size_t g = 0; g < strata; ++g) {
    if (g > 0 && values[g] != values[g - 1]) ++outer;
    inverse[g] = static_cast<double>(members.size()) * static_cast<double>(members[outer]);
  }
  return inverse;
}

}  // namespace subset::sampling
