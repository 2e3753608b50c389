// Run's fold of commits and rollbacks: checkpoints of the trainer.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/run.h"

namespace subset {

bool Run::Needs(const Commit& commit, uint64_t number, const Entry& entry) const {
  const auto then = commit.acknowledged.find(number);
  if (then != commit.acknowledged.end()) {
    const uint64_t needed = NumNeeded(entry);
    return then->second.CountIn(0, needed) < needed;
  }
  return commit.acknowledged.empty() || number > commit.acknowledged.rbegin()->first;
}

std::shared_ptr<const Epoch> Run::EvictOldest() {
  const auto oldest = epochs_.begin();
  for (auto commit = commits_.begin(); commit != commits_.end();) {
    const bool needed = Needs(*commit, oldest->first, oldest->second);
    commit->acknowledged.erase(oldest->first);
    commit = needed ? commits_.erase(commit) : std::next(commit);
  }
  std::shared_ptr<const Epoch> gone = std::move(oldest->second.epoch);
  epochs_.erase(oldest);
  return gone;
}

v1::Checkpoint Run::FoldCommit(v1::Checkpoint checkpoint) {
  WriterLock lock(&mu_);
  checkpoint.set_generation(generation());
  checkpoint.mutable_score_version()->set_records(records_);
  const auto same = [&checkpoint](const Commit& commit) {
    return commit.checkpoint.checkpoint_id() == checkpoint.checkpoint_id();
  };
  commits_.erase(std::remove_if(commits_.begin(), commits_.end(), same), commits_.end());
  Commit commit;
  for (const auto& [number, entry] : epochs_) {
    commit.acknowledged[number] = entry.accounts.acknowledged();
    checkpoint.set_epoch(number);
    checkpoint.set_acknowledged_positions(entry.accounts.acknowledged().size());
  }
  commit.checkpoint = checkpoint;
  commits_.push_back(std::move(commit));
  if (commits_.size() > kMaxCommits) commits_.pop_front();
  return checkpoint;
}

absl::StatusOr<v1::RollbackResponse> Run::FoldRollback(const log::v1::RunRolledBack& record) {
  v1::RollbackResponse response;
  {
    WriterLock lock(&mu_);
    const uint64_t now = generation();
    if (record.has_generation() && record.generation() != now) {
      response.set_generation(now);
      response.set_duplicate(true);
      if (record.generation() + 1 == now && rolled_back_to_ == record.checkpoint_id()) {
        return response;
      }
      return WithReason(
          WithField(absl::FailedPreconditionError(absl::StrCat("generation ", record.generation(),
                                                               " is not the run's, ", now)),
                    "generation"),
          "GENERATION_PASSED");
    }
    const auto commit =
        std::find_if(commits_.begin(), commits_.end(), [&record](const Commit& each) {
          return each.checkpoint.checkpoint_id() == record.checkpoint_id();
        });
    if (commit == commits_.end()) {
      return WithReason(
          WithField(absl::FailedPreconditionError(absl::StrCat(
                        "checkpoint_id \"", record.checkpoint_id(),
                        "\" is not known to the run, or was forgotten with the epochs it needs")),
                    "checkpoint_id"),
          "CHECKPOINT_GONE");
    }
    uint64_t returned = 0;
    for (auto& [number, entry] : epochs_) {
      const auto then = commit->acknowledged.find(number);
      returned += entry.accounts.ReturnTo(then == commit->acknowledged.end() ? PositionSet()
                                                                             : then->second);
    }
    commits_.erase(std::next(commit), commits_.end());
    rolled_back_to_ = record.checkpoint_id();
    generation_.store(now + 1, std::memory_order_relaxed);
    response.set_generation(now + 1);
    response.set_returned_positions(returned);
  }
  leases_.Reset();
  return response;
}

void Run::SaveCommits(log::v1::RunState* state) const {
  state->set_generation(generation());
  state->set_rolled_back_to(rolled_back_to_);
  for (const Commit& commit : commits_) {
    log::v1::CommitState* saved = state->add_commits();
    *saved->mutable_checkpoint() = commit.checkpoint;
    for (const auto& [number, acknowledged] : commit.acknowledged) {
      auto* epoch = saved->add_epochs();
      epoch->set_epoch(number);
      SavePositions(acknowledged, epoch->mutable_acknowledged());
    }
  }
}

void Run::RestoreCommits(const log::v1::RunState& state) {
  generation_.store(state.generation(), std::memory_order_relaxed);
  rolled_back_to_ = state.rolled_back_to();
  for (const log::v1::CommitState& saved : state.commits()) {
    Commit& commit = commits_.emplace_back();
    commit.checkpoint = saved.checkpoint();
    for (const auto& epoch : saved.epochs()) {
      commit.acknowledged[epoch.epoch()] = RestorePositions(epoch.acknowledged());
    }
  }
}

}  // namespace subset
