// The engine's calls about samplers.

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/local_engine.h"
#include "engine/names.h"
#include "engine/spec_check.h"
#include "engine/spec_proto.h"

namespace subset {
absl::StatusOr<std::shared_ptr<const SamplerVersion>> LocalEngine::RequireSampler(
    const std::string& name) const {
  if (auto sampler = catalog_->FindSampler(name)) return sampler;
  std::vector<std::string> known;
  for (const auto& sampler : catalog_->Samplers()) known.push_back(sampler->proto.name());
  return NotFoundAmong("sampler", name, known);
}

template <typename Request>
absl::StatusOr<LocalEngine::Definition> LocalEngine::DefinitionOf(const Request& request,
                                                                  const std::string& name) const {
  Definition definition;
  if (request.has_spec()) {
    SUBSET_ASSIGN_OR_RETURN(definition.spec, SpecFromProto(request.spec()));
  } else if (request.has_preset()) {
    definition.by = {request.preset().name(), !request.preset().column().empty()};
    SUBSET_ASSIGN_OR_RETURN(definition.spec, SpecFromPreset(request.preset()));
  } else {
    return InvalidField("definition", "is not set: either spec or preset");
  }
  SUBSET_ASSIGN_OR_RETURN(const auto parts, SplitSamplerName("name", name));
  SUBSET_ASSIGN_OR_RETURN(definition.dataset, RequireDataset(parts.first));
  SUBSET_RETURN_IF_ERROR(CheckColumns(definition.spec, *definition.dataset, definition.by));
  return definition;
}

template absl::StatusOr<LocalEngine::Definition> LocalEngine::DefinitionOf(
    const v1::PlannedEpoch&, const std::string&) const;

namespace {

absl::Status CheckBegin(const v1::UpdateSamplerRequest& update) {
  if (update.from_epoch() >= uint64_t{1} << 32) {
    return InvalidField("from_epoch",
                        absl::StrCat(update.from_epoch(), " is outside [0, 4294967296)"));
  }
  if (update.from_epoch() == 0 || update.from_step() == 0) return absl::OkStatus();
  return InvalidField("from_step",
                      absl::StrCat("is ", update.from_step(), ", but from_epoch is ",
                                   update.from_epoch(), ": a version begins at one of them"));
}

}  // namespace

template <typename Request>
void LocalEngine::SetSampler(const Request& request, const v1::UpdateSamplerRequest* update,
                             Done<v1::Sampler> done) {
  if (update != nullptr) {
    const absl::Status checked = CheckBegin(*update);
    if (!checked.ok()) return done(checked);
  }
  absl::StatusOr<Definition> definition = DefinitionOf(request, request.name());
  if (definition.ok() && update != nullptr) {
    const auto existing = RequireSampler(request.name());
    if (!existing.ok()) definition = existing.status();
  }
  if (!definition.ok()) return done(definition.status());
  log::v1::Record record = NewRecord();
  auto* committed = record.mutable_sampler_committed();
  committed->set_dataset_uid(definition->dataset->uid());
  committed->set_name(request.name());
  committed->set_preset(definition->by.preset);
  *committed->mutable_spec() = SpecToProto(definition->spec);
  if (update != nullptr) {
    committed->set_update(true);
    committed->set_from_epoch(update->from_epoch());
    committed->set_from_step(update->from_step());
  }
  auto commit = [this, record = std::move(record),
                 done = std::move(done)](const absl::Status& checked) mutable {
    if (!checked.ok()) return done(checked);
    Submit(std::move(record), [this, done = std::move(done)](Outcome outcome) mutable {
      if (!outcome.status.ok()) return done(outcome.status);
      const v1::Sampler& sampler = outcome.sampler->proto;
      for (const auto& run : catalog_->Runs()) {
        if (run->settings().sampler_uid() == sampler.uid()) planner_.Prepare(run);
      }
      done(sampler);
    });
  };
  if (!NeedsValues(definition->spec)) return commit(absl::OkStatus());
  planner_.Post([definition = *std::move(definition), commit = std::move(commit)]() mutable {
    commit(CheckValues(definition.spec, *definition.dataset, definition.by));
  });
}

void LocalEngine::CreateSampler(const v1::CreateSamplerRequest& request, Done<v1::Sampler> done) {
  SetSampler(request, nullptr, std::move(done));
}

void LocalEngine::UpdateSampler(const v1::UpdateSamplerRequest& request, Done<v1::Sampler> done) {
  SetSampler(request, &request, std::move(done));
}

absl::StatusOr<v1::Sampler> LocalEngine::GetSampler(const v1::GetSamplerRequest& request) {
  SUBSET_ASSIGN_OR_RETURN(const auto sampler, RequireSampler(request.name()));
  return sampler->proto;
}

absl::StatusOr<v1::ListSamplersResponse> LocalEngine::ListSamplers(
    const v1::ListSamplersRequest& request) {
  Uid dataset_uid = 0;
  if (!request.dataset().empty()) {
    SUBSET_ASSIGN_OR_RETURN(const auto dataset, RequireDataset(request.dataset()));
    dataset_uid = dataset->uid();
  }
  std::vector<std::shared_ptr<const SamplerVersion>> samplers;
  std::vector<std::string> names;
  for (const auto& sampler : catalog_->Samplers()) {
    if (dataset_uid != 0 && sampler->proto.dataset_uid() != dataset_uid) continue;
    samplers.push_back(sampler);
    names.push_back(sampler->proto.name());
  }
  SUBSET_ASSIGN_OR_RETURN(const Page page,
                          FindPage(names, request.page_size(), request.page_token()));
  v1::ListSamplersResponse response;
  for (size_t i = page.begin; i < page.end; ++i) *response.add_samplers() = samplers[i]->proto;
  response.set_next_page_token(page.next_token);
  return response;
}

void LocalEngine::DeleteSampler(const v1::DeleteSamplerRequest& request,
                                Done<v1::DeleteSamplerResponse> done) {
  const auto sampler = RequireSampler(request.name());
  if (!sampler.ok()) return done(sampler.status());
  log::v1::Record record = NewRecord();
  record.mutable_sampler_deleted()->set_uid((*sampler)->proto.uid());
  record.mutable_sampler_deleted()->set_force(request.force());
  Submit(std::move(record), [done = std::move(done)](Outcome outcome) mutable {
    if (!outcome.status.ok()) return done(outcome.status);
    done(v1::DeleteSamplerResponse());
  });
}

v1::ListPresetsResponse LocalEngine::ListPresets() { return PresetsToProto(); }

}  // namespace subset
