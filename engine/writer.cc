#include "engine/writer.h"

#include <utility>

#include "absl/time/clock.h"
#include "base/error.h"

namespace subset {
namespace {

// A group is bounded so that its first caller does not wait for all that came behind.
constexpr size_t kMaxGroupRecords = 1024;
constexpr size_t kMaxGroupBytes = 16u << 20;
constexpr size_t kMaxQueuedBytes = 256u << 20;

}  // namespace

Writer::Writer(Store* store, EngineObserver* observer,
               std::function<void(size_t bytes)> after_group)
    : store_(store),
      observer_(observer),
      after_group_(std::move(after_group)),
      thread_([this] { Loop(); }) {}

Writer::~Writer() { Stop(); }

absl::Status Writer::Submit(Entry entry) { return Push({std::move(entry), nullptr}); }

absl::Status Writer::Run(absl::AnyInvocable<void()> task) { return Push({{}, std::move(task)}); }

absl::Status Writer::Push(Item item) {
  MutexLock lock(&mu_);
  if (stopped_) {
    return WithReason(absl::UnavailableError("the server is shutting down"), "SHUTTING_DOWN");
  }
  if (queued_bytes_ > kMaxQueuedBytes && item.task == nullptr) {
    return WithReason(absl::UnavailableError("too many updates wait for the disk"), "OVERLOADED");
  }
  queued_bytes_ += item.entry.record.size();
  queue_.push_back(std::move(item));
  wake_.NotifyOne();
  return absl::OkStatus();
}

void Writer::Stop() {
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

size_t Writer::queued() const {
  MutexLock lock(&mu_);
  return queue_.size();
}

bool Writer::Take(std::vector<Item>* items) {
  MutexLock lock(&mu_);
  while (queue_.empty()) {
    if (stopped_) return false;
    wake_.Wait(&mu_);
  }
  size_t bytes = 0;
  while (!queue_.empty() && items->size() < kMaxGroupRecords && bytes < kMaxGroupBytes) {
    const bool is_task = queue_.front().task != nullptr;
    if (is_task && !items->empty()) break;
    bytes += queue_.front().entry.record.size();
    items->push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (is_task) break;
  }
  queued_bytes_ -= bytes;
  return true;
}

void Writer::Loop() {
  std::vector<Item> items;
  while (Take(&items)) {
    if (items.front().task != nullptr) {
      items.front().task();
    } else {
      Commit(&items);
    }
    items.clear();
  }
  // What was only applied becomes durable at a clean end. A failure is the store's to report.
  (void)store_->Append({}, /*sync=*/true);
}

void Writer::Commit(std::vector<Item>* group) {
  std::vector<absl::string_view> records;
  size_t bytes = 0;
  bool sync = false;
  for (const Item& item : *group) {
    records.push_back(item.entry.record);
    bytes += item.entry.record.size();
    sync = sync || item.entry.sync;
  }
  const absl::Time start = absl::Now();
  const absl::StatusOr<uint64_t> first = store_->Append(records, sync);
  if (first.ok()) {
    if (observer_ != nullptr) observer_->OnCommit(records.size(), absl::Now() - start);
    for (size_t i = 0; i < group->size(); ++i) (*group)[i].entry.apply(*first + i);
  }
  for (Item& item : *group) item.entry.done(first.status());
  if (first.ok()) after_group_(bytes);
}

}  // namespace subset
