// Planner's building: from the run's state at one moment to a logged epoch.

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/image_names.h"
#include "engine/planner.h"
#include "sampling/score_draw.h"

namespace subset {

namespace {

// Draws from the scores of one moment hold up the writer, and so whoever reports to any run: about
// 0.1 s.
constexpr uint64_t kMaxDrawnTogether = uint64_t{1} << 20;

absl::Status CheckDrawnTogether(const SamplerVersion& sampler, const v1::Run& run) {
  const uint64_t steps = sampler.steps_together();
  if (steps == 1 || steps * run.global_batch_size() <= kMaxDrawnTogether) return absl::OkStatus();
  return WithReason(
      WithField(
          absl::FailedPreconditionError(absl::StrCat(
              "spec.snapshot_every ", steps, " of sampler \"", sampler.proto.name(),
              "\" with global_batch_size ", run.global_batch_size(), " draws ",
              steps * run.global_batch_size(), " samples at once; at most ", kMaxDrawnTogether)),
          "spec.snapshot_every"),
      "SNAPSHOT_TOO_LONG");
}

// The sampler was right when it was made: what does not fit is a column that was replaced since.
absl::Status AtOpening(const absl::Status& status) {
  if (!absl::IsInvalidArgument(status)) return status;
  return WithReason(
      WithField(absl::FailedPreconditionError(status.message()), ErrorField(status).value_or("")),
      "COLUMN_UNFIT");
}

}  // namespace

struct Planner::Built {
  log::v1::EpochOpened opened;
  Attachments attachments;
};

absl::StatusOr<Planner::Built> Planner::Build(
    Run& run, uint64_t epoch, v1::Epoch::Opened reason,
    const std::shared_ptr<const ProvidedContent>& provided) {
  const v1::Run& settings = run.settings();
  const uint64_t first_step = run.Progress().next_step;
  const auto sampler = VersionFor(catalog_->FindSampler(settings.sampler_uid()), epoch, first_step);
  const auto dataset = catalog_->FindDataset(settings.dataset_uid());
  if (sampler == nullptr || dataset == nullptr) return NotFound("run", settings.name());
  SUBSET_RETURN_IF_ERROR(CheckDrawnTogether(*sampler, settings));
  SUBSET_RETURN_IF_ERROR(memory_->Check(absl::StrCat("epoch ", epoch, " of run ", settings.name()),
                                        PlanBytes(sampler->spec, run.num_samples())));
  SUBSET_ASSIGN_OR_RETURN(const PinnedColumns columns,
                          dataset->Pin(sampler->spec.DatasetColumns()));
  Built built;
  built.opened.set_run_uid(settings.uid());
  built.opened.set_epoch(epoch);
  built.opened.set_first_step(first_step);
  SUBSET_RETURN_IF_ERROR(run.NoteLearnedShares(sampler, columns, &built.opened));
  SUBSET_ASSIGN_OR_RETURN(sampling::PlanInput input,
                          MakePlanInput(settings, built.opened, *sampler, columns));
  const absl::Duration start = clock_->Monotonic();
  const std::set<std::string> scores = sampler->spec.ScoreColumns();
  const RunSnapshot snapshot = sampler->live()
                                   ? run.SnapshotAndNote(scores, sampler->spec.preference.score)
                                   : run.Snapshot(scores);
  input.columns.scores = snapshot.views();
  if (provided != nullptr) {
    input.provided = {provided, &provided->epoch};
    built.opened.set_provided_hash(provided->hash);
  }

  sampling::PlanTraits traits;
  if (sampler->live()) {
    auto draw = sampling::ScoreDraw::Build(input);
    if (!draw.ok()) {
      run.StopNoting();
      return draw.status();
    }
    built.attachments.draw = *std::move(draw);
    traits = built.attachments.draw->traits();
    built.attachments.live_traits = traits;
    // The newest snapshot's and, for stragglers, those of the one before.
    const auto together = static_cast<uint32_t>(sampler->steps_together());
    built.opened.set_keep_live_batches(std::max(keep_live_batches_, 2 * together));
  } else {
    SUBSET_ASSIGN_OR_RETURN(built.attachments.plan, sampling::BuildPlan(input));
    traits = built.attachments.plan->traits();
  }
  if (observer_ != nullptr) observer_->OnPlanBuilt(clock_->Monotonic() - start);

  built.opened.set_sampler_version(sampler->proto.version());
  built.opened.set_num_samples(settings.num_samples());
  built.opened.set_columns_version(dataset->proto.columns_version());
  built.opened.mutable_score_version()->set_incarnation(catalog_->incarnation());
  built.opened.mutable_score_version()->set_records(snapshot.records);
  built.opened.set_opened(reason);
  built.opened.set_num_positions(traits.num_positions);
  built.opened.set_distinct_samples(traits.distinct_samples);
  built.opened.set_effective_sample_ratio(traits.effective_sample_ratio);
  built.opened.set_fell_back_to_uniform(traits.fell_back_to_uniform);
  built.opened.set_keep_epochs(std::max<uint32_t>(1, keep_plans_));
  if (!sampler->live()) {
    SUBSET_RETURN_IF_ERROR(WritePlan(built.attachments.plan->Serialize(), &built));
  }
  return built;
}

void Planner::Prepare(std::shared_ptr<Run> run) {
  Post([this, run = std::move(run)] {
    const v1::Run& settings = run->settings();
    const auto sampler = catalog_->FindSampler(settings.sampler_uid());
    const auto dataset = catalog_->FindDataset(settings.dataset_uid());
    if (sampler == nullptr || dataset == nullptr) return;
    const uint64_t plan = PlanBytes(sampler->spec, run->num_samples());
    if (!memory_->Check(settings.name(), plan).ok()) return;
    const auto columns = dataset->Pin(sampler->spec.DatasetColumns());
    if (!columns.ok()) return;
    log::v1::EpochOpened opened;
    opened.set_epoch(sampler->proto.from_epoch());
    opened.set_first_step(sampler->proto.from_step());
    // What is wrong is said when the epoch opens.
    MakePlanInput(settings, opened, *sampler, *columns).status().IgnoreError();
  });
}

absl::Status Planner::WritePlan(const std::string& bytes, Built* built) {
  if (bytes.empty()) return absl::OkStatus();
  const Uid uid = catalog_->incarnation() << 32 | ++plans_;
  for (uint64_t piece = 0; piece * kMaxPieceBytes < bytes.size(); ++piece) {
    const Image image{absl::StrCat(PlanPrefix(uid), HexName(piece)),
                      absl::string_view(bytes).substr(piece * kMaxPieceBytes, kMaxPieceBytes)};
    const absl::Status written = store_->WriteImages({&image, 1}, {}, /*sync=*/true);
    if (!written.ok()) {
      keeper_->Delete({PlanPrefix(uid)});
      return written;
    }
  }
  built->opened.set_plan_uid(uid);
  built->opened.set_plan_bytes(bytes.size());
  return absl::OkStatus();
}

absl::Status Planner::Open(const std::shared_ptr<Run>& run, uint64_t epoch,
                           v1::Epoch::Opened reason,
                           const std::shared_ptr<const ProvidedContent>& provided) {
  absl::StatusOr<Built> result = Build(*run, epoch, reason, provided);
  if (!result.ok()) return AtOpening(result.status());
  Built built = *std::move(result);
  auto record = std::make_shared<log::v1::Record>();
  record->set_time_micros(absl::ToUnixMicros(clock_->Now()));
  *record->mutable_epoch_opened() = built.opened;
  const Uid plan_uid = built.opened.plan_uid();
  auto outcome = std::make_shared<Outcome>();
  Writer::Entry entry;
  entry.record = record->SerializeAsString();
  entry.apply = [this, record, outcome,
                 attachments = std::move(built.attachments)](uint64_t sequence) mutable {
    *outcome = catalog_->Apply(sequence, *record, std::move(attachments));
  };
  entry.done = [this, run, epoch, plan_uid, outcome](const absl::Status& logged) {
    const absl::Status status = logged.ok() ? outcome->status : logged;
    if (!logged.ok() && plan_uid != 0) outcome->garbage.push_back(PlanPrefix(plan_uid));
    keeper_->Delete(std::move(outcome->garbage));
    Post([this, run, epoch, status] {
      if (!status.ok()) run->StopNoting();
      Opened(run, epoch, status);
    });
  };
  const absl::Status queued = writer_->Submit(std::move(entry));
  if (!queued.ok()) {
    run->StopNoting();
    if (plan_uid != 0) keeper_->Delete({PlanPrefix(plan_uid)});
  }
  return queued;
}

}  // namespace subset
