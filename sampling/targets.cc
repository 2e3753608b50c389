#include "sampling/targets.h"

#include <cstddef>
#include <cstdint>

#include "sampling/proportion.h"
#include "sampling/shares.h"

namespace subset::sampling {

std::vector<double> InverseTargets(const PlanInput& input, const Population& population) {
  const Weight::Target target = input.spec.weight.target;
  const size_t strata = population.num_strata();
  std::vector<double> inverse(strata, static_cast<double>(population.size()));
  if (population.strata == nullptr) return inverse;
  if (target == Weight::Target::kShares) {
    const Shares shares = SharesOf(input, population);
    for (size_t g = 0; g < strata; ++g) {
      inverse[g] = static_cast<double>(population.count(g)) / shares.share(g);
    }
  }
  if (target != Weight::Target::kBalanced) return inverse;
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
