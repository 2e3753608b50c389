#include "subset/feedback_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "client/cpp/connection.h"

namespace subset {
namespace {

// As u32 where all of them fit: half the bytes.
void SetIndices(absl::Span<const uint64_t> indices, v1::Feedback* feedback) {
  const std::vector<uint32_t> narrow(indices.begin(), indices.end());
  const bool fits = std::equal(indices.begin(), indices.end(), narrow.begin());
  feedback->set_index_width(fits ? 4 : 8);
  if (fits) {
    feedback->set_indices(narrow.data(), narrow.size() * sizeof(uint32_t));
  } else {
    feedback->set_indices(indices.data(), indices.size() * sizeof(uint64_t));
  }
}

}  // namespace

absl::StatusOr<v1::Feedback> LossFeedback(const BatchView& batch, uint64_t step,
                                          absl::Span<const float> loss, const std::string& worker) {
  if (loss.size() != batch.size()) {
    return InvalidField("loss", absl::StrCat("has ", loss.size(), " values for a batch of ",
                                             batch.size(), " samples"));
  }
  const size_t count = batch.size() - batch.padding();
  v1::Feedback feedback;
  feedback.set_epoch(batch.epoch());
  feedback.set_attempt(batch.attempt());
  feedback.set_step(step);
  if (count == 0) return feedback;  // nothing but padding: nothing to acknowledge
  if (!batch.fallback()) feedback.set_position(batch.position());
  feedback.set_worker(worker);
  if (batch.lease() != nullptr) {
    *feedback.mutable_lease() = *batch.lease();
  } else if (!batch.fallback()) {
    feedback.set_generation(batch.generation());
  }
  SetIndices(batch.indices().first(count), &feedback);
  auto* column = feedback.add_values();
  column->set_name("loss");
  column->set_values(loss.data(), count * sizeof(float));
  return feedback;
}

FeedbackSession::FeedbackSession(std::shared_ptr<client_internal::Connection> connection,
                                 uint64_t run_uid, uint64_t session_id)
    : connection_(std::move(connection)), run_uid_(run_uid), session_id_(session_id) {}

v1::ReportFeedbackRequest FeedbackSession::Stamp(std::vector<v1::Feedback> feedback,
                                                 v1::Durability durability) {
  v1::ReportFeedbackRequest request;
  request.set_run_uid(run_uid_);
  request.set_session_id(session_id_);
  request.set_sequence(last_sequence_.fetch_add(1, std::memory_order_relaxed) + 1);
  request.set_durability(durability);
  for (v1::Feedback& item : feedback) *request.add_feedback() = std::move(item);
  return request;
}

absl::StatusOr<v1::ReportFeedbackResponse> FeedbackSession::Send(
    const v1::ReportFeedbackRequest& request, Timeout timeout) {
  return client_internal::CallUnary(*connection_, *connection_->training,
                                    &v1::TrainingService::Stub::ReportFeedback, request, timeout);
}

absl::StatusOr<v1::ReportFeedbackResponse> FeedbackSession::Report(
    std::vector<v1::Feedback> feedback, v1::Durability durability, Timeout timeout) {
  return Send(Stamp(std::move(feedback), durability), timeout);
}

}  // namespace subset
