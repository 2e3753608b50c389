// A store in memory that can fail and crash: what was not synced is lost, but for a prefix.
//
//   MemoryDisk disk;
//   auto engine = Engine::Open(options, disk.Open());
//   disk.Crash(/*survivors=*/0);          // the engine's store fails from now on
//   engine = Engine::Open(options, disk.Open());

#ifndef SUBSET_TESTS_TESTING_MEMORY_STORE_H_
#define SUBSET_TESTS_TESTING_MEMORY_STORE_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "storage/store.h"

namespace subset {

// Thread-safe. Outlives the stores it opens.
class MemoryDisk {
 public:
  std::unique_ptr<Store> Open();

  // Drops what was not synced, but for the oldest `survivors` writes. Stores opened before fail.
  void Crash(size_t survivors = 0) {
    MutexLock lock(&mu_);
    for (size_t i = 0; i < survivors && !unsynced_.empty(); ++i) SyncOne();
    unsynced_.clear();
    now_ = durable_;
    ++generation_;
  }
  size_t unsynced() {
    MutexLock lock(&mu_);
    return unsynced_.size();
  }

  // Makes the nth write from now (1: the next) fail with `status`, and those after it until
  // Repair.
  void FailWrites(int nth, absl::Status status) {
    MutexLock lock(&mu_);
    writes_to_failure_ = nth;
    failure_ = std::move(status);
  }
  void Repair() {
    MutexLock lock(&mu_);
    writes_to_failure_ = 0;
    failure_ = absl::OkStatus();
  }
  uint64_t writes() {
    MutexLock lock(&mu_);
    return writes_;
  }

  // What is there now, to look at or to damage (synced at once).
  std::map<std::string, std::string> images() {
    MutexLock lock(&mu_);
    return now_.images;
  }
  void EditImage(const std::string& name, std::string bytes) {
    MutexLock lock(&mu_);
    now_.images[name] = durable_.images[name] = std::move(bytes);
  }
  void RemoveImage(const std::string& name) {
    MutexLock lock(&mu_);
    now_.images.erase(name);
    durable_.images.erase(name);
  }
  std::map<uint64_t, std::string> log() {
    MutexLock lock(&mu_);
    return now_.log;
  }
  void EditRecord(uint64_t sequence, std::string bytes) {
    MutexLock lock(&mu_);
    now_.log[sequence] = durable_.log[sequence] = std::move(bytes);
  }

 private:
  friend class MemoryStore;
  struct Content {
    std::map<uint64_t, std::string> log;
    uint64_t first = 1;
    uint64_t next = 1;
    std::map<std::string, std::string> images;
  };
  using Change = std::function<void(Content*)>;

  void SyncOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    unsynced_.front()(&durable_);
    unsynced_.pop_front();
  }

  absl::Status Write(uint64_t generation, bool sync, const Change& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (generation != generation_) return absl::UnavailableError("crashed");
    ++writes_;
    if (writes_to_failure_ > 0 && --writes_to_failure_ == 0) failing_ = true;
    if (failure_.ok()) failing_ = false;
    if (failing_) return failure_;
    change(&now_);
    unsynced_.push_back(change);
    while (sync && !unsynced_.empty()) SyncOne();
    return absl::OkStatus();
  }

  Mutex mu_;
  Content now_ ABSL_GUARDED_BY(mu_);
  Content durable_ ABSL_GUARDED_BY(mu_);
  std::deque<Change> unsynced_ ABSL_GUARDED_BY(mu_);
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t writes_ ABSL_GUARDED_BY(mu_) = 0;
  int writes_to_failure_ ABSL_GUARDED_BY(mu_) = 0;
  bool failing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
};

class MemoryStore : public Store {
 public:
  MemoryStore(MemoryDisk* disk, uint64_t generation) : disk_(disk), generation_(generation) {}

