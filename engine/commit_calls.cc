// The engine's calls about checkpoints of the trainer.

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/local_engine.h"

namespace subset {
namespace {

constexpr size_t kMaxCheckpointBytes = 256;

absl::Status ValidateCheckpoint(const std::string& id) {
  if (!id.empty() && id.size() <= kMaxCheckpointBytes) return absl::OkStatus();
  return InvalidField("checkpoint_id", absl::StrCat("has ", id.size(), " bytes, outside [1, ",
                                                    kMaxCheckpointBytes, "]"));
}

}  // namespace

void LocalEngine::Commit(const v1::CommitRequest& request, Done<v1::Checkpoint> done) {
  const auto run = RequireRun(request.run_uid());
  if (!run.ok()) return done(run.status());
  const absl::Status valid = ValidateCheckpoint(request.checkpoint_id());
  if (!valid.ok()) return done(valid);
  if (request.keep_scores()) {
    const absl::Status fits =
        memory_.Check(absl::StrCat("the scores of checkpoint \"", request.checkpoint_id(), "\""),
                      (*run)->score_memory_bytes());
    if (!fits.ok()) return done(fits);
  }
  log::v1::Record record = NewRecord();
  auto* committed = record.mutable_run_committed();
  committed->set_run_uid(request.run_uid());
  committed->set_checkpoint_id(request.checkpoint_id());
  committed->set_keep_scores(request.keep_scores());
  Submit(std::move(record), [done = std::move(done)](Outcome outcome) mutable {
    if (!outcome.status.ok()) return done(outcome.status);
    done(std::move(outcome.checkpoint));
  });
}

void LocalEngine::Rollback(const v1::RollbackRequest& request, Done<v1::RollbackResponse> done) {
  const auto run = RequireRun(request.run_uid());
  if (!run.ok()) return done(run.status());
  log::v1::Record record = NewRecord();
  auto* rolled_back = record.mutable_run_rolled_back();
  rolled_back->set_run_uid(request.run_uid());
  rolled_back->set_checkpoint_id(request.checkpoint_id());
  rolled_back->set_revert_scores(request.revert_scores());
  if (request.has_generation()) rolled_back->set_generation(request.generation());
  Submit(std::move(record), [done = std::move(done)](Outcome outcome) mutable {
    if (!outcome.status.ok()) return done(outcome.status);
    done(std::move(outcome.rollback));
  });
}

}  // namespace subset
