// Feedback at the door: what can be refused without the state is refused before it is logged.

#ifndef SUBSET_ENGINE_FEEDBACK_H_
#define SUBSET_ENGINE_FEEDBACK_H_

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sampling/forgetting.h"
#include "subset/log/v1/record.pb.h"
#include "subset/v1/training.pb.h"

namespace subset {

// Whether the model answered a sample correctly, 0 or 1, as reported; and what is kept from it: the
// state of sampling/forgetting.h.
inline constexpr char kCorrectColumn[] = "correct";
using sampling::kForgettingColumn;

// Returns the little-endian values of a bytes field.
template <typename T>
std::vector<T> DecodeValues(const std::string& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

// Checks the message: sizes, indices below num_samples, names, finite values, none below 0 in
// "loss" or a column of `non_negative`, 0 or 1 in "correct", and no column that is kept from
// others. Fails with kInvalidArgument naming the field. O(values).
absl::Status ValidateFeedback(const v1::ReportFeedbackRequest& request, uint64_t num_samples,
                              const std::set<std::string>& non_negative);

// Returns the record of a valid message: its content hash, and its bulk moved out of the request,
// with u32 indices.
log::v1::FeedbackReported FeedbackRecord(v1::ReportFeedbackRequest request);

}  // namespace subset

#endif  // SUBSET_ENGINE_FEEDBACK_H_
