#include "engine/feedback.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "engine/lease_terms.h"
#include "sampling/spec.h"

#define XXH_INLINE_ALL
#include "xxhash.h"

namespace subset {
namespace {

uint64_t IndexWidth(const v1::Feedback& feedback) {
  return feedback.index_width() == 8 ? sizeof(uint64_t) : sizeof(uint32_t);
}

template <typename T>
T ValueAt(const std::string& bytes, uint64_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

absl::Status ValidateIndices(const v1::Feedback& feedback, const std::string& path,
                             uint64_t num_samples) {
  if (feedback.index_width() != 0 && feedback.index_width() != 4 && feedback.index_width() != 8) {
    return InvalidField(absl::StrCat(path, ".index_width"),
                        absl::StrCat(feedback.index_width(), " is not 4 or 8"));
  }
  const uint64_t width = IndexWidth(feedback);
  const std::string& indices = feedback.indices();
  if (indices.empty()) return InvalidField(absl::StrCat(path, ".indices"), "is empty");
  if (indices.size() % width != 0) {
    return InvalidField(absl::StrCat(path, ".indices"),
                        absl::StrCat("has ", indices.size(), " bytes, not a multiple of ", width));
  }
  for (uint64_t i = 0; i < indices.size() / width; ++i) {
    const uint64_t index =
        width == 8 ? ValueAt<uint64_t>(indices, i) : ValueAt<uint32_t>(indices, i);
    if (index >= num_samples) {
      return InvalidField(absl::StrCat(path, ".indices"),
                          absl::StrCat("[", i, "] is ", index, ", outside [0, ", num_samples, ")"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateColumn(const v1::FloatColumn& column, const std::string& path, uint64_t items,
                            bool non_negative) {
  SUBSET_RETURN_IF_ERROR(ValidateName(absl::StrCat(path, ".name"), column.name()));
  if (column.name() == kForgettingColumn) {
    return InvalidField(absl::StrCat(path, ".name"),
                        "\"forgetting\" is kept by the server; report \"correct\", 0 or 1");
  }
  if (absl::EndsWith(column.name(), sampling::StepColumn(""))) {
    return InvalidField(
        absl::StrCat(path, ".name"),
        absl::StrCat("\"", column.name(), "\" is kept by the server: the step of the last report"));
  }
  const std::string& values = column.values();
  if (values.size() != items * sizeof(float)) {
    return InvalidField(absl::StrCat(path, ".values"),
                        absl::StrCat("has ", values.size(), " bytes; ", items, " samples need ",
                                     items * sizeof(float)));
  }
  for (uint64_t i = 0; i < items; ++i) {
    const float value = ValueAt<float>(values, i);
    if (column.name() == kCorrectColumn && value != 0 && value != 1) {
      return InvalidField(
          absl::StrCat(path, ".values"),
          absl::StrCat("[", i, "] of column \"correct\" is ", value, ", neither 0 nor 1"));
    }
    if (std::isfinite(value) && (value >= 0 || !non_negative)) continue;
    return InvalidField(absl::StrCat(path, ".values"),
                        absl::StrCat("[", i, "] of column \"", column.name(), "\" is ", value,
                                     non_negative ? ", outside [0, infinity)" : ", not finite"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateFeedback(const v1::ReportFeedbackRequest& request, uint64_t num_samples,
                              const std::set<std::string>& non_negative) {
  if (request.sequence() == 0) return InvalidField("sequence", "0 is outside [1, 2^64)");
  if (!v1::Durability_IsValid(request.durability())) {
    return InvalidField("durability", absl::StrCat(static_cast<int>(request.durability()),
                                                   " is not a value this version knows"));
  }
  if (request.feedback().empty()) return InvalidField("feedback", "is empty");
  uint64_t total = 0;
  for (const v1::Feedback& feedback : request.feedback()) {
    total += feedback.indices().size() / IndexWidth(feedback);
  }
  if (total > kMaxFeedbackItems) {
    return InvalidField("feedback", absl::StrCat("has ", total, " items; at most ",
                                                 kMaxFeedbackItems, " in one message"));
  }
  for (int i = 0; i < request.feedback_size(); ++i) {
    const v1::Feedback& feedback = request.feedback(i);
    const std::string path = absl::StrCat("feedback[", i, "]");
    SUBSET_RETURN_IF_ERROR(ValidateIndices(feedback, path, num_samples));
    if (feedback.epoch() >= uint64_t{1} << 32) {
      return InvalidField(absl::StrCat(path, ".epoch"),
                          absl::StrCat(feedback.epoch(), " is outside [0, 2^32)"));
    }
    if (feedback.has_lease() && !feedback.has_position()) {
      return InvalidField(absl::StrCat(path, ".position"), "is not set: a lease acknowledges");
    }
    SUBSET_RETURN_IF_ERROR(
        ValidateWorker(absl::StrCat(path, ".worker"), feedback.worker(), feedback.has_lease()));
    std::set<std::string> names;
    for (int j = 0; j < feedback.values_size(); ++j) {
      const v1::FloatColumn& column = feedback.values(j);
      const std::string column_path = absl::StrCat(path, ".values[", j, "]");
      const bool is_score = column.name() == "loss" || non_negative.count(column.name()) > 0;
      SUBSET_RETURN_IF_ERROR(ValidateColumn(
          column, column_path, feedback.indices().size() / IndexWidth(feedback), is_score));
      if (!names.insert(column.name()).second) {
        return InvalidField(absl::StrCat(column_path, ".name"),
                            absl::StrCat("\"", column.name(), "\" is there twice"));
      }
    }
  }
  return absl::OkStatus();
}

log::v1::FeedbackReported FeedbackRecord(v1::ReportFeedbackRequest request) {
  request.clear_durability();
  const std::string content = request.SerializeAsString();
  log::v1::FeedbackReported record;
  record.set_run_uid(request.run_uid());
  record.set_session_id(request.session_id());
  record.set_sequence(request.sequence());
  record.set_content_hash(XXH3_64bits(content.data(), content.size()));
  *record.mutable_feedback() = std::move(*request.mutable_feedback());
  for (v1::Feedback& feedback : *record.mutable_feedback()) {
    if (feedback.index_width() == 8) {
      std::string narrow(feedback.indices().size() / 2, '\0');
      for (uint64_t i = 0; i < narrow.size() / sizeof(uint32_t); ++i) {
        const auto index = static_cast<uint32_t>(ValueAt<uint64_t>(feedback.indices(), i));
        std::memcpy(narrow.data() + i * sizeof(index), &index, sizeof(index));
      }
      feedback.set_indices(std::move(narrow));
    }
    feedback.set_index_width(4);
  }
  return record;
}

}  // namespace subset
