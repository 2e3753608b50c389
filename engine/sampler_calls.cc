// The engine's calls about samplers.

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/local_engine.h"
#include "engine/names.h"
#include "engine/spec_proto.h"
#include "sampling/strata.h"

namespace subset {
namespace {

// Checks that the column can be strata.
absl::Status CheckStrata(const Dataset& dataset, const std::string& field,
                         const std::string& name) {
  const auto it = dataset.columns.find(name);
  if (it == dataset.columns.end()) {
    std::vector<std::string> known;
    for (const auto& [column, stored] : dataset.columns) known.push_back(column);
    return WithField(
        NotFoundAmong(absl::StrCat("column of dataset \"", dataset.name(), "\""), name, known),
        field);
  }
  const v1::Column& column = it->second->column();
  if (!IsIntegerColumn(column.type())) {
    return InvalidField(
        field, absl::StrCat("\"", name, "\" is of type ", v1::ColumnType_Name(column.type()),
                            "; strata need an integer type"));
  }
  if (column.distinct_values() > sampling::kMaxStrata) {
    return InvalidField(field, absl::StrCat("\"", name, "\" has more than ", sampling::kMaxStrata,
                                            " distinct values: too many for strata"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const SamplerVersion>> LocalEngine::RequireSampler(
    const std::string& name) const {
  if (auto sampler = catalog_->FindSampler(name)) return sampler;
  std::vector<std::string> known;
  for (const auto& sampler : catalog_->Samplers()) known.push_back(sampler->proto.name());
  return NotFoundAmong("sampler", name, known);
}

template <typename Request>
absl::StatusOr<log::v1::Record> LocalEngine::SamplerRecord(const Request& request, bool update) {
  SUBSET_ASSIGN_OR_RETURN(const auto parts, SplitSamplerName("name", request.name()));
  SUBSET_ASSIGN_OR_RETURN(const auto dataset, RequireDataset(parts.first));
  if (update) SUBSET_RETURN_IF_ERROR(RequireSampler(request.name()).status());
  sampling::SamplerSpec spec;
  std::string column_field;
  if (request.has_spec()) {
    column_field = "spec.proportion.column";
    SUBSET_ASSIGN_OR_RETURN(spec, SpecFromProto(request.spec()));
  } else if (request.has_preset()) {
    column_field = "preset.column";
    SUBSET_ASSIGN_OR_RETURN(spec, SpecFromPreset(request.preset()));
  } else {
    return InvalidField("definition", "is not set: either spec or preset");
  }
  if (!spec.proportion.column.empty()) {
    SUBSET_RETURN_IF_ERROR(CheckStrata(*dataset, column_field, spec.proportion.column));
  }
  log::v1::Record record = NewRecord();
  auto* committed = record.mutable_sampler_committed();
  committed->set_dataset_uid(dataset->uid());
  committed->set_name(request.name());
  if (request.has_preset()) committed->set_preset(request.preset().name());
  *committed->mutable_spec() = SpecToProto(spec);
  committed->set_update(update);
  return record;
}

template <typename Request>
void LocalEngine::SetSampler(const Request& request, bool update, Done<v1::Sampler> done) {
  absl::StatusOr<log::v1::Record> record = SamplerRecord(request, update);
  if (!record.ok()) return done(record.status());
  Submit(*std::move(record), [done = std::move(done)](Outcome outcome) mutable {
    if (!outcome.status.ok()) return done(outcome.status);
    done(outcome.sampler->proto);
  });
}

void LocalEngine::CreateSampler(const v1::CreateSamplerRequest& request, Done<v1::Sampler> done) {
  SetSampler(request, /*update=*/false, std::move(done));
}

void LocalEngine::UpdateSampler(const v1::UpdateSamplerRequest& request, Done<v1::Sampler> done) {
  SetSampler(request, /*update=*/true, std::move(done));
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
