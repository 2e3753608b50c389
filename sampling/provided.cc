#include "sampling/provided.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace subset::sampling {

absl::Status CheckProvided(const ProvidedEpoch& provided, uint64_t num_samples) {
  const size_t size = provided.indices.size();
  if (size == 0 || size > uint64_t{1} << 32) {
    return InvalidField("indices", absl::StrCat("has ", size, " entries, outside [1, 4294967296]"));
  }
  for (size_t k = 0; k < size; ++k) {
    if (provided.indices[k] < num_samples) continue;
    return InvalidField(absl::StrCat("indices[", k, "]"),
                        absl::StrCat(provided.indices[k], " is outside [0, ", num_samples, ")"));
  }
  if (provided.expected.empty()) return absl::OkStatus();
  if (provided.expected.size() != size) {
    return InvalidField("expected", absl::StrCat("has ", provided.expected.size(),
                                                 " entries, but indices has ", size));
  }
  for (size_t k = 0; k < size; ++k) {
    const double mu = provided.expected[k];
    if (mu >= kLeastExpected && mu <= kLargestExpected) continue;
    return InvalidField(
        absl::StrCat("expected[", k, "]"),
        absl::StrCat(mu, " is outside [", kLeastExpected, ", ", kLargestExpected, "]"));
  }
  return absl::OkStatus();
}

}  // namespace subset::sampling