  absl::StatusOr<uint64_t> Append(absl::Span<const absl::string_view> records, bool sync) override {
    std::vector<std::string> copies;
    for (const absl::string_view record : records) copies.emplace_back(record);
    MutexLock lock(&disk_->mu_);
    const uint64_t first = disk_->now_.next;
    const absl::Status written =
        disk_->Write(generation_, sync, [copies](MemoryDisk::Content* content) {
          for (const std::string& record : copies) content->log[content->next++] = record;
        });
    if (!written.ok()) return written;
    return first;
  }

  absl::Status Replay(uint64_t sequence,
                      absl::FunctionRef<absl::Status(uint64_t, absl::string_view)> visit) override {
    std::map<uint64_t, std::string> log;
    {
      MutexLock lock(&disk_->mu_);
      if (sequence < disk_->now_.first || sequence > disk_->now_.next) {
        return absl::DataLossError(absl::StrCat("no record ", sequence));
      }
      log = disk_->now_.log;
    }
    for (auto it = log.lower_bound(sequence); it != log.end(); ++it) {
      const absl::Status visited = visit(it->first, it->second);
      if (!visited.ok()) return visited;
    }
    return absl::OkStatus();
  }

  absl::Status Trim(uint64_t sequence) override {
    MutexLock lock(&disk_->mu_);
    return disk_->Write(generation_, /*sync=*/false, [sequence](MemoryDisk::Content* content) {
      content->first = std::max(content->first, std::min(sequence, content->next));
      content->log.erase(content->log.begin(), content->log.lower_bound(content->first));
    });
  }

  absl::Status WriteImages(absl::Span<const Image> images,
                           absl::Span<const std::string> delete_prefixes, bool sync) override {
    std::vector<std::pair<std::string, std::string>> copies;
    uint64_t bytes = 0;
    for (const Image& image : images) {
      copies.emplace_back(image.name, std::string(image.bytes));
      bytes += image.bytes.size();
    }
    if (bytes > kMaxWriteBytes) return absl::InvalidArgumentError("more than 32 MiB in one call");
    const std::vector<std::string> prefixes(delete_prefixes.begin(), delete_prefixes.end());
    MutexLock lock(&disk_->mu_);
    return disk_->Write(generation_, sync, [copies, prefixes](MemoryDisk::Content* content) {
      for (const std::string& prefix : prefixes) {
        auto it = content->images.lower_bound(prefix);
        while (it != content->images.end() && absl::StartsWith(it->first, prefix)) {
          it = content->images.erase(it);
        }
      }
      for (const auto& [name, value] : copies) content->images[name] = value;
    });
  }

  absl::Status ReadImages(
      absl::string_view prefix,
      absl::FunctionRef<absl::Status(absl::string_view, absl::string_view)> visit) override {
    const std::map<std::string, std::string> images = disk_->images();
    for (auto it = images.lower_bound(std::string(prefix));
         it != images.end() && absl::StartsWith(it->first, prefix); ++it) {
      const absl::Status visited = visit(it->first, it->second);
      if (!visited.ok()) return visited;
    }
    return absl::OkStatus();
  }

  StoreInfo Info() override {
    MutexLock lock(&disk_->mu_);
    StoreInfo info;
    info.first_sequence = disk_->now_.first;
    info.next_sequence = disk_->now_.next;
    info.durable_sequence = disk_->durable_.next - 1;
    for (const auto& [sequence, record] : disk_->now_.log) info.log_bytes += record.size();
    for (const auto& [name, bytes] : disk_->now_.images) info.image_bytes += bytes.size();
    info.read_only = disk_->failing_;
    return info;
  }

 private:
  static constexpr uint64_t kMaxWriteBytes = 32u << 20;

  MemoryDisk* const disk_;
  const uint64_t generation_;
};

inline std::unique_ptr<Store> MemoryDisk::Open() {
  MutexLock lock(&mu_);
  return std::make_unique<MemoryStore>(this, generation_);
}

}  // namespace subset

#endif  // SUBSET_TESTS_TESTING_MEMORY_STORE_H_
