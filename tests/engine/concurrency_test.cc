// Everything at once; most telling under ThreadSanitizer.

#include <atomic>
#include <thread>

#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

constexpr uint64_t kSamples = 3000;
constexpr uint32_t kBatch = 100;
constexpr uint64_t kEpochs = 6;

// Where the ranks of a run wait for each other, as their gradients do.
class Barrier {
 public:
  void Arrive() {
    MutexLock lock(&mu_);
    const uint64_t round = arrived_++ / 2;
    all_.NotifyAll();
    while (arrived_ / 2 == round) all_.Wait(&mu_);
  }

 private:
  Mutex mu_;
  CondVar all_;
  uint64_t arrived_ ABSL_GUARDED_BY(mu_) = 0;
};

// Two ranks train one run to the end: each draws its share, reports it, and goes on.
void Train(TestEngine* t, Uid run, uint32_t rank, Barrier* barrier) {
  const auto session = t->OpenSession(run);
  ASSERT_OK(session);
  uint64_t sequence = 0;
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    for (uint64_t step = 0;; ++step) {
      const auto batch = t->GetStep(run, epoch, step, rank, 2);
      if (absl::IsOutOfRange(batch.status())) break;
      ASSERT_OK(batch);
      const auto indices = Decode<uint32_t>(batch->indices());
      std::vector<float> losses;
      for (const uint32_t index : indices) losses.push_back(static_cast<float>(index % 17));
      const auto message =
          Losses(run, *session, ++sequence, epoch, batch->position(), indices, losses);
      ASSERT_OK(t->Report(message));
      if (step % 5 == 0) {
        ASSERT_TRUE(t->Report(message)->duplicate());
      }
    }
    barrier->Arrive();
  }
}

TEST(ConcurrencyTest, TrainingGoesOnWhileEverythingElseHappens) {
  TestEngine t;
  t.options.keep_plans = 2;
  t.Reopen();
  ASSERT_OK(t.ImportLabels("d", kSamples));
  v1::SamplerSpec live;
  live.mutable_preference()->mutable_score_power()->set_alpha(1);
  live.mutable_guard()->set_uniform_floor(0.1);
  live.set_snapshot(v1::SNAPSHOT_LIVE);
  ASSERT_OK(t.CreateSampler("d/live", live));
  ASSERT_OK(t.CreateSampler("d/importance", "importance"));
  ASSERT_OK(t.CreateSampler("d/infobatch", "infobatch", {{"total_epochs", 10}}));
  ASSERT_OK(t.CreateSampler("d/balanced", "class_balanced"));
  std::vector<v1::Run> runs;
  for (const char* name : {"live", "importance", "infobatch", "balanced"}) {
    ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun(name, absl::StrCat("d/", name), kBatch));
    runs.push_back(run);
  }
  std::atomic<bool> stop{false};
  std::vector<Barrier> barriers(runs.size());
  std::vector<std::thread> trainers;
  for (size_t i = 0; i < runs.size(); ++i) {
    for (uint32_t rank = 0; rank < 2; ++rank) {
      trainers.emplace_back(Train, &t, runs[i].uid(), rank, &barriers[i]);
    }
  }
  std::thread folder([&] {
    while (!stop) EXPECT_OK(t.engine->FoldNow());
  });
  std::thread operators([&] {
    for (int i = 0; !stop; ++i) {
      EXPECT_OK(t.ImportLabels("d", kSamples, 5 + i % 3));
      EXPECT_OK(
          t.UpdateSampler("d/importance", "importance", {{"uniform_floor", 0.1 + 0.1 * (i % 2)}}));
    }
  });
  std::thread short_lived([&] {
    while (!stop) {
      const auto run = t.CreateRun("short", "d/importance", kBatch);
      EXPECT_OK(run);
      EXPECT_OK(t.GetStep(run->uid(), 0, 0));
      auto waiting = t.StartOpenEpoch(run->uid(), 1);
      EXPECT_OK(t.DeleteRun("short"));
      const auto opened = waiting.Wait();
      EXPECT_THAT(opened, StatusIs(absl::StatusCode::kNotFound));
    }
  });
  std::thread watcher([&] {
    while (!stop) {
      t.engine->Stats();
      EXPECT_OK(t.engine->ListRuns({}));
      EXPECT_OK(t.engine->ListDatasets({}));
    }
  });
  for (std::thread& trainer : trainers) trainer.join();
  stop = true;
  for (std::thread* other : {&folder, &operators, &short_lived, &watcher}) other->join();

  for (size_t i = 0; i < runs.size(); ++i) {
    SCOPED_TRACE(runs[i].name());
    ASSERT_OK_AND_ASSIGN(const v1::Run run, t.GetRun(runs[i].name()));
    ASSERT_EQ(run.epochs_size(), 2);
    for (const v1::Epoch& epoch : run.epochs()) {
      EXPECT_EQ(epoch.acknowledged_positions(), epoch.num_positions());
    }
    EXPECT_EQ(run.epochs(1).epoch(), kEpochs - 1);
    EXPECT_EQ(t.engine->Stats().waiting_requests, 0u);
  }
  const std::string before = t.GetRun("importance")->epochs(1).ShortDebugString();
  t.CrashAndReopen();
  EXPECT_EQ(t.GetRun("importance")->epochs(1).ShortDebugString(), before);
}

}  // namespace
}  // namespace subset
