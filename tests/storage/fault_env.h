// A RocksDB environment whose writes fail on command.

#ifndef SUBSET_TESTS_STORAGE_FAULT_ENV_H_
#define SUBSET_TESTS_STORAGE_FAULT_ENV_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/system_clock.h"

namespace subset {

// Counts everything that changes the disk, and makes some of it fail. Nothing is fsynced for real:
// these tests kill no machine. Thread-safe.
class FaultFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  FaultFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultFileSystem"; }

  // Operations `first` .. `first`+`count`-1 from now on fail; the first is 1.
  void FailFrom(int64_t first, int64_t count, bool no_space = false) {
    no_space_ = no_space;
    seen_ = 0;
    end_ = first + count;
    begin_ = first;
  }
  void Heal() { begin_ = end_ = 0; }
  int64_t seen() const { return seen_; }
  bool hit() const { return begin_ > 0 && seen_ >= begin_; }

  rocksdb::IOStatus Try() {
    const int64_t now = ++seen_;
    if (now < begin_ || now >= end_) return rocksdb::IOStatus::OK();
    return no_space_ ? rocksdb::IOStatus::NoSpace("injected")
                     : rocksdb::IOStatus::IOError("injected");
  }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = Try();
    return status.ok() ? FileSystemWrapper::RenameFile(from, to, options, debug) : status;
  }
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = Try();
    return status.ok() ? FileSystemWrapper::DeleteFile(name, options, debug) : status;
  }

 private:
  std::atomic<int64_t> seen_{0};
  std::atomic<int64_t> begin_{0};
  std::atomic<int64_t> end_{0};
  std::atomic<bool> no_space_{false};
};

class FaultFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultFile(std::unique_ptr<rocksdb::FSWritableFile> target, FaultFileSystem* system)
      : FSWritableFileOwnerWrapper(std::move(target)), system_(system) {}

  // A write that fails has written half: what a full disk or a dying one does.
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = system_->Try();
    if (status.ok()) return FSWritableFileOwnerWrapper::Append(data, options, debug);
    FSWritableFileOwnerWrapper::Append(rocksdb::Slice(data.data(), data.size() / 2), options, debug)
        .PermitUncheckedError();
    return status;
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo&,
                           rocksdb::IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  // A failed fsync leaves what was written before it: RocksDB finds it when it opens again.
  rocksdb::IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return system_->Try();
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return system_->Try();
  }
  rocksdb::IOStatus RangeSync(uint64_t, uint64_t, const rocksdb::IOOptions&,
                              rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }

 private:
  FaultFileSystem* const system_;
};

inline rocksdb::IOStatus FaultFileSystem::NewWritableFile(
    const std::string& name, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSWritableFile>* result, rocksdb::IODebugContext* debug) {
  rocksdb::IOStatus status = Try();
  if (!status.ok()) return status;
  std::unique_ptr<rocksdb::FSWritableFile> target;
  status = FileSystemWrapper::NewWritableFile(name, options, &target, debug);
  if (status.ok()) *result = std::make_unique<FaultFile>(std::move(target), this);
  return status;
}

// RocksDB waits a second after each failed flush; its sleeps end at once here.
class ClockThatNeverSleeps final : public rocksdb::SystemClockWrapper {
 public:
  ClockThatNeverSleeps() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "ClockThatNeverSleeps"; }
  void SleepForMicroseconds(int) override { std::this_thread::yield(); }
};

// The environment around a FaultFileSystem.
class FaultEnv {
 public:
  FaultEnv() : system_(std::make_shared<FaultFileSystem>()), env_(system_) {}
  FaultFileSystem* operator->() { return system_.get(); }
  rocksdb::Env* get() { return &env_; }

 private:
  class Wrapper final : public rocksdb::EnvWrapper {
   public:
    explicit Wrapper(std::shared_ptr<rocksdb::FileSystem> system)
        : EnvWrapper(rocksdb::Env::Default()) {
      file_system_ = std::move(system);
      system_clock_ = std::make_shared<ClockThatNeverSleeps>();
    }
    const char* Name() const override { return "FaultEnv"; }
  };

  std::shared_ptr<FaultFileSystem> system_;
  Wrapper env_;
};

}  // namespace subset

#endif  // SUBSET_TESTS_STORAGE_FAULT_ENV_H_
