#include "engine/score_table.h"

#include <cmath>
#include <random>

#include "tests/testing/status_matchers.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSamples = 3 * sampling::kChunkSamples + 17;

std::string Bytes(const ModifiedChunk& chunk) {
  return std::string(reinterpret_cast<const char*>(chunk.values.get()), chunk.size * sizeof(float));
}

// NaN equals NaN here.
bool Same(float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); }

// The newest value stays.
void Apply(ScoreTable& table, uint64_t sequence, const std::string& column,
           const std::vector<uint32_t>& samples, std::vector<float> values) {
  table.Apply(sequence, column, samples, absl::MakeSpan(values),
              [](float, float reported) { return reported; });
}

TEST(ScoreTableTest, UnscoredIsNotAValue) {
  ScoreTable table(kSamples);
  EXPECT_TRUE(std::isnan(table.Snapshot("loss").view()[5]));
  EXPECT_EQ(table.memory_bytes(), 0u);
  Apply(table, 1, "loss", {5}, {0.0f});
  EXPECT_EQ(table.Snapshot("loss").view()[5], 0.0f);
  EXPECT_TRUE(std::isnan(table.Snapshot("loss").view()[6]));
  EXPECT_TRUE(std::isnan(table.Snapshot("loss").view()[kSamples - 1]));
  EXPECT_EQ(table.scored("loss"), 1u);
  EXPECT_EQ(table.memory_bytes(), sampling::kChunkSamples * sizeof(float));
}

TEST(ScoreTableTest, ARepeatedSampleTakesTheLastValue) {
  ScoreTable table(10);
  Apply(table, 1, "loss", {3, 3, 3}, {1.0f, 2.0f, 3.0f});
  EXPECT_EQ(table.Snapshot("loss").view()[3], 3.0f);
  EXPECT_EQ(table.scored("loss"), 1u);
}

// Snapshots, images (also newer than what is replayed on them) and replay against plain arrays.
TEST(ScoreTableTest, SnapshotsAndImagesHoldOneMoment) {
  for (uint32_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    ScoreTable table(kSamples);
    ScoreTable replica(kSamples);  // from images and replay
    std::vector<float> now(kSamples, NAN);
    struct Message {
      std::vector<uint32_t> samples;
      std::vector<float> values;
    };
    std::vector<Message> log;
    std::vector<std::pair<ScoreSnapshot, std::vector<float>>> snapshots;
    for (uint64_t sequence = 1; sequence <= 60; ++sequence) {
      Message message;
      for (int i = 0; i < 50; ++i) {
        message.samples.push_back(random() % kSamples);
        message.values.push_back(static_cast<float>(random() % 1000));
        now[message.samples.back()] = message.values.back();
      }
      Apply(table, sequence, "loss", message.samples, message.values);
      log.push_back(message);
      if (random() % 10 == 0) snapshots.emplace_back(table.Snapshot("loss"), now);
    }
    // An interrupted round: only some chunks were written.
    const std::vector<ModifiedChunk> modified = table.Modified();
    for (const ModifiedChunk& chunk : modified) {
      if (random() % 2 == 0) continue;
      ASSERT_OK(replica.Load(chunk.column, chunk.chunk, 60, Bytes(chunk)));
    }
    for (uint64_t sequence = 1; sequence <= log.size(); ++sequence) {
      Apply(replica, sequence, "loss", log[sequence - 1].samples, log[sequence - 1].values);
    }
    EXPECT_EQ(replica.scored("loss"), table.scored("loss"));
    table.NoteImages(modified, 60);
    EXPECT_TRUE(table.Modified().empty());
    snapshots.emplace_back(replica.Snapshot("loss"), now);
    for (const auto& [snapshot, expected] : snapshots) {
      for (uint64_t i = 0; i < kSamples; ++i) {
        ASSERT_TRUE(Same(snapshot.view()[i], expected[i])) << i;
      }
    }
  }
}

