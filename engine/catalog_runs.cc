// Catalog's fold of runs, epochs, sessions, feedback and live draws.

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/catalog.h"
#include "engine/image_names.h"

namespace subset {
namespace {

absl::Status NoRun(Uid uid) { return NotFound("run", absl::StrCat(uid)); }

// What makes a run another one, as text: both sides are shown where they differ.
std::string Settings(Uid sampler, uint64_t seed, uint32_t global_batch_size, bool drop_last,
                     const google::protobuf::Map<std::string, double>& score_ema) {
  std::string text = absl::StrCat("sampler_uid ", sampler, ", seed ", seed, ", global_batch_size ",
                                  global_batch_size, ", drop_last ", drop_last ? "true" : "false");
  const std::map<std::string, double> ema(score_ema.begin(), score_ema.end());
  for (const auto& [column, rate] : ema) absl::StrAppend(&text, ", score_ema[", column, "] ", rate);
  return text;
}

}  // namespace

Outcome Catalog::CreateRun(uint64_t sequence, const Record& record) {
  const log::v1::RunCreated& created = record.run_created();
  Outcome outcome;
  WriterLock lock(&mu_);
  const auto sampler = samplers_.find(created.sampler_uid());
  if (sampler == samplers_.end()) {
    outcome.status = NotFound("sampler", absl::StrCat(created.sampler_uid()));
    return outcome;
  }
  const auto name = run_names_.find(created.name());
  if (name != run_names_.end()) {
    outcome.run = runs_.at(name->second);
    const v1::Run& has = outcome.run->settings();
    const std::string existing = Settings(has.sampler_uid(), has.seed(), has.global_batch_size(),
                                          has.drop_last(), has.score_ema());
    const std::string wanted =
        Settings(created.sampler_uid(), created.seed(), created.global_batch_size(),
                 created.drop_last(), created.score_ema());
    if (existing != wanted) {
      outcome.run = nullptr;
      outcome.status = WithReason(
          absl::AlreadyExistsError(absl::StrCat("run \"", created.name(), "\" exists with ",
                                                existing, "; asked for ", wanted)),
          "ALREADY_EXISTS");
    }
    return outcome;
  }
  const v1::Sampler& of = sampler->second->proto;
  std::shared_ptr<Run> source;
  if (created.copy_scores_from_uid() != 0) {
    const auto found = runs_.find(created.copy_scores_from_uid());
    if (found == runs_.end()) {
      outcome.status = WithField(NoRun(created.copy_scores_from_uid()), "copy_scores_from");
      return outcome;
    }
    source = found->second;
    if (source->settings().dataset_uid() != of.dataset_uid()) {
      outcome.status =
          InvalidField("copy_scores_from",
                       absl::StrCat("\"", source->settings().name(), "\" is a run of sampler \"",
                                    source->settings().sampler(), "\", of another dataset than \"",
                                    of.name(), "\""));
      return outcome;
    }
  }
  v1::Run settings;
  settings.set_name(created.name());
  settings.set_uid(next_uid_++);
  settings.set_sampler(of.name());
  settings.set_sampler_uid(of.uid());
  settings.set_dataset_uid(of.dataset_uid());
  settings.set_num_samples(datasets_.at(of.dataset_uid())->num_samples());
  settings.set_seed(created.seed());
  settings.set_global_batch_size(created.global_batch_size());
  settings.set_drop_last(created.drop_last());
  *settings.mutable_score_ema() = created.score_ema();
  const int64_t timeout = created.feedback_timeout_micros();
  settings.mutable_feedback_timeout()->set_seconds(timeout / 1000000);
  settings.mutable_feedback_timeout()->set_nanos(static_cast<int32_t>(timeout % 1000000) * 1000);
  settings.mutable_create_time()->set_seconds(record.time_micros() / 1000000);
  settings.mutable_create_time()->set_nanos(static_cast<int32_t>(record.time_micros() % 1000000) *
                                            1000);
  if (created.time_to_live_micros() > 0) {
    const int64_t live = created.time_to_live_micros();
    settings.mutable_time_to_live()->set_seconds(live / 1000000);
    settings.mutable_time_to_live()->set_nanos(static_cast<int32_t>(live % 1000000) * 1000);
  }
  outcome.run = std::make_shared<Run>(settings, FindScores(settings.uid(), settings.num_samples()));
  if (source != nullptr) outcome.run->FoldCopy(sequence, *source);
  runs_[settings.uid()] = outcome.run;
  run_names_[settings.name()] = settings.uid();
  return outcome;
}

Outcome Catalog::DeleteRun(const log::v1::RunDeleted& deleted) {
  Outcome outcome;
  WriterLock lock(&mu_);
  if (runs_.count(deleted.uid()) == 0) {
    outcome.status = NoRun(deleted.uid());
    return outcome;
  }
  RemoveRun(deleted.uid(), &outcome);
  return outcome;
}

void Catalog::RemoveRun(Uid uid, Outcome* outcome) {
  const std::shared_ptr<Run> run = runs_.at(uid);
  run_names_.erase(run->settings().name());
  runs_.erase(uid);
  outcome->deleted_runs.push_back(uid);
  (run->copied() ? outcome->garbage_after_catalog : outcome->garbage).push_back(RunPrefix(uid));
  for (const Uid table : run->KeptTables()) {
    outcome->garbage_after_catalog.push_back(RunPrefix(table));
  }
  outcome->garbage.push_back(LivePrefix(uid));
  CollectEpochs(run->Epochs(), run->settings().dataset_uid(), &outcome->garbage);
}

void Catalog::CollectColumn(const StoredColumn& column, Uid dataset,
                            std::vector<std::string>* garbage) const {
  const auto it = datasets_.find(dataset);
  if (it != datasets_.end()) {
    const auto current = it->second->columns.find(column.column().name());
    if (current != it->second->columns.end() &&
        current->second->import_uid() == column.import_uid()) {
      return;
    }
  }
  for (const auto& [uid, run] : runs_) {
    if (run->settings().dataset_uid() != dataset) continue;
    for (const auto& epoch : run->Epochs()) {
      const auto pinned = epoch->columns.find(column.column().name());
      if (pinned != epoch->columns.end() && pinned->second.get() == &column) return;
    }
  }
  garbage->push_back(ImportColumnPrefix(column.import_uid(), column.column().name()));
}

void Catalog::CollectEpochs(const std::vector<std::shared_ptr<const Epoch>>& epochs, Uid dataset,
                            std::vector<std::string>* garbage) const {
  for (const auto& epoch : epochs) {
    if (epoch->opened.plan_uid() != 0) garbage->push_back(PlanPrefix(epoch->opened.plan_uid()));
    for (const auto& [name, column] : epoch->columns) CollectColumn(*column, dataset, garbage);
  }
}

Outcome Catalog::OpenEpoch(const Record& record, Attachments attachments) {
  const log::v1::EpochOpened& opened = record.epoch_opened();
  Outcome outcome;
  if (opened.plan_uid() != 0) outcome.garbage = {PlanPrefix(opened.plan_uid())};  // unless taken
  ReaderLock lock(&mu_);
  const auto it = runs_.find(opened.run_uid());
  if (it == runs_.end()) {
    outcome.status = NoRun(opened.run_uid());
    return outcome;
  }
  outcome.run = it->second;
  const Uid dataset_uid = outcome.run->settings().dataset_uid();
  const RunProgress progress = outcome.run->Progress();
  if (progress.any_epoch && opened.epoch() <= progress.newest_epoch) {
    outcome.status = absl::AbortedError("this or a later epoch was opened meanwhile");
    return outcome;
  }
  auto epoch = std::make_shared<Epoch>();
  epoch->sampler = VersionFor(samplers_.at(outcome.run->settings().sampler_uid()), opened.epoch(),
                              opened.first_step());
  if (epoch->sampler->proto.version() != opened.sampler_version()) {
    outcome.status = absl::AbortedError("the sampler was updated meanwhile");
    return outcome;
  }
  absl::StatusOr<PinnedColumns> columns =
      datasets_.at(dataset_uid)->Pin(epoch->sampler->spec.DatasetColumns());
  if (!columns.ok()) {
    outcome.status = columns.status();
    return outcome;
  }
  for (const auto& [name, column] : *columns) {
    if (column->columns_version() <= opened.columns_version()) continue;
    outcome.status = absl::AbortedError("a column was replaced meanwhile");
    return outcome;
  }
  epoch->columns = *std::move(columns);
  epoch->opened = opened;
  epoch->open_time_micros = record.time_micros();
  epoch->plan = std::move(attachments.plan);
  epoch->live_traits = attachments.live_traits;
  outcome.epoch = epoch;
  outcome.garbage.clear();
  std::vector<Uid> dropped;
  CollectEpochs(outcome.run->FoldEpoch(std::move(epoch), std::move(attachments.draw), &dropped),
                dataset_uid, &outcome.garbage);
  for (const Uid table : dropped) outcome.garbage_after_catalog.push_back(RunPrefix(table));
  return outcome;
}

Outcome Catalog::OpenSession(uint64_t sequence, const log::v1::SessionOpened& opened) {
  Outcome outcome;
  WriterLock lock(&mu_);
  const auto it = runs_.find(opened.run_uid());
  if (it == runs_.end()) {
    outcome.status = NoRun(opened.run_uid());
    return outcome;
  }
  outcome.session = next_uid_++;
  it->second->FoldSession(outcome.session, sequence);
  return outcome;
}

Outcome Catalog::ReportFeedback(uint64_t sequence, const log::v1::FeedbackReported& reported) {
  Outcome outcome;
  outcome.run = FindRun(reported.run_uid());
  if (outcome.run == nullptr) {
    outcome.status = NoRun(reported.run_uid());
    return outcome;
  }
  absl::StatusOr<FeedbackOutcome> folded = outcome.run->FoldFeedback(sequence, reported);
  if (folded.ok()) {
    outcome.feedback = *folded;
  } else {
    outcome.status = folded.status();
  }
  return outcome;
}

Outcome Catalog::DrawBatch(uint64_t sequence, const log::v1::BatchDrawn& drawn) {
  Outcome outcome;
  outcome.run = FindRun(drawn.run_uid());
  const std::shared_ptr<const Epoch> epoch =
      outcome.run == nullptr ? nullptr : outcome.run->FindEpoch(drawn.epoch());
  if (epoch == nullptr) {
    outcome.status = outcome.run == nullptr
                         ? NoRun(drawn.run_uid())
                         : WithReason(absl::FailedPreconditionError(absl::StrCat(
                                          "epoch ", drawn.epoch(), " is no longer kept")),
                                      "EPOCH_GONE");
    return outcome;
  }
  outcome.run->live_draws().Fold(
      sequence, drawn.position() / outcome.run->settings().global_batch_size(),
      std::make_shared<const log::v1::BatchDrawn>(drawn), epoch->opened.keep_live_batches());
  return outcome;
}

}  // namespace subset
