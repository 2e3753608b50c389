// Predicates that go by rank: quantiles, and what a group keeps at least.

#ifndef SUBSET_SAMPLING_RANK_CUT_H_
#define SUBSET_SAMPLING_RANK_CUT_H_

#include <cstdint>

#include "base/executor.h"
#include "sampling/columns.h"
#include "sampling/philox.h"
#include "sampling/sample_set.h"
#include "sampling/spec.h"

namespace subset::sampling {

// Removes from `set` the samples that a predicate of kind range or quantile leaves out.
//
// The n samples of a group that have a number are ranked by it, ties by their hash under `ties`; a
// band of ranks stays: that of the range or of the quantiles. A band shorter than
// ceil(minimum_keep n) grows to it, first towards smaller numbers, then towards larger ones.
// `groups` is null for a single group; they hold all samples of `set`.
//
// A few passes, in parts by the executor (null: the calling thread); two bits a sample.
void CutByRank(const ColumnView& column, const Predicate& predicate, const Strata* groups,
               uint64_t num_samples, const PhiloxKey& ties, const Executor* executor,
               SampleSet* set);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_RANK_CUT_H_
