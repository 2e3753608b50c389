// Feedback at the door: what can be refused without the state is refused before it is logged.

#ifndef SUBSET_ENGINE_FEEDBACK_H_
#define SUBSET_ENGINE_FEEDBACK_H_

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "subset/log/v1/record.pb.h"
#include "subset/v1/training.pb.h"

namespace subset {

// Checks the message: sizes, indices below num_samples, names, finite values, and none below 0 in
// "loss" or a column of `non_negative`. Fails with kInvalidArgument naming the field. O(values).
absl::Status ValidateFeedback(const v1::ReportFeedbackRequest& request, uint64_t num_samples,
                              const std::set<std::string>& non_negative);

// Returns the record of a valid message: its content hash, and its bulk moved out of the request,
// with u32 indices.
log::v1::FeedbackReported FeedbackRecord(v1::ReportFeedbackRequest request);

}  // namespace subset

#endif  // SUBSET_ENGINE_FEEDBACK_H_
