#include "engine/epoch_accounts.h"

#include <algorithm>
#include <utility>

namespace subset {

void SavePositions(const PositionSet& positions, google::protobuf::RepeatedField<uint64_t>* saved) {
  for (const auto& [begin, end] : positions.intervals()) {
    saved->Add(begin);
    saved->Add(end);
  }
}

PositionSet RestorePositions(const google::protobuf::RepeatedField<uint64_t>& saved) {
  PositionSet positions;
  for (int i = 0; i + 1 < saved.size(); i += 2) positions.Add(saved[i], saved[i + 1]);
  return positions;
}

void EpochAccounts::Acknowledge(Block block, uint32_t attempt, const std::string& worker) {
  CutFailures(block);
  acknowledged_.Add(block.begin, block.end);
  if (!worker.empty()) NoteAudit(block, attempt, worker);
}

void EpochAccounts::NoteAudit(Block block, uint32_t attempt, const std::string& worker) {
  const auto next = audit_.lower_bound(block.begin);
  if (next != audit_.begin()) {
    Audit& last = std::prev(next)->second;
    if (last.end == block.begin && last.attempt == attempt && last.worker == worker) {
      last.end = block.end;
      return;
    }
  }
  if (audit_.size() < kMaxAudited) audit_[block.begin] = {block.end, attempt, worker};
}

EpochAccounts::Failed EpochAccounts::Fail(Block block, const v1::Acknowledgement& how) {
  if (ParkedIn(block) == block.size()) return Failed::kRepeated;
  const auto after = failures_.upper_bound(block.begin);
  if (after != failures_.begin()) {
    const Failure& known = std::prev(after)->second;
    const bool same =
        known.incarnation == how.lease().incarnation() && known.lease_id == how.lease().id();
    if (same && known.end >= block.end) return Failed::kRepeated;
  }
  Failure failure;
  for (const Failure& met : CutFailures(block)) {
    failure.failures = std::max(failure.failures, met.failures);
  }
  failure.end = block.end;
  failure.parked = ++failure.failures >= kMaxAttempts;
  failure.reason = how.failed();
  failure.worker = how.worker();
  failure.incarnation = how.lease().incarnation();
  failure.lease_id = how.lease().id();
  const bool parked = failure.parked;
  AddFailure(block.begin, std::move(failure));
  return parked ? Failed::kParked : Failed::kToRedeliver;
}

void EpochAccounts::AddFailure(uint64_t begin, Failure failure) {
  if (failure.parked) {
    ++parked_blocks_;
    parked_positions_ += failure.end - begin;
  }
  failures_[begin] = std::move(failure);
}

void EpochAccounts::EraseFailure(std::map<uint64_t, Failure>::iterator it) {
  if (it->second.parked) {
    --parked_blocks_;
    parked_positions_ -= it->second.end - it->first;
  }
  failures_.erase(it);
}

std::vector<EpochAccounts::Failure> EpochAccounts::CutFailures(Block block) {
  std::vector<Failure> met;
  auto it = failures_.upper_bound(block.begin);
  if (it != failures_.begin() && std::prev(it)->second.end > block.begin) --it;
  while (it != failures_.end() && it->first < block.end) {
    const uint64_t begin = it->first;
    Failure failure = it->second;
    EraseFailure(it);
    if (begin < block.begin) {
      Failure before = failure;
      before.end = block.begin;
      AddFailure(begin, std::move(before));
    }
    if (failure.end > block.end) AddFailure(block.end, failure);
    it = failures_.lower_bound(failure.end);
    met.push_back(std::move(failure));
  }
  return met;
}

std::map<uint64_t, EpochAccounts::Failure> EpochAccounts::Release(
    std::optional<uint64_t> position) {
  std::map<uint64_t, Failure> released;
  for (auto it = failures_.begin(); it != failures_.end();) {
    const auto here = it++;
    if (!here->second.parked || (position.has_value() && here->first != *position)) continue;
    released[here->first] = here->second;
    EraseFailure(here);
  }
  return released;
}

uint64_t EpochAccounts::ReturnTo(const PositionSet& acknowledged) {
  const uint64_t before = acknowledged_.size();
  acknowledged_ = acknowledged;
  std::map<uint64_t, Audit> kept;
  for (const auto& [begin, audit] : audit_) {
    // A joined entry may hold blocks from both sides of the checkpoint.
    for (uint64_t at = begin; at < audit.end;) {
      const std::vector<Block> gaps = acknowledged_.Gaps(at, audit.end);
      const uint64_t until = gaps.empty() ? audit.end : gaps.front().begin;
      if (at < until) kept[at] = {until, audit.attempt, audit.worker};
      at = gaps.empty() ? audit.end : gaps.front().end;
    }
  }
  audit_ = std::move(kept);
  return before - acknowledged_.size();
}

uint64_t EpochAccounts::ParkedIn(Block block) const {
  if (parked_blocks_ == 0) return 0;
  uint64_t parked = 0;
  auto it = failures_.upper_bound(block.begin);
  if (it != failures_.begin()) --it;
  for (; it != failures_.end() && it->first < block.end; ++it) {
    const uint64_t begin = std::max(it->first, block.begin);
    const uint64_t end = std::min(it->second.end, block.end);
    if (it->second.parked && begin < end) parked += end - begin;
  }
  return parked;
}

bool EpochAccounts::Settled(uint64_t needed) const {
  return acknowledged_.CountIn(0, needed) + ParkedIn({0, needed}) == needed;
}

std::vector<v1::AcknowledgedBlock> EpochAccounts::AuditOf(Block block) const {
  std::vector<v1::AcknowledgedBlock> audit;
  auto it = audit_.upper_bound(block.begin);
  if (it != audit_.begin()) --it;
  for (; it != audit_.end() && it->first < block.end; ++it) {
    const uint64_t begin = std::max(it->first, block.begin);
    const uint64_t end = std::min(it->second.end, block.end);
    if (begin >= end) continue;
    v1::AcknowledgedBlock& entry = audit.emplace_back();
    entry.set_position(begin);
    entry.set_num_positions(end - begin);
    entry.set_attempt(it->second.attempt);
    entry.set_worker(it->second.worker);
  }
  return audit;
}

void EpochAccounts::Save(log::v1::EpochState* state) const {
  SavePositions(acknowledged_, state->mutable_acknowledged());
  for (const auto& [begin, failure] : failures_) {
    log::v1::FailedState* saved = state->add_failed();
    saved->set_begin(begin);
    saved->set_end(failure.end);
    saved->set_failures(failure.failures);
    saved->set_parked(failure.parked);
    saved->set_reason(failure.reason);
    saved->set_worker(failure.worker);
    saved->set_incarnation(failure.incarnation);
    saved->set_lease_id(failure.lease_id);
  }
  for (const auto& [begin, audit] : audit_) {
    v1::AcknowledgedBlock* saved = state->add_audit();
    saved->set_position(begin);
    saved->set_num_positions(audit.end - begin);
    saved->set_attempt(audit.attempt);
    saved->set_worker(audit.worker);
  }
}

void EpochAccounts::Restore(const log::v1::EpochState& state) {
  acknowledged_ = RestorePositions(state.acknowledged());
  for (const log::v1::FailedState& saved : state.failed()) {
    AddFailure(saved.begin(), {saved.end(), saved.failures(), saved.parked(), saved.reason(),
                               saved.worker(), saved.incarnation(), saved.lease_id()});
  }
  for (const v1::AcknowledgedBlock& saved : state.audit()) {
    audit_[saved.position()] = {saved.position() + saved.num_positions(), saved.attempt(),
                                saved.worker()};
  }
}

}  // namespace subset
