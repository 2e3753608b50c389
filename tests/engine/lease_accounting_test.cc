// Each index is acknowledged exactly once an epoch, for any interleaving of workers that come, die
// and pause, and of servers that crash; duplicates delivered are at most the leases that ended.

#include <algorithm>
#include <deque>
#include <map>
#include <random>

#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

constexpr uint64_t kSamples = 10000;

struct Worker {
  std::string name;
  std::deque<v1::Batch> batches;
};

// One epoch with `count` workers at once, of whom some die or pause past their leases.
class Accounting {
 public:
  Accounting(TestEngine* t, Uid run, uint32_t seed) : t_(t), run_(run), random_(seed) {}

  void RunEpoch(uint64_t epoch, size_t count) {
    acknowledged_.assign(kSamples, 0);
    delivered_.clear();
    ended_ = 0;
    std::vector<Worker> workers(count);
    bool complete = false;
    while (!complete) {
      for (Worker& worker : workers) {
        if (worker.name.empty()) worker.name = absl::StrCat("w", ++names_);
        switch (random_() % 100) {
          case 0:  // dies; its leases run out
            ended_ += worker.batches.size();
            worker = {};
            break;
          case 1:  // everybody's leases run out
            t_->clock.Advance(absl::Seconds(3));
            for (const Worker& each : workers) ended_ += each.batches.size();
            break;
          case 2:
            if (random_() % 5 != 0) break;
            for (const Worker& each : workers) ended_ += each.batches.size();
            Restart();
            break;
          default:
            complete = Step(epoch, &worker);
        }
        if (complete) break;
      }
    }
    for (uint64_t i = 0; i < kSamples; ++i) ASSERT_EQ(acknowledged_[i], 1) << i;
    uint64_t duplicates = 0;
    for (const auto& [position, times] : delivered_) duplicates += times - 1;
    EXPECT_LE(duplicates, ended_);
  }

 private:
  void Restart() {
    if (random_() % 2 == 0) {
      ASSERT_OK(t_->engine->FoldNow());
    }
    t_->CrashAndReopen(random_() % 3);
  }

  // True when the epoch is complete.
  bool Step(uint64_t epoch, Worker* worker) {
    if (worker->batches.size() < 3 && random_() % 2 == 0) {
      const auto batch = t_->Acquire(run_, epoch, worker->name, 0, absl::Seconds(2));
      if (!batch.ok()) {
        EXPECT_THAT(batch, ReasonIs("EPOCH_END"));
        return true;
      }
      if (!batch->has_retry_after()) {
        const uint64_t times = ++delivered_[batch->position()];
        EXPECT_TRUE(times == 1 || batch->attempt() > 1) << "a redelivery says so";
        worker->batches.push_back(*batch);
      } else if (worker->batches.empty()) {
        t_->clock.Advance(absl::Milliseconds(100));
      }
      return false;
    }
    if (worker->batches.empty()) return false;
    const v1::Batch batch = worker->batches.front();
    worker->batches.pop_front();
    const auto reply = t_->Acknowledge(Acknowledgement(run_, batch, worker->name));
    if (!reply.ok()) {
      EXPECT_THAT(reply, ReasonIs("LEASE_EXPIRED"));
    } else if (!reply->duplicate()) {
      for (const uint32_t index : Decode<uint32_t>(batch.indices())) ++acknowledged_[index];
    }
    return false;
  }

  TestEngine* const t_;
  const Uid run_;
  std::mt19937 random_;
  uint64_t names_ = 0;
  std::vector<int> acknowledged_;           // by index
  std::map<uint64_t, uint64_t> delivered_;  // by position: how often
  uint64_t ended_ = 0;                      // leases that ended without an acknowledgement, at most
};

TEST(LeaseAccountingTest, EachIndexIsAcknowledgedExactlyOnceAnEpoch) {
  const uint32_t seed = 20251125;
  SCOPED_TRACE(seed);
  TestEngine t;
  ASSERT_OK(t.ImportLabels("d", kSamples));
  ASSERT_OK(t.CreateSampler("d/u", "uniform"));
  ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun("r", "d/u", 64));
  Accounting accounting(&t, run.uid(), seed);
  uint64_t epoch = 0;
  for (const size_t workers : {1, 4, 64}) {
    for (int i = 0; i < 4; ++i) accounting.RunEpoch(epoch++, workers);
  }
}

}  // namespace
}  // namespace subset
