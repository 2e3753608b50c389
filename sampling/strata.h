// Sorts the samples of a dataset by the values of an integer column.

#ifndef SUBSET_SAMPLING_STRATA_H_
#define SUBSET_SAMPLING_STRATA_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "sampling/columns.h"

namespace subset::sampling {

inline constexpr uint64_t kMaxStrata = 65536;

// Returns the strata of the first num_samples values of an integer column. O(N): two passes over
// the column. Returns kInvalidArgument naming "proportion.column" where it has more than kMaxStrata
// distinct values.
absl::StatusOr<std::shared_ptr<const Strata>> BuildStrata(const ColumnView& column,
                                                          uint64_t num_samples);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_STRATA_H_
