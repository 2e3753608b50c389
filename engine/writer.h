// The one writer thread: takes queued records, commits them as a group (one fsync), applies them in
// order, then tells the callers.

#ifndef SUBSET_ENGINE_WRITER_H_
#define SUBSET_ENGINE_WRITER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "engine/engine.h"
#include "storage/store.h"

namespace subset {

// Thread-safe.
class Writer {
 public:
  struct Entry {
    std::string record;
    bool sync = true;  // on disk before `apply`
    // Called in the order of the log, once the record is in it.
    absl::AnyInvocable<void(uint64_t sequence)> apply;
    // Called after its whole group was applied, or with the error that kept it out of the log.
    absl::AnyInvocable<void(const absl::Status&)> done;
  };

  // Calls `after_group(bytes)` after each group in the log.
  Writer(Store* store, EngineObserver* observer, std::function<void(size_t bytes)> after_group);
  ~Writer();

  // Queues a record. Fails with kUnavailable when stopped, or while too much is queued; then
  // nothing of the entry is called.
  absl::Status Submit(Entry entry);

  // Queues a call on the writer thread, between groups. Fails as Submit.
  absl::Status Run(absl::AnyInvocable<void()> task);

  // Refuses new entries, finishes those queued, makes all durable, and joins the thread.
  // Idempotent.
  void Stop();

  size_t queued() const;

 private:
  struct Item {
    Entry entry;
    absl::AnyInvocable<void()> task;  // null: a record
  };

  absl::Status Push(Item item);
  void Loop();
  // Takes one task, or records up to the bound of a group. False: stopped and empty.
  bool Take(std::vector<Item>* items);
  void Commit(std::vector<Item>* group);

  Store* const store_;
  EngineObserver* const observer_;
  const std::function<void(size_t)> after_group_;

  mutable Mutex mu_;
  CondVar wake_;
  std::deque<Item> queue_ ABSL_GUARDED_BY(mu_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace subset

#endif  // SUBSET_ENGINE_WRITER_H_
