// Specs of every combination of options, one of each of the six choices.

#ifndef SUBSET_TESTS_SAMPLING_PRODUCT_SPECS_H_
#define SUBSET_TESTS_SAMPLING_PRODUCT_SPECS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "sampling/spec.h"

namespace subset::sampling {

// A way to make one of the choices.
struct Option {
  std::string name;
  std::function<void(SamplerSpec&)> set;
};
using Options = std::vector<Option>;

Options Draws();      // whose plans are cells or weighted draws
Options ListDraws();  // whose plans are lists
Options Guards();
Options FewGuards();  // for list draws: guards reach them as they reach the others

// Calls check(name, spec) for each way to draw and to guard with every filter, proportion,
// preference and weight, until it returns false. Specs name the columns of ProductSamples and are
// not resolved; many make no sense.
void ForEachSpec(const Options& draws, const Options& guards,
                 absl::FunctionRef<bool(const std::string& name, const SamplerSpec& spec)> check);

}  // namespace subset::sampling

#endif  // SUBSET_TESTS_SAMPLING_PRODUCT_SPECS_H_
