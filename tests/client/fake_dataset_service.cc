#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "subset/v1/dataset.grpc.pb.h"
#include "tests/client/detailed_error.h"
#include "tests/client/fake_method.h"
#include "tests/client/fake_services.h"

namespace subset {
namespace {

class FakeDatasetService final : public v1::DatasetService::Service {
 public:
  explicit FakeDatasetService(FakeState* state) : state_(state) {}

  grpc::Status ImportDataset(grpc::ServerContext*,
                             grpc::ServerReader<v1::ImportDatasetRequest>* reader,
                             v1::Dataset* response) override {
    v1::ImportDatasetRequest message;
    reader->Read(&message);
    const auto header = message.header();
    std::map<std::string, std::string> columns;
    std::vector<size_t> sizes;
    while (reader->Read(&message)) {
      columns[absl::StrCat(header.dataset(), "/", message.chunk().column())] +=
          message.chunk().data();
      sizes.push_back(message.chunk().data().size());
    }
    MutexLock lock(&state_->mu);
    if (grpc::Status failure = state_->Arrive("ImportDataset"); !failure.ok()) return failure;
    if (header.create_only() && state_->datasets.count(header.dataset()) > 0) {
      return DetailedError(grpc::StatusCode::ALREADY_EXISTS,
                           absl::StrCat("dataset \"", header.dataset(), "\" exists"),
                           "header.dataset", "ALREADY_EXISTS");
    }
    v1::Dataset& dataset = state_->datasets[header.dataset()];
    dataset.set_name(header.dataset());
    dataset.set_uid(7);
    dataset.set_num_samples(header.num_samples());
    dataset.set_columns_version(1);
    dataset.set_fingerprint("00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff");
    *dataset.mutable_create_time() = FixedTime();
    dataset.clear_columns();
    for (const v1::Column& declared : header.columns()) {
      v1::Column* column = dataset.add_columns();
      *column = declared;
      column->set_sha256("abcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcd");
      if (declared.type() <= v1::COLUMN_TYPE_INT64) column->set_distinct_values(10);
    }
    for (const auto& [name, bytes] : columns) state_->columns[name] = bytes;
    state_->chunk_sizes = sizes;
    *response = dataset;
    return grpc::Status::OK;
  }

  SUBSET_FAKE_METHOD(GetDataset, Dataset) {
    return GetNamed(state_->datasets, "dataset", request.name(), response);
  }
  SUBSET_FAKE_METHOD(DeleteDataset, DeleteDatasetResponse) {
    return DeleteNamed(state_->datasets, "dataset", request.name());
  }
  // One per page, so that clients must turn pages.
  SUBSET_FAKE_METHOD(ListDatasets, ListDatasetsResponse) {
    auto next = state_->datasets.upper_bound(request.page_token());
    if (next == state_->datasets.end()) return grpc::Status::OK;
    *response->add_datasets() = next->second;
    const std::string token = next->first;
    if (++next != state_->datasets.end()) response->set_next_page_token(token);
    return grpc::Status::OK;
  }

 private:
  FakeState* const state_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewFakeDatasetService(FakeState* state) {
  return std::make_unique<FakeDatasetService>(state);
}

}  // namespace subset
