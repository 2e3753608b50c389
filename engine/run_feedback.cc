// Run's fold of feedback: decides about the whole message first, then changes anything.

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/feedback.h"
#include "engine/run.h"

namespace subset {
namespace {

constexpr size_t kIndexBytes = sizeof(uint32_t);  // records hold u32 indices

absl::Status SequenceExpired(absl::string_view message) {
  return WithReason(absl::FailedPreconditionError(message), "SEQ_EXPIRED");
}

}  // namespace

absl::StatusOr<std::vector<Run::Part>> Run::Decide(const log::v1::FeedbackReported& record) const {
  std::vector<Part> parts;
  std::map<uint64_t, PositionSet> claimed;  // by entries of this message, not in the epoch's set
  std::set<std::string> new_columns;
  for (int i = 0; i < record.feedback_size(); ++i) {
    const v1::Feedback& feedback = record.feedback(i);
    const uint64_t items = feedback.indices().size() / kIndexBytes;
    for (const v1::FloatColumn& column : feedback.values()) {
      for (const std::string& changed : Changes(column.name())) {
        if (!scores_->Has(changed)) new_columns.insert(changed);
      }
    }
    if (!feedback.has_position()) {
      parts.push_back(Part::kApply);
      continue;
    }
    Named named{
        absl::StrCat("feedback[", i, "]"), feedback.epoch(), feedback.position(), items, {}};
    if (feedback.has_lease()) {
      named.generation = feedback.lease().generation();
    } else if (feedback.has_generation()) {
      named.generation = feedback.generation();
    }
    SUBSET_ASSIGN_OR_RETURN(const Part part, DecidePositions(named, &claimed));
    parts.push_back(part);
  }
  if (scores_->num_columns() + new_columns.size() > kMaxScoreColumns) {
    return InvalidField(
        "feedback.values",
        absl::StrCat("would give the run ", scores_->num_columns() + new_columns.size(),
                     " score columns; at most ", kMaxScoreColumns));
  }
  return parts;
}

std::vector<FreshChunk> Run::Prepare(const log::v1::FeedbackReported& record) const {
  std::vector<FreshChunk> fresh;
  ReaderLock lock(&mu_);
  if (sessions_.count(record.session_id()) == 0) return fresh;
  std::set<std::string> prepared;
  for (const v1::Feedback& feedback : record.feedback()) {
    const std::vector<uint32_t> samples = DecodeValues<uint32_t>(feedback.indices());
    for (const v1::FloatColumn& column : feedback.values()) {
      // One entry a message is the rule; the chunks of others are copied when they are written.
      for (const std::string& changed : Changes(column.name())) {
        if (!scores_->Has(changed) || !prepared.insert(changed).second) continue;
        scores_->Prepare(changed, samples, &fresh);
      }
    }
  }
  return fresh;
}

absl::StatusOr<FeedbackOutcome> Run::FoldFeedback(uint64_t sequence,
                                                  const log::v1::FeedbackReported& record) {
  std::vector<FreshChunk> fresh = Prepare(record);
  std::vector<std::pair<uint64_t, Block>> acknowledged;
  absl::StatusOr<FeedbackOutcome> outcome;
  {
    WriterLock lock(&mu_);
    outcome = Fold(sequence, record, std::move(fresh), &acknowledged);
  }
  for (const auto& [epoch, block] : acknowledged) leases_.Acknowledged(epoch, block);
  return outcome;
}

absl::StatusOr<FeedbackOutcome> Run::Fold(uint64_t sequence,
                                          const log::v1::FeedbackReported& record,
                                          std::vector<FreshChunk> fresh,
                                          std::vector<std::pair<uint64_t, Block>>* acknowledged) {
  const auto session = sessions_.find(record.session_id());
  if (session == sessions_.end()) {
    return SequenceExpired(absl::StrCat("session_id ", record.session_id(), " is not known"));
  }
  FeedbackOutcome outcome;
  outcome.records = records_;
  switch (session->second.Judge(record.sequence(), record.content_hash())) {
    case Session::Verdict::kNew:
      break;
    case Session::Verdict::kDuplicate:
      outcome.duplicate = true;
      return outcome;
    case Session::Verdict::kOtherContent:
      return InvalidField(
          "sequence",
          absl::StrCat(record.sequence(), " was used before in this session with other content"));
    case Session::Verdict::kExpired:
      return SequenceExpired(absl::StrCat("sequence ", record.sequence(),
                                          " is older than the session's window of ",
                                          kSessionWindow));
  }
  SUBSET_ASSIGN_OR_RETURN(const std::vector<Part> parts, Decide(record));

  scores_->Install(std::move(fresh));
  const bool complete_before = NewestComplete();
  for (int i = 0; i < record.feedback_size(); ++i) {
    const v1::Feedback& feedback = record.feedback(i);
    const uint64_t items = feedback.indices().size() / kIndexBytes;
    if (parts[i] == Part::kAlreadyAcknowledged) {
      outcome.already_acknowledged_items += items;
      continue;
    }
    ApplyValues(sequence, feedback);
    outcome.applied_items += items;
    outcome.applied_values += items * feedback.values_size();
    if (feedback.has_position()) {
      const Block block{feedback.position(), feedback.position() + items};
      epochs_.at(feedback.epoch())
          .accounts.Acknowledge(block, feedback.attempt(), feedback.worker());
      acknowledged->emplace_back(feedback.epoch(), block);
    }
  }
  ApplyGroupLosses(record, parts);
  if (outcome.applied_items > 0) ++records_;
  session->second.Note(record.sequence(), record.content_hash());
  session->second.set_last_used(sequence);
  outcome.records = records_;
  outcome.epoch_complete = !complete_before && NewestComplete();
  return outcome;
}

}  // namespace subset
