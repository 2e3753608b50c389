// Reports of what drawn samples cost, applied exactly once.

#ifndef SUBSET_FEEDBACK_SESSION_H_
#define SUBSET_FEEDBACK_SESSION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "subset/batch_view.h"
#include "subset/v1/training.pb.h"

namespace subset {

namespace client_internal {
struct Connection;
}

// Returns the feedback that reports `loss` for the samples of `batch`, computed by optimizer step
// `step`, and acknowledges its positions (a fallback batch: none). `loss` has one value per sample
// of the batch; those of padding samples are left out. A leased batch needs the name of the worker
// that holds the lease. kInvalidArgument when the sizes differ.
absl::StatusOr<v1::Feedback> LossFeedback(const BatchView& batch, uint64_t step,
                                          absl::Span<const float> loss,
                                          const std::string& worker = "");

// Thread-safe. Get one from Client::OpenFeedback.
class FeedbackSession {
 public:
  using Timeout = std::optional<absl::Duration>;

  // Sends one message and waits until it is durable (or applied, by choice). Repeated attempts
  // carry the same sequence, so it is applied once however often it is sent. At most 16,384 items.
  // Errors: as ReportFeedback. After kUnavailable or kDeadlineExceeded it is not known whether the
  // message was applied; where that matters use Stamp and Send, which can be called again.
  absl::StatusOr<v1::ReportFeedbackResponse> Report(
      std::vector<v1::Feedback> feedback, v1::Durability durability = v1::DURABILITY_DURABLE,
      Timeout timeout = {});

  // Returns the message with the next sequence of this session.
  v1::ReportFeedbackRequest Stamp(std::vector<v1::Feedback> feedback,
                                  v1::Durability durability = v1::DURABILITY_DURABLE);

  // Sends a stamped message; safe to call again with the same one.
  absl::StatusOr<v1::ReportFeedbackResponse> Send(const v1::ReportFeedbackRequest& request,
                                                  Timeout timeout = {});

  uint64_t session_id() const { return session_id_; }

 private:
  friend class Client;
  FeedbackSession(std::shared_ptr<client_internal::Connection> connection, uint64_t run_uid,
                  uint64_t session_id);

  // Constant after construction.
  const std::shared_ptr<client_internal::Connection> connection_;
  const uint64_t run_uid_;
  const uint64_t session_id_;

  std::atomic<uint64_t> last_sequence_{0};  // relaxed: only uniqueness matters
};

}  // namespace subset

#endif  // SUBSET_FEEDBACK_SESSION_H_
