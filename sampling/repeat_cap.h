// No sample more often than a cap: what is cut off goes to the others in proportion.

#ifndef SUBSET_SAMPLING_REPEAT_CAP_H_
#define SUBSET_SAMPLING_REPEAT_CAP_H_

#include "absl/types/span.h"
#include "base/executor.h"

namespace subset::sampling {

// Makes q_i = min(cap, z q_i), where z keeps the sum at 1. Where the positive ones cannot take
// everything at the cap, the rest is shared evenly by the others. `q` sums to 1; cap * q.size()
// >= 1. A few passes, in parts by the executor (null: the calling thread).
void CapRepeats(double cap, const Executor* executor, absl::Span<double> q);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_REPEAT_CAP_H_
