// The engine over the real store.

#include "storage/rocks_store.h"
#include "tests/engine/engine_testing.h"
#include "tests/testing/temp_dir.h"

namespace subset {
namespace {

constexpr uint64_t kSamples = 150000;

// As TestEngine, on a directory.
class RocksEngineTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    t.engine.reset();
    RocksStoreOptions options;
    options.path = dir.File("data");
    options.reserve_bytes = 0;
    ASSERT_OK_AND_ASSIGN(auto store, RocksStore::Open(options));
    ASSERT_OK_AND_ASSIGN(t.engine, Engine::Open(t.options, std::move(store)));
  }

  TempDir dir;
  TestEngine t;
};

TEST_F(RocksEngineTest, FoldedAndReplayedStateIsTheSame) {
  t.options.min_fold_bytes = 1 << 20;
  Open();
  ASSERT_OK(t.ImportLabels("d", kSamples));
  ASSERT_OK(t.CreateSampler("d/i", "importance"));
  ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun("r", "d/i", 4096));
  ASSERT_OK_AND_ASSIGN(const uint64_t session, t.OpenSession(run.uid()));
  uint64_t sequence = 0;
  std::vector<uint32_t> draws;
  for (uint64_t epoch = 0; epoch < 3; ++epoch) {
    for (uint64_t position = 0; position < kSamples; position += 4096) {
      ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetPositions(run.uid(), epoch, position, 4096));
      const auto indices = Decode<uint32_t>(batch.indices());
      std::vector<float> losses;
      for (const uint32_t index : indices) losses.push_back(static_cast<float>(index % 100));
      ASSERT_OK(t.Report(Losses(run.uid(), session, ++sequence, epoch, position, indices, losses)));
    }
    v1::Run before = *t.GetRun("r");
    draws = t.EpochIndices(run.uid(), epoch);
    if (epoch == 1) {
      ASSERT_OK(t.engine->FoldNow());
    }
    Open();
    v1::Run after = *t.GetRun("r");
    EXPECT_EQ(after.score_version().incarnation(), before.score_version().incarnation() + 1);
    before.clear_score_version();
    after.clear_score_version();
    EXPECT_EQ(after.ShortDebugString(), before.ShortDebugString());
    EXPECT_EQ(t.EpochIndices(run.uid(), epoch), draws);
  }
  EXPECT_EQ(t.GetRun("r")->score_version().records(), sequence);
}

TEST_F(RocksEngineTest, ALockedDirectoryIsRefused) {
  RocksStoreOptions options;
  options.path = dir.File("data");
  EXPECT_THAT(RocksStore::Open(options), StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace subset
