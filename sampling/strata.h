// Sorts the samples of a dataset by the values of an integer column.

#ifndef SUBSET_SAMPLING_STRATA_H_
#define SUBSET_SAMPLING_STRATA_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/executor.h"
#include "sampling/columns.h"
#include "sampling/sample_set.h"

namespace subset::sampling {

// Returns the strata of the first num_samples values of an integer column. O(N): two passes over
// the column. Returns kInvalidArgument naming `field` where it has more than kMaxStrata distinct
// values. An executor (null: the calling thread) does not change what this or those below return.
absl::StatusOr<std::shared_ptr<const Strata>> BuildStrata(
    const ColumnView& column, uint64_t num_samples, absl::string_view field = "proportion.column",
    const Executor* executor = nullptr);

// Returns the strata of two integer columns of num_samples values: the pairs that occur, by outer,
// then inner value. Of the samples in `set` only; null: of all. O(N): three passes over the
// columns, and one more where they have many values. Returns kInvalidArgument naming
// "proportion.column" or "proportion.within.column" where one has more than kMaxStrata distinct
// values, or both together.
absl::StatusOr<std::shared_ptr<const Strata>> BuildNestedStrata(const ColumnView& outer,
                                                                const ColumnView& inner,
                                                                uint64_t num_samples,
                                                                const SampleSet* set = nullptr,
                                                                const Executor* executor = nullptr);

// Returns the strata of one column with those members only that are in `set`; strata left empty
// leave. O(N).
std::shared_ptr<const Strata> RestrictStrata(const Strata& strata, const SampleSet& set,
                                             const Executor* executor = nullptr);

// Returns all of `set` as one stratum (none if it is empty) of value 0. O(N).
std::shared_ptr<const Strata> OneStratum(const SampleSet& set, const Executor* executor = nullptr);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_STRATA_H_