TEST(ScoreTableTest, CopiesMadeAheadAreUsedAndLeaveSnapshotsAlone) {
  ScoreTable table(kSamples);
  Apply(table, 1, "loss", {0, 70000}, {1, 1});
  const ScoreSnapshot before = table.Snapshot("loss");
  std::vector<FreshChunk> fresh;
  table.Prepare("loss", {0, 70000, 70001, 140000}, &fresh);
  ASSERT_EQ(fresh.size(), 3u);
  const float* copy = fresh[0].values.get();
  table.Install(std::move(fresh));
  Apply(table, 2, "loss", {0, 70000, 140000}, {2, 2, 2});
  const ScoreSnapshot after = table.Snapshot("loss");
  EXPECT_EQ(after.view().chunks[0], copy);
  EXPECT_EQ(before.view()[0], 1);
  EXPECT_TRUE(std::isnan(before.view()[140000]));
  EXPECT_EQ(after.view()[70000], 2);
  EXPECT_EQ(after.view()[140000], 2);
  EXPECT_EQ(table.scored("loss"), 3u);
  EXPECT_EQ(table.memory_bytes(), 3 * sampling::kChunkSamples * sizeof(float));
  // A snapshot between the copy and the change has the values of before.
  fresh.clear();
  table.Prepare("loss", {0}, &fresh);
  const ScoreSnapshot between = table.Snapshot("loss");
  table.Install(std::move(fresh));
  Apply(table, 3, "loss", {0}, {3});
  EXPECT_EQ(between.view()[0], 2);
  EXPECT_EQ(table.Snapshot("loss").view()[0], 3);
}

TEST(ScoreTableTest, OnlyChunksThatChangedAreWrittenAgain) {
  ScoreTable table(kSamples);
  Apply(table, 1, "loss", {0, 70000}, {1, 1});
  std::vector<ModifiedChunk> modified = table.Modified();
  ASSERT_EQ(modified.size(), 2u);
  Apply(table, 2, "loss", {1}, {1});  // while the images are written
  table.NoteImages(modified, 1);
  modified = table.Modified();
  ASSERT_EQ(modified.size(), 1u);
  EXPECT_EQ(modified[0].chunk, 0u);
}

TEST(ScoreTableTest, ACopyIsAsItsSourceWasAndNeitherChangesTheOther) {
  ScoreTable source(kSamples), copy(kSamples);
  Apply(source, 1, "loss", {0, 70000}, {1, 2});
  Apply(copy, 2, "other", {5}, {9});
  copy.CopyFrom(source, /*frozen=*/false, 3);
  EXPECT_EQ(copy.scored("loss"), 2u);
  EXPECT_EQ(copy.scored("other"), 0u) << "the source has no such column";
  Apply(source, 4, "loss", {0, 1}, {5, 5});
  Apply(copy, 5, "loss", {70000}, {6});
  EXPECT_EQ(source.Snapshot("loss").view()[0], 5);
  EXPECT_EQ(source.Snapshot("loss").view()[70000], 2);
  EXPECT_EQ(copy.Snapshot("loss").view()[0], 1);
  EXPECT_TRUE(std::isnan(copy.Snapshot("loss").view()[1]));
  EXPECT_EQ(copy.Snapshot("loss").view()[70000], 6);
  EXPECT_EQ(copy.Modified().size(), 3u) << "all of it needs images";
}

TEST(ScoreTableTest, AReplayedCopyLeavesAloneWhatIsNewer) {
  ScoreTable source(kSamples), copy(kSamples);
  Apply(source, 1, "loss", {0, 70000}, {1, 2});
  const std::vector<ModifiedChunk> newer = source.Modified();
  ScoreTable replayed_source(kSamples), replayed_copy(kSamples);
  ASSERT_OK(replayed_source.Load("loss", 0, 9, Bytes(newer[0])));  // written after the copy
  replayed_copy.CopyFrom(replayed_source, /*frozen=*/false, 5);
  EXPECT_EQ(replayed_copy.scored("loss"), 0u);
  replayed_copy.CopyFrom(replayed_source, /*frozen=*/true, 6);
  EXPECT_EQ(replayed_copy.scored("loss"), 1u);
}

TEST(ScoreTableTest, AnImageThatDoesNotFitIsDataLoss) {
  ScoreTable table(100);
  EXPECT_THAT(table.Load("loss", 0, 1, std::string(99 * 4, '\0')),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("396")));
  EXPECT_THAT(table.Load("loss", 1, 1, std::string(100 * 4, '\0')),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace subset
