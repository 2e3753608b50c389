// Simulation's feedback, leases, acknowledgements, commits and rollbacks.

#include <algorithm>
#include <optional>

#include "tests/engine/model_simulation.h"

namespace subset {

void Simulation::Report() {
  ModelRun* run = AnyRun();
  if (run == nullptr || run->sessions.empty()) return;
  const v1::ReportFeedbackRequest message = AnyMessage(*run);
  const Expected expected = run->Report(message);
  leases_[run->proto.uid()].Follow(*run);
  const auto reply = t_.Report(message);
  CheckStatus(reply.status(), expected);
  if (reply.ok()) {
    ASSERT_EQ(reply->duplicate(), expected.duplicate);
    ASSERT_EQ(reply->applied_items(), expected.applied);
    ASSERT_EQ(reply->already_acknowledged_items(), expected.already);
    ASSERT_EQ(reply->score_version().records(), run->records);
    sent_.push_back(message);
  }
  Logged(message.durability());
}

void Simulation::FailAReport() {
  ModelRun* run = AnyRun();
  if (run == nullptr || run->sessions.empty()) return;
  v1::ReportFeedbackRequest message = AnyMessage(*run);
  t_.disk.FailWrites(1, absl::UnavailableError("I/O error"));
  const auto reply = t_.Report(message);
  t_.disk.Repair();
  ASSERT_THAT(reply, StatusIs(absl::StatusCode::kUnavailable));
}

v1::ReportFeedbackRequest Simulation::AnyMessage(const ModelRun& run) {
  if (!sent_.empty() && Below(6) == 0) {
    v1::ReportFeedbackRequest again = sent_[Below(sent_.size())];
    if (again.run_uid() == run.proto.uid()) {
      if (Below(4) == 0) again.mutable_feedback(0)->set_step(again.feedback(0).step() + 1);
      return again;
    }
  }
  v1::ReportFeedbackRequest message;
  message.set_run_uid(run.proto.uid());
  const auto session =
      std::next(run.sessions.begin(), static_cast<long>(Below(run.sessions.size())));
  message.set_session_id(Below(50) == 0 ? 999999 : session->first);
  const uint64_t last = session->second.empty() ? 0 : session->second.rbegin()->first;
  const size_t jump = Below(20);
  message.set_sequence(jump == 0 ? last + 1500 : jump == 1 ? 1 + Below(last + 1) : last + 1);
  if (Below(3) == 0) message.set_durability(v1::DURABILITY_APPLIED);
  const size_t entries = 1 + Below(3);
  for (size_t i = 0; i < entries; ++i) AddEntry(run, message.add_feedback());
  return message;
}

void Simulation::AddEntry(const ModelRun& run, v1::Feedback* feedback) {
  const size_t items = 1 + Below(64);
  std::vector<uint32_t> indices(items);
  for (uint32_t& index : indices) index = static_cast<uint32_t>(Below(kModelSamples));
  if (!run.epochs.empty() && Below(4) != 0) {
    const auto epoch = std::next(run.epochs.begin(), static_cast<long>(Below(run.epochs.size())));
    const size_t positions = epoch->second.draws.size();
    // Aligned ranges meet each other exactly; others partly.
    const size_t position = Below(3) == 0 ? Below(positions) : Below(positions) / 64 * 64;
    feedback->set_epoch(Below(40) == 0 ? epoch->first + 100 : epoch->first);
    feedback->set_position(position);
    const size_t count = std::min<size_t>(Below(5) == 0 ? items : 64, positions - position);
    indices.assign(epoch->second.draws.begin() + static_cast<long>(position),
                   epoch->second.draws.begin() + static_cast<long>(position + count));
  }
  feedback->set_indices(Encode(indices));
  for (const char* name : {"loss", "margin"}) {
    if (name == std::string("margin") && Below(3) != 0) continue;
    v1::FloatColumn* column = feedback->add_values();
    column->set_name(name);
    std::vector<float> values(indices.size());
    for (float& value : values) value = static_cast<float>(Below(1000)) / 100;
    column->set_values(Encode(values));
  }
}

void Simulation::CheckStatus(const absl::Status& status, const Expected& expected) {
  ASSERT_EQ(status.code(), expected.code) << status << ", expected " << expected.reason;
  if (!status.ok() && !expected.reason.empty()) {
    ASSERT_THAT(status, ReasonIs(expected.reason));
  }
}

void Simulation::Lease() {
  const ModelRun* run = AnyRun();
  if (run == nullptr || run->epochs.empty()) return;
  if (Below(4) == 0) t_.clock.Advance(absl::Seconds(Below(8)));
  const auto epoch = std::next(run->epochs.begin(), static_cast<long>(Below(run->epochs.size())));
  const uint32_t batch = Below(3) == 0 ? 0 : static_cast<uint32_t>(1 + Below(3000));
  const absl::Duration lease_time = absl::Seconds(1 + Below(20));
  const absl::Duration now = t_.clock.Monotonic();
  ModelLeases& leases = leases_[run->proto.uid()];
  const ModelLeases::Next next =
      leases.Ask(*run, epoch->first, batch == 0 ? kModelBatch : batch, incarnation_, now);
  const std::string worker = absl::StrCat("w", Below(3));
  const auto reply = t_.Acquire(run->proto.uid(), epoch->first, worker, batch, lease_time);
  if (!next.grant.has_value() && !next.others) {
    ASSERT_THAT(reply, ReasonIs("EPOCH_END"));
    return;
  }
  ASSERT_OK(reply);
  ASSERT_EQ(reply->has_retry_after(), !next.grant.has_value());
  if (!next.grant.has_value()) return;
  const auto [block, attempt] = *next.grant;
  ASSERT_EQ(reply->position(), block.begin);
  ASSERT_EQ(reply->attempt(), attempt);
  ASSERT_EQ(reply->lease().incarnation(), incarnation_);
  ASSERT_EQ(reply->lease().generation(), run->generation);
  const auto first = epoch->second.draws.begin() + static_cast<long>(block.begin);
  ASSERT_EQ(Decode<uint32_t>(reply->indices()),
            std::vector<uint32_t>(first, first + static_cast<long>(block.size())));
  leases.Took(reply->lease().id(), epoch->first, *next.grant, now + lease_time);
  granted_.push_back(Acknowledgement(run->proto.uid(), *reply, worker));
  if (granted_.size() > 30) granted_.pop_front();
}

void Simulation::Acknowledge() {
  if (granted_.empty()) return;
  v1::AcknowledgeRequest message = granted_[Below(granted_.size())];
  const auto of = std::find_if(model_.runs.begin(), model_.runs.end(), [&](const auto& each) {
    return each.second.proto.uid() == message.run_uid();
  });
  if (of == model_.runs.end()) return;
  ModelRun& run = of->second;
  v1::Acknowledgement& entry = *message.mutable_acknowledgements(0);
  if (Below(4) == 0) {
    const auto skip = static_cast<uint32_t>(Below(entry.num_positions()));
    entry.set_position(entry.position() + skip);
    entry.set_num_positions(static_cast<uint32_t>(1 + Below(entry.num_positions() - skip)));
  }
  if (Below(5) == 0) {
    if (Below(2) == 0) entry.set_generation(entry.lease().generation());
    entry.clear_lease();
  }
  if (Below(3) == 0) message.set_durability(v1::DURABILITY_APPLIED);
  const Block block{entry.position(), entry.position() + entry.num_positions()};
  ModelLeases& leases = leases_[run.proto.uid()];
  // Whose generation passed, or who tells nothing new, needs no right.
  const bool ours = entry.lease().incarnation() == incarnation_;
  if (entry.has_lease() && entry.lease().generation() == run.generation &&
      !run.IsAcknowledged(entry.epoch(), block) &&
      leases.HeldByAnother(entry.epoch(), block, ours ? entry.lease().id() : 0,
                           t_.clock.Monotonic())) {
    CheckStatus(t_.Acknowledge(message).status(), Expected::Refused("LEASE_EXPIRED"));
    return;  // before the log
  }
  const Expected expected = run.Acknowledge(entry);
  leases.Follow(run);
  const auto reply = t_.Acknowledge(message);
  CheckStatus(reply.status(), expected);
  if (reply.ok()) {
    ASSERT_EQ(reply->duplicate(), expected.duplicate);
    ASSERT_EQ(reply->acknowledged_positions(), expected.applied);
  }
  Logged(message.durability());
}

void Simulation::Commit() {
  ModelRun* run = AnyRun();
  if (run == nullptr) return;
  const std::string id = absl::StrCat("c", Below(4));
  const bool keep_scores = Below(2) == 0;
  run->Commit(id, keep_scores);
  const auto reply = t_.Commit(run->proto.uid(), id, keep_scores);
  ASSERT_OK(reply);
  ASSERT_EQ(reply->acknowledged_positions(), run->commits.back().acknowledged_positions);
  ASSERT_EQ(reply->scores_kept(), keep_scores);
  Checkpoint();
}

void Simulation::Rollback() {
  ModelRun* run = AnyRun();
  if (run == nullptr) return;
  const std::string id = absl::StrCat("c", Below(4));
  const bool revert_scores = Below(2) == 0;
  std::optional<uint64_t> generation;
  if (Below(2) == 0) generation = run->generation - std::min<uint64_t>(run->generation, Below(2));
  const Expected expected = run->Rollback(id, revert_scores, generation);
  if (expected.code == absl::StatusCode::kOk && !expected.duplicate) {
    leases_[run->proto.uid()].Reset();
  }
  const auto reply = t_.Rollback(run->proto.uid(), id, revert_scores, generation);
  CheckStatus(reply.status(), expected);
  if (reply.ok()) {
    ASSERT_EQ(reply->duplicate(), expected.duplicate);
    ASSERT_EQ(reply->returned_positions(), expected.applied);
    ASSERT_EQ(reply->generation(), run->generation);
  }
  Checkpoint();
}

}  // namespace subset
