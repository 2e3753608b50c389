// Run's fold of commits and rollbacks: checkpoints of the trainer.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/run.h"
#include "sampling/spec.h"

namespace subset {

bool Run::Needs(const Commit& commit, uint64_t number, const Entry& entry) const {
  const auto then = commit.acknowledged.find(number);
  if (then != commit.acknowledged.end()) {
    const uint64_t needed = NumNeeded(entry);
    return then->second.CountIn(0, needed) < needed;
  }
  return commit.acknowledged.empty() || number > commit.acknowledged.rbegin()->first;
}

void Run::DropScores(Commit& commit, std::vector<Uid>* dropped) {
  if (commit.scores.uid != 0) dropped->push_back(commit.scores.uid);
  commit.scores = {};
  commit.checkpoint.set_scores_kept(false);
}

std::shared_ptr<const Epoch> Run::EvictOldest(std::vector<Uid>* dropped) {
  const auto oldest = epochs_.begin();
  for (auto commit = commits_.begin(); commit != commits_.end();) {
    const bool needed = Needs(*commit, oldest->first, oldest->second);
    commit->acknowledged.erase(oldest->first);
    if (needed) DropScores(*commit, dropped);
    commit = needed ? commits_.erase(commit) : std::next(commit);
  }
  std::shared_ptr<const Epoch> gone = std::move(oldest->second.epoch);
  epochs_.erase(oldest);
  return gone;
}

v1::Checkpoint Run::FoldCommit(uint64_t sequence, v1::Checkpoint checkpoint, KeptScores scores,
                               std::vector<Uid>* dropped) {
  WriterLock lock(&mu_);
  checkpoint.set_generation(generation());
  checkpoint.mutable_score_version()->set_records(records_);
  for (auto commit = commits_.begin(); commit != commits_.end();) {
    const bool same = commit->checkpoint.checkpoint_id() == checkpoint.checkpoint_id();
    if (same || scores.uid != 0) DropScores(*commit, dropped);  // one copy of the scores is kept
    commit = same ? commits_.erase(commit) : std::next(commit);
  }
  Commit commit;
  if (scores.uid != 0) {
    scores.table->CopyFrom(*scores_, /*frozen=*/false, sequence);
    scores.learned = learned_;
    checkpoint.set_scores_kept(true);
    commit.scores = std::move(scores);
  }
  for (const auto& [number, entry] : epochs_) {
    commit.acknowledged[number] = entry.accounts.acknowledged();
    checkpoint.set_epoch(number);
    checkpoint.set_acknowledged_positions(entry.accounts.acknowledged().size());
  }
  commit.checkpoint = checkpoint;
  commits_.push_back(std::move(commit));
  if (commits_.size() > kMaxCommits) {
    DropScores(commits_.front(), dropped);
    commits_.pop_front();
  }
  return checkpoint;
}

absl::StatusOr<v1::RollbackResponse> Run::FoldRollback(uint64_t sequence,
                                                       const log::v1::RunRolledBack& record,
                                                       std::vector<Uid>* dropped) {
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
    if (record.revert_scores() && commit->scores.uid == 0) {
      return WithReason(
          WithField(absl::FailedPreconditionError(absl::StrCat(
                        "revert_scores: the scores of checkpoint \"", record.checkpoint_id(),
                        "\" are not kept: commit with keep_scores")),
                    "revert_scores"),
          "SCORES_GONE");
    }
    uint64_t returned = 0;
    for (auto& [number, entry] : epochs_) {
      const auto then = commit->acknowledged.find(number);
      returned += entry.accounts.ReturnTo(then == commit->acknowledged.end() ? PositionSet()
                                                                             : then->second);
    }
    for (auto later = std::next(commit); later != commits_.end(); ++later) {
      DropScores(*later, dropped);
    }
    if (record.revert_scores()) RevertScores(sequence, commit->scores);
    commits_.erase(std::next(commit), commits_.end());
    rolled_back_to_ = record.checkpoint_id();
    generation_.store(now + 1, std::memory_order_relaxed);
    response.set_generation(now + 1);
    response.set_returned_positions(returned);
  }
  leases_.Reset();
  return response;
}

void Run::RevertScores(uint64_t sequence, const KeptScores& kept) {
  scores_->CopyFrom(*kept.table, /*frozen=*/true, sequence);
  ++records_;  // the table is another one
  reverted_ = !noting_.empty();
  RebuildDraws();
  if (!learned_.has_value()) return;
  const Epoch& newest = *epochs_.rbegin()->second.epoch;
  std::optional<LearnedShares> learned = kept.learned;
  if (!learned.has_value() || !learned->Adopt(newest)) learned.emplace(newest);  // none by then
  learned_ = std::move(learned);
}

void Run::FoldCopy(uint64_t sequence, const Run& source) {
  WriterLock lock(&mu_);
  ReaderLock source_lock(&source.mu_);
  // Steps are a run's own: by those of another, its scores would be newer than what is reported
  // here.
  scores_->CopyFrom(*source.scores_, /*frozen=*/false, sequence, sampling::StepColumn(""));
  source.copied_.store(true, std::memory_order_relaxed);
}

std::vector<Uid> Run::KeptTables() const {
  std::vector<Uid> tables;
  ReaderLock lock(&mu_);
  for (const Commit& commit : commits_) {
    if (commit.scores.uid != 0) tables.push_back(commit.scores.uid);
  }
  return tables;
}

void Run::SaveCommits(log::v1::RunState* state) const {
  state->set_generation(generation());
  state->set_rolled_back_to(rolled_back_to_);
  for (const Commit& commit : commits_) {
    log::v1::CommitState* saved = state->add_commits();
    *saved->mutable_checkpoint() = commit.checkpoint;
    saved->set_scores_uid(commit.scores.uid);
    if (commit.scores.learned.has_value()) commit.scores.learned->Save(saved->mutable_learned());
    for (const auto& [number, acknowledged] : commit.acknowledged) {
      auto* epoch = saved->add_epochs();
      epoch->set_epoch(number);
      SavePositions(acknowledged, epoch->mutable_acknowledged());
    }
  }
}

absl::Status Run::RestoreCommits(const log::v1::RunState& state,
                                 absl::FunctionRef<std::unique_ptr<ScoreTable>(Uid)> find_scores) {
  generation_.store(state.generation(), std::memory_order_relaxed);
  rolled_back_to_ = state.rolled_back_to();
  for (const log::v1::CommitState& saved : state.commits()) {
    Commit& commit = commits_.emplace_back();
    commit.checkpoint = saved.checkpoint();
    if (saved.scores_uid() != 0) {
      commit.scores = {saved.scores_uid(), find_scores(saved.scores_uid()), {}};
    }
    if (saved.has_learned()) {
      SUBSET_ASSIGN_OR_RETURN(commit.scores.learned, LearnedShares::Restore(saved.learned()));
    }
    for (const auto& epoch : saved.epochs()) {
      commit.acknowledged[epoch.epoch()] = RestorePositions(epoch.acknowledged());
    }
  }
  return absl::OkStatus();
}

}  // namespace subset
