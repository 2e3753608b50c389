// The engine's calls about datasets.

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/dataset_import.h"
#include "engine/image_names.h"
#include "engine/local_engine.h"
#include "engine/names.h"

namespace subset {

absl::StatusOr<std::shared_ptr<const Dataset>> LocalEngine::RequireDataset(
    const std::string& name) const {
  if (auto dataset = catalog_->FindDataset(name)) return dataset;
  std::vector<std::string> known;
  for (const auto& dataset : catalog_->Datasets()) known.push_back(dataset->name());
  return NotFoundAmong("dataset", name, known);
}

absl::StatusOr<std::unique_ptr<DatasetImport>> LocalEngine::StartImport(
    const v1::ImportDatasetRequest::Header& header) {
  SUBSET_RETURN_IF_ERROR(ValidateHeader(header));
  // Decided again when the import commits; refused here before its bytes travel.
  if (const auto existing = catalog_->FindDataset(header.dataset())) {
    if (header.create_only()) {
      return WithReason(
          absl::AlreadyExistsError(absl::StrCat("dataset \"", header.dataset(), "\" exists")),
          "ALREADY_EXISTS");
    }
    if (existing->num_samples() != header.num_samples()) {
      return WithReason(
          WithField(absl::FailedPreconditionError(absl::StrCat(
                        "header.num_samples ", header.num_samples(), " differs from the ",
                        existing->num_samples(), " of dataset \"", header.dataset(), "\"")),
                    "header.num_samples"),
          "NUM_SAMPLES_DIFFER");
    }
    SUBSET_RETURN_IF_ERROR(existing->CheckKinds(header.columns(), "header.columns"));
  }
  uint64_t bytes = 0;
  for (const v1::Column& column : header.columns()) {
    bytes += ColumnBytes(column, header.num_samples());
  }
  SUBSET_RETURN_IF_ERROR(memory_.Check(absl::StrCat("dataset \"", header.dataset(), "\""), bytes));
  ImportInProgress::Ports ports;
  ports.discard = [this](Uid import_uid) { keeper_.Delete({ImportPrefix(import_uid)}); };
  ports.commit = [this](log::v1::DatasetCommitted committed, Attachments attachments,
                        absl::AnyInvocable<void(absl::StatusOr<v1::Dataset>)> done) {
    log::v1::Record record = NewRecord();
    const Uid import_uid = committed.import_uid();
    *record.mutable_dataset_committed() = std::move(committed);
    Submit(std::move(record), /*sync=*/true, std::move(attachments),
           [this, import_uid, done = std::move(done)](Outcome outcome) mutable {
             if (outcome.status.ok()) return done(outcome.dataset->proto);
             keeper_.Delete({ImportPrefix(import_uid)});
             done(outcome.status);
           });
  };
  const Uid import_uid = incarnation_ << 32 | ++imports_;
  return std::make_unique<ImportInProgress>(header, import_uid, store_.get(), std::move(ports));
}

absl::StatusOr<v1::Dataset> LocalEngine::GetDataset(const v1::GetDatasetRequest& request) {
  SUBSET_ASSIGN_OR_RETURN(const auto dataset, RequireDataset(request.name()));
  return dataset->proto;
}

absl::StatusOr<v1::ListDatasetsResponse> LocalEngine::ListDatasets(
    const v1::ListDatasetsRequest& request) {
  const auto datasets = catalog_->Datasets();
  std::vector<std::string> names;
  for (const auto& dataset : datasets) names.push_back(dataset->name());
  SUBSET_ASSIGN_OR_RETURN(const Page page,
                          FindPage(names, request.page_size(), request.page_token()));
  v1::ListDatasetsResponse response;
  for (size_t i = page.begin; i < page.end; ++i) *response.add_datasets() = datasets[i]->proto;
  response.set_next_page_token(page.next_token);
  return response;
}

void LocalEngine::DeleteDataset(const v1::DeleteDatasetRequest& request,
                                Done<v1::DeleteDatasetResponse> done) {
  const auto dataset = RequireDataset(request.name());
  if (!dataset.ok()) return done(dataset.status());
  log::v1::Record record = NewRecord();
  record.mutable_dataset_deleted()->set_uid((*dataset)->uid());
  record.mutable_dataset_deleted()->set_force(request.force());
  Submit(std::move(record), [done = std::move(done)](Outcome outcome) mutable {
    if (!outcome.status.ok()) return done(outcome.status);
    done(v1::DeleteDatasetResponse());
  });
}

}  // namespace subset
