// Catalog's fold of acknowledgements, commits and rollbacks.

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/catalog.h"
#include "engine/image_names.h"

namespace subset {
namespace {

// Puts what a fold returned where it belongs.
template <typename T>
void Take(absl::StatusOr<T> folded, T* value, Outcome* outcome) {
  if (folded.ok()) {
    *value = *std::move(folded);
  } else {
    outcome->status = folded.status();
  }
}

// An outcome with the run, or with the error that there is none.
Outcome Of(std::shared_ptr<Run> run, Uid uid) {
  Outcome outcome;
  if (run == nullptr) outcome.status = NotFound("run", absl::StrCat(uid));
  outcome.run = std::move(run);
  return outcome;
}

}  // namespace

Outcome Catalog::AcknowledgePositions(const log::v1::PositionsAcknowledged& acknowledged) {
  Outcome outcome = Of(FindRun(acknowledged.run_uid()), acknowledged.run_uid());
  if (outcome.run == nullptr) return outcome;
  Take(outcome.run->FoldAcknowledged(acknowledged), &outcome.acknowledged, &outcome);
  return outcome;
}

Outcome Catalog::ReleaseParked(const log::v1::ParkedReleased& released) {
  Outcome outcome = Of(FindRun(released.run_uid()), released.run_uid());
  if (outcome.run == nullptr) return outcome;
  Take(outcome.run->FoldReleased(released), &outcome.released_positions, &outcome);
  return outcome;
}

std::unique_ptr<ScoreTable> Catalog::FindScores(Uid table, uint64_t num_samples) const {
  std::unique_ptr<ScoreTable> scores;
  if (find_scores_) scores = find_scores_(table, num_samples);
  return scores != nullptr ? std::move(scores) : std::make_unique<ScoreTable>(num_samples);
}

Outcome Catalog::CommitRun(uint64_t sequence, const Record& record) {
  const log::v1::RunCommitted& committed = record.run_committed();
  Outcome outcome = Of(FindRun(committed.run_uid()), committed.run_uid());
  if (outcome.run == nullptr) return outcome;
  v1::Checkpoint checkpoint;
  checkpoint.set_checkpoint_id(committed.checkpoint_id());
  checkpoint.mutable_commit_time()->set_seconds(record.time_micros() / 1000000);
  checkpoint.mutable_commit_time()->set_nanos(static_cast<int32_t>(record.time_micros() % 1000000) *
                                              1000);
  checkpoint.mutable_score_version()->set_incarnation(incarnation());
  KeptScores scores;
  if (committed.keep_scores()) {
    WriterLock lock(&mu_);
    scores.uid = next_uid_++;
    scores.table = FindScores(scores.uid, outcome.run->num_samples());
  }
  std::vector<Uid> dropped;
  outcome.checkpoint =
      outcome.run->FoldCommit(sequence, std::move(checkpoint), std::move(scores), &dropped);
  for (const Uid table : dropped) outcome.garbage_after_catalog.push_back(RunPrefix(table));
  return outcome;
}

Outcome Catalog::RollBackRun(uint64_t sequence, const log::v1::RunRolledBack& rolled_back) {
  Outcome outcome = Of(FindRun(rolled_back.run_uid()), rolled_back.run_uid());
  if (outcome.run == nullptr) return outcome;
  std::vector<Uid> dropped;
  Take(outcome.run->FoldRollback(sequence, rolled_back, &dropped), &outcome.rollback, &outcome);
  for (const Uid table : dropped) outcome.garbage_after_catalog.push_back(RunPrefix(table));
  return outcome;
}

}  // namespace subset
