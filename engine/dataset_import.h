// An import under way: checks what comes, keeps it, and writes its images as they fill.

#ifndef SUBSET_ENGINE_DATASET_IMPORT_H_
#define SUBSET_ENGINE_DATASET_IMPORT_H_

#include <bitset>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "engine/catalog.h"
#include "engine/engine.h"
#include "engine/sha256.h"
#include "storage/store.h"

namespace subset {

// Most bytes of data in one chunk message.
inline constexpr uint64_t kMaxChunkBytes = 1 << 20;

// Counts the distinct values of an integer column, or labels of label sets, up to one more than
// there may be strata. Not thread-safe.
class DistinctCounter {
 public:
  explicit DistinctCounter(v1::ColumnType type) : type_(type) {}
  void Add(absl::string_view bytes);
  uint32_t count() const { return static_cast<uint32_t>(values_.size()); }

 private:
  template <typename T>
  void AddValues(absl::string_view bytes);

  const v1::ColumnType type_;
  std::bitset<65536> small_;  // of 8 and 16 bits: seen before
  absl::flat_hash_set<int64_t> values_;
};

// Checks a header by itself. Fails with kInvalidArgument naming the field.
absl::Status ValidateHeader(const v1::ImportDatasetRequest::Header& header);

// One thread at a time. Must not outlive the engine.
class ImportInProgress : public DatasetImport {
 public:
  // What the engine does for an import.
  struct Ports {
    // Logs the commit and reports the dataset.
    std::function<void(log::v1::DatasetCommitted, Attachments,
                       absl::AnyInvocable<void(absl::StatusOr<v1::Dataset>)>)>
        commit;
    // Deletes the images of an import that is given up.
    std::function<void(Uid import_uid)> discard;
  };

  // `header` is valid.
  ImportInProgress(v1::ImportDatasetRequest::Header header, Uid import_uid, Store* store,
                   Ports ports);
  ~ImportInProgress() override;

  absl::Status Append(const v1::ImportDatasetRequest::Chunk& chunk) override;
  void Commit(absl::AnyInvocable<void(absl::StatusOr<v1::Dataset>)> done) override;

 private:
  struct Column {
    explicit Column(const v1::Column& declared) : declared(declared), distinct(declared.type()) {}
    v1::Column declared;
    DistinctCounter distinct;
    Sha256 sha256;
    uint64_t samples = 0;  // so far, as the next
    uint64_t labels = 0;
    std::string open_chunk;
    ColumnValues values;
  };

  absl::Status CheckChunk(const Column& column, const v1::ImportDatasetRequest::Chunk& chunk) const;
  absl::Status CheckValues(const Column& column,
                           const v1::ImportDatasetRequest::Chunk& chunk) const;
  // Takes the samples of `data` into chunks, and writes those that are full.
  absl::Status Take(const std::string& name, absl::string_view data, Column* column);
  absl::Status WriteChunk(const std::string& name, Column* column);

  const v1::ImportDatasetRequest::Header header_;
  const Uid import_uid_;
  Store* const store_;
  const Ports ports_;
  std::map<std::string, std::unique_ptr<Column>> columns_;
  bool committed_ = false;
  absl::Status failed_;  // the first error: nothing after it counts
};

}  // namespace subset

#endif  // SUBSET_ENGINE_DATASET_IMPORT_H_
