// The engine's calls about epochs that are looked at without opening them. What takes O(N) runs on
// the planner's thread.

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "engine/local_engine.h"
#include "engine/names.h"
#include "engine/preview.h"
#include "engine/spec_proto.h"

namespace subset {

struct LocalEngine::Planned {
  Definition definition;  // of a sampler that exists: its spec, checked when it was made
  bool checked = false;
  uint64_t sampler_version = 0;  // 0: of a definition
  std::shared_ptr<Run> run;      // null: none
  v1::Run settings;
  log::v1::EpochOpened opened;
};

absl::StatusOr<LocalEngine::Planned> LocalEngine::Plan(const v1::PlannedEpoch& request) const {
  Planned planned;
  std::shared_ptr<const SamplerVersion> newest;
  planned.checked = request.definition_case() == v1::PlannedEpoch::DEFINITION_NOT_SET;
  if (planned.checked) {
    SUBSET_ASSIGN_OR_RETURN(newest, RequireSampler(request.sampler()));
    planned.definition.dataset = catalog_->FindDataset(newest->proto.dataset_uid());
    if (planned.definition.dataset == nullptr) return NotFound("sampler", request.sampler());
  } else {
    SUBSET_ASSIGN_OR_RETURN(planned.definition, DefinitionOf(request, request.sampler()));
  }
  const Dataset& dataset = *planned.definition.dataset;
  v1::Run& settings = planned.settings;
  settings.set_num_samples(dataset.num_samples());
  if (request.run().empty()) {
    if (request.global_batch_size() > kMaxBatchSize) {
      return InvalidField(
          "planned.global_batch_size",
          absl::StrCat(request.global_batch_size(), " is outside [0, ", kMaxBatchSize, "]"));
    }
    constexpr uint32_t kDefaultBatch = 256;
    settings.set_global_batch_size(request.global_batch_size() == 0 ? kDefaultBatch
                                                                    : request.global_batch_size());
  } else {
    SUBSET_ASSIGN_OR_RETURN(planned.run, RequireRun(request.run()));
    settings = planned.run->settings();
    if (settings.dataset_uid() != dataset.uid()) {
      return InvalidField(
          "planned.run", absl::StrCat("\"", request.run(), "\" is a run of another dataset than \"",
                                      dataset.name(), "\""));
    }
    if (request.global_batch_size() != 0) {
      return InvalidField("planned.global_batch_size", "is set, but the run has its own");
    }
    const RunProgress progress = planned.run->Progress();
    planned.opened.set_epoch(progress.any_epoch ? progress.newest_epoch + 1 : 0);
    planned.opened.set_first_step(progress.next_step);
  }
  if (request.has_epoch()) planned.opened.set_epoch(request.epoch());
  if (planned.opened.epoch() >= uint64_t{1} << 32) {
    return InvalidField("planned.epoch",
                        absl::StrCat(planned.opened.epoch(), " is outside [0, 2^32)"));
  }
  if (planned.checked) {
    const auto sampler = VersionFor(newest, planned.opened.epoch(), planned.opened.first_step());
    planned.definition.spec = sampler->spec;
    planned.sampler_version = sampler->proto.version();
  }
  if (planned.definition.spec.draw.kind == sampling::Draw::Kind::kProvided) {
    return WithReason(
        absl::FailedPreconditionError(
            "draw.kind PROVIDED draws what is handed in: there is no plan to look at"),
        "EPOCH_NOT_PROVIDED");
  }
  return planned;
}

template <typename Response, typename Look>
void LocalEngine::LookAt(const v1::PlannedEpoch& request, Look look, Done<Response> done) {
  absl::StatusOr<Planned> planned = Plan(request);
  if (!planned.ok()) return done(planned.status());
  planner_.Post([this, planned = *std::move(planned), look = std::move(look),
                 done = std::move(done)]() mutable {
    done([&]() -> absl::StatusOr<Response> {
      const Definition& definition = planned.definition;
      const Dataset& dataset = *definition.dataset;
      if (!planned.checked) {
        SUBSET_RETURN_IF_ERROR(CheckValues(definition.spec, dataset, definition.by));
      }
      SUBSET_RETURN_IF_ERROR(memory_.Check(
          "the preview",
          PlanBytes(definition.spec, dataset.num_samples()) + PreviewBytes(dataset.num_samples())));
      const auto sampler = std::make_shared<SamplerVersion>();
      sampler->spec = definition.spec;
      sampler->proto.set_version(planned.sampler_version);
      SUBSET_ASSIGN_OR_RETURN(const PinnedColumns columns,
                              dataset.Pin(sampler->spec.DatasetColumns()));
      std::vector<double> mean_learned_shares;
      if (planned.run != nullptr) {
        SUBSET_RETURN_IF_ERROR(planned.run->NoteLearnedShares(sampler, columns, &planned.opened));
        mean_learned_shares = planned.run->MeanLearnedShares(sampler, planned.opened);
      }
      SUBSET_ASSIGN_OR_RETURN(sampling::PlanInput input,
                              MakePlanInput(planned.settings, planned.opened, *sampler, columns));
      RunSnapshot snapshot;
      if (planned.run != nullptr) {
        snapshot = planned.run->Snapshot(sampler->spec.ScoreColumns());
        input.columns.scores = snapshot.views();
      }
      SUBSET_ASSIGN_OR_RETURN(Response response, look(std::move(input), mean_learned_shares));
      response.set_sampler_version(planned.sampler_version);
      response.mutable_score_version()->set_incarnation(incarnation_);
      response.mutable_score_version()->set_records(snapshot.records);
      return response;
    }());
  });
}

void LocalEngine::PreviewSampler(const v1::PreviewSamplerRequest& request,
                                 Done<v1::PreviewSamplerResponse> done) {
  const std::vector<uint32_t> epochs(request.coverage_epochs().begin(),
                                     request.coverage_epochs().end());
  const absl::Status valid = CheckCoverageEpochs(epochs);
  if (!valid.ok()) return done(valid);
  LookAt<v1::PreviewSamplerResponse>(
      request.planned(),
      [epochs](sampling::PlanInput input, absl::Span<const double> mean_learned_shares) {
        return Preview(std::move(input), epochs, mean_learned_shares);
      },
      std::move(done));
}

void LocalEngine::ExplainSample(const v1::ExplainSampleRequest& request,
                                Done<v1::ExplainSampleResponse> done) {
  LookAt<v1::ExplainSampleResponse>(
      request.planned(),
      [index = request.index()](sampling::PlanInput input, absl::Span<const double>) {
        return Explain(std::move(input), index);
      },
      std::move(done));
}

}  // namespace subset
