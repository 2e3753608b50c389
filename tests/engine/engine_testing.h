// An engine over a memory disk, with its calls made to wait.

#ifndef SUBSET_TESTS_ENGINE_ENGINE_TESTING_H_
#define SUBSET_TESTS_ENGINE_ENGINE_TESTING_H_

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "engine/dataset.h"
#include "engine/engine.h"
#include "tests/testing/fake_clock.h"
#include "tests/testing/memory_store.h"
#include "tests/testing/status_matchers.h"

namespace subset {

// A result that a callback brings. Copies share it.
template <typename T>
class Pending {
 public:
  absl::AnyInvocable<void(T)> Callback() {
    return [shared = shared_](T value) {
      MutexLock lock(&shared->mu);
      EXPECT_FALSE(shared->value.has_value()) << "called back twice";
      shared->value = std::move(value);
      shared->changed.NotifyAll();
    };
  }
  T Wait() {
    MutexLock lock(&shared_->mu);
    while (!shared_->value.has_value()) shared_->changed.Wait(&shared_->mu);
    return *shared_->value;
  }
  bool done() {
    MutexLock lock(&shared_->mu);
    return shared_->value.has_value();
  }

 private:
  struct Shared {
    Mutex mu;
    CondVar changed;
    std::optional<T> value;
  };
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

// A request for a batch and its reply.
struct BatchCall {
  std::unique_ptr<v1::Batch> reply = std::make_unique<v1::Batch>();
  Pending<absl::Status> status;
};

template <typename T>
std::vector<T> Decode(const std::string& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}
template <typename T>
std::string Encode(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// Not thread-safe, but for what the engine itself is.
class TestEngine {
 public:
  TestEngine() {
    options.clock = &clock;
    Reopen();
  }

  // Ends the engine cleanly, if it is there, and opens it again.
  void Reopen() {
    engine.reset();
    auto opened = Engine::Open(options, disk.Open());
    ASSERT_OK(opened);
    engine = *std::move(opened);
  }
  // As kill -9 and the loss of unsynced pages, but for the oldest `survivors` writes.
  void CrashAndReopen(size_t survivors = 0) {
    disk.Crash(survivors);
    Reopen();
  }

  absl::StatusOr<v1::Dataset> Import(const std::string& name, uint64_t num_samples,
                                     const std::vector<std::pair<v1::Column, std::string>>& columns,
                                     bool create_only = false);
  // A dataset with a column "label" of u8: sample i has i % classes.
  absl::StatusOr<v1::Dataset> ImportLabels(const std::string& name, uint64_t num_samples,
                                           int classes = 10);
  absl::StatusOr<v1::Sampler> CreateSampler(const std::string& name, const std::string& preset,
                                            const std::map<std::string, double>& parameters = {});
  absl::StatusOr<v1::Sampler> UpdateSampler(const std::string& name, const std::string& preset,
                                            const std::map<std::string, double>& parameters = {});
  absl::StatusOr<v1::Sampler> CreateSampler(const std::string& name, const v1::SamplerSpec& spec);
  absl::StatusOr<v1::Run> CreateRun(const std::string& name, const std::string& sampler,
                                    uint32_t global_batch_size, bool drop_last = false,
                                    uint64_t seed = 7);
  absl::StatusOr<v1::Run> GetRun(const std::string& name);
  absl::StatusOr<v1::Epoch> OpenEpoch(Uid run, uint64_t epoch, bool now = false);
  Pending<absl::StatusOr<v1::Epoch>> StartOpenEpoch(Uid run, uint64_t epoch, bool now = false,
                                                    Engine::Cancelled cancelled = nullptr);
  BatchCall StartGetBatch(const v1::GetBatchRequest& request,
                          Engine::Cancelled cancelled = nullptr);
  absl::StatusOr<v1::Batch> GetBatch(const v1::GetBatchRequest& request);
  absl::StatusOr<v1::Batch> GetPositions(Uid run, uint64_t epoch, uint64_t position,
                                         uint32_t count);
  absl::StatusOr<v1::Batch> GetStep(Uid run, uint64_t epoch, uint64_t step, uint32_t rank = 0,
                                    uint32_t world_size = 1);
  absl::StatusOr<uint64_t> OpenSession(Uid run);
  absl::StatusOr<v1::ReportFeedbackResponse> Report(const v1::ReportFeedbackRequest& request);
  // The next block of the epoch; `batch_size` 0: the run's global batch size.
  absl::StatusOr<v1::Batch> Acquire(Uid run, uint64_t epoch, const std::string& worker,
                                    uint32_t batch_size = 0,
                                    absl::Duration lease_time = absl::Seconds(10));
  absl::StatusOr<v1::AcknowledgeResponse> Acknowledge(const v1::AcknowledgeRequest& request);
  absl::StatusOr<v1::RenewLeasesResponse> Renew(Uid run, const std::string& worker,
                                                const std::vector<v1::Lease>& leases,
                                                absl::Duration lease_time = absl::Seconds(10));
  absl::StatusOr<v1::ReleaseParkedResponse> Release(Uid run, uint64_t epoch,
                                                    std::optional<uint64_t> position = {});
  absl::StatusOr<v1::ListLeasesResponse> ListLeases(Uid run, uint64_t epoch);
  absl::StatusOr<v1::Checkpoint> Commit(Uid run, const std::string& checkpoint,
                                        bool keep_scores = false);
  absl::StatusOr<v1::RollbackResponse> Rollback(Uid run, const std::string& checkpoint,
                                                bool revert_scores = false,
                                                std::optional<uint64_t> generation = {});
  absl::Status DeleteDataset(const std::string& name, bool force = false);
  absl::Status DeleteSampler(const std::string& name, bool force = false);
  absl::Status DeleteRun(const std::string& name);

  // Every index of the epoch, by positions.
  std::vector<uint32_t> EpochIndices(Uid run, uint64_t epoch);

  MemoryDisk disk;
  FakeClock clock;
  EngineOptions options;
  std::unique_ptr<Engine> engine;
};

v1::Column ColumnOf(const std::string& name, v1::ColumnType type);

// Label sets as they travel; the labels of each sample ascend.
using LabelSets = std::vector<std::vector<uint32_t>>;
std::string EncodeSets(const LabelSets& sets);
v1::Column SetsOf(const std::string& name, const LabelSets& sets);

// A column in memory, as an import of less than a chunk would bring it.
template <typename T>
std::shared_ptr<StoredColumn> Stored(const std::string& name, v1::ColumnType type,
                                     const std::vector<T>& values, uint32_t distinct) {
  log::v1::StoredColumn stored;
  *stored.mutable_column() = ColumnOf(name, type);
  stored.mutable_column()->set_distinct_values(distinct);
  auto chunks = std::make_shared<ColumnValues>();
  chunks->chunks.push_back(Encode(values));
  return std::make_shared<StoredColumn>(stored, values.size(), chunks);
}

// The same, of label sets.
std::shared_ptr<StoredColumn> Stored(const std::string& name, const LabelSets& sets);

// Acknowledges the whole of a leased batch; as failed where a reason is given.
v1::AcknowledgeRequest Acknowledgement(Uid run, const v1::Batch& batch, const std::string& worker,
                                       const std::string& failed = "");

// A message with one entry, "loss" for the indices; `position` is acknowledged if set.
v1::ReportFeedbackRequest Losses(Uid run, uint64_t session, uint64_t sequence, uint64_t epoch,
                                 std::optional<uint64_t> position,
                                 const std::vector<uint32_t>& indices,
                                 const std::vector<float>& losses);

}  // namespace subset

#endif  // SUBSET_TESTS_ENGINE_ENGINE_TESTING_H_
