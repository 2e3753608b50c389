// What survives: crashes, folds, failed writes; and what is refused when it is damaged.

#include <algorithm>
#include <set>

#include "engine/image_keeper.h"
#include "engine/image_names.h"
#include "subset/log/v1/image.pb.h"
#include "subset/log/v1/record.pb.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSamples = 70000;  // two chunks

// Four runs, one for each preset, with an epoch or two open and some feedback.
class RecoveryTest : public ::testing::Test {
 protected:
  void Fill() {
    ASSERT_OK(t.ImportLabels("d", kSamples, 7));
    const std::map<std::string, std::map<std::string, double>> presets = {
        {"uniform", {}},
        {"class_balanced", {}},
        {"importance", {}},
        {"infobatch", {{"total_epochs", 10}}}};
    for (const auto& [preset, parameters] : presets) {
      std::string name = preset;
      std::replace(name.begin(), name.end(), '_', '-');
      ASSERT_OK(t.CreateSampler("d/" + name, preset, parameters));
      ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun(name, "d/" + name, 1000));
      runs.push_back(run);
      ASSERT_OK_AND_ASSIGN(const uint64_t session, t.OpenSession(run.uid()));
      sessions.push_back(session);
      ASSERT_OK(t.OpenEpoch(run.uid(), 0));
      ASSERT_OK(Report(runs.size() - 1, 0, 5));
      ASSERT_OK(t.OpenEpoch(run.uid(), 1, /*now=*/true));
    }
  }
  // Reports `count` batches of an epoch.
  absl::Status Report(size_t run, uint64_t epoch, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const auto batch = t.GetPositions(runs[run].uid(), epoch, i * 1000, 1000);
      if (!batch.ok()) return batch.status();
      const auto indices = Decode<uint32_t>(batch->indices());
      std::vector<float> losses;
      for (const uint32_t index : indices) losses.push_back(static_cast<float>(index % 13));
      const auto reply = t.Report(
          Losses(runs[run].uid(), sessions[run], ++sequence, epoch, i * 1000, indices, losses));
      if (!reply.ok()) return reply.status();
    }
    return absl::OkStatus();
  }
  // All that clients can see, but for the incarnation.
  std::string Visible() {
    std::string all;
    v1::Dataset dataset = t.engine->ListDatasets({})->datasets(0);
    all += dataset.ShortDebugString();
    for (const v1::Run& created : runs) {
      v1::Run run = *t.GetRun(created.name());
      run.mutable_score_version()->clear_incarnation();
      all += run.ShortDebugString();
      for (const v1::Epoch& epoch : run.epochs()) {
        for (uint64_t at = 0; at < epoch.num_positions(); at += kMaxBatchSize) {
          all += t.GetPositions(run.uid(), epoch.epoch(), at, kMaxBatchSize)->SerializeAsString();
        }
      }
    }
    return all;
  }

  TestEngine t;
  std::vector<v1::Run> runs;
  std::vector<uint64_t> sessions;
  uint64_t sequence = 0;
};

TEST_F(RecoveryTest, EveryPresetDrawsTheSameBatchesAfterACrash) {
  Fill();
  const std::string before = Visible();
  t.CrashAndReopen();
  EXPECT_EQ(Visible(), before);
  ASSERT_OK(t.engine->FoldNow());
  EXPECT_EQ(Visible(), before);
  t.CrashAndReopen();
  EXPECT_EQ(Visible(), before);
  EXPECT_EQ(t.engine->Stats().recovery_records, 0u);  // all of it was in images
  t.Reopen();
  EXPECT_EQ(Visible(), before);
}

TEST_F(RecoveryTest, EachOpenRaisesTheIncarnationByOne) {
  Fill();
  for (uint64_t incarnation = 2; incarnation < 6; ++incarnation) {
    if (incarnation % 2 == 0) {
      t.CrashAndReopen();
    } else {
      ASSERT_OK(t.engine->FoldNow());
      t.Reopen();
    }
    EXPECT_EQ(t.engine->Stats().incarnation, incarnation);
    EXPECT_EQ(t.GetRun("uniform")->score_version().incarnation(), incarnation);
  }
}

TEST_F(RecoveryTest, TheFoldKeepsTheLogShort) {
  Fill();
  ASSERT_OK(t.engine->FoldNow());
  EXPECT_TRUE(t.disk.log().empty());
  ASSERT_OK(t.engine->FoldNow());
  t.options.min_fold_bytes = 100000;
  t.Reopen();
  // Epoch 1 of each run in messages of 8 KB; images take about 2.5 MB.
  for (size_t run = 0; run < runs.size(); ++run) ASSERT_OK(Report(run, 1, 30));
  for (uint64_t sequence_before = sequence; sequence < sequence_before + 400;) {
    ASSERT_OK(t.Report(Losses(runs[0].uid(), sessions[0], ++sequence, 0, std::nullopt,
                              std::vector<uint32_t>(1000, 1), std::vector<float>(1000, 2))));
  }
  while (t.engine->Stats().store.log_bytes > 4 << 20) {
    ASSERT_OK(t.Report(Losses(runs[0].uid(), sessions[0], ++sequence, 0, std::nullopt, {1}, {2})));
  }
  const std::string before = Visible();
  t.CrashAndReopen(1000000);
  EXPECT_EQ(Visible(), before);
}

// A round that fails at any of its writes, and then a crash, loses nothing.
TEST_F(RecoveryTest, AFoldMayFailAnywhere) {
  Fill();
  ASSERT_OK(t.engine->FoldNow());
  const uint64_t before_round = t.disk.writes();
  ASSERT_OK(Report(0, 1, 1));
  const uint64_t reported = t.disk.writes();
  ASSERT_OK(t.engine->FoldNow());
  const uint64_t writes_of_round = t.disk.writes() - reported;
  ASSERT_GT(reported, before_round);
  ASSERT_GE(writes_of_round, 4u);  // chunks, catalog, header, trim
  uint64_t batches = 1;
  for (uint64_t nth = 1; nth <= writes_of_round; ++nth) {
    for (const size_t survivors : {0, 1, 2, 100}) {
      SCOPED_TRACE(absl::StrCat("write ", nth, ", survivors ", survivors));
      ASSERT_OK(Report(2, 1, ++batches));  // the last is new, the others are acknowledged
      const std::string before = Visible();
      t.disk.FailWrites(static_cast<int>(nth), absl::UnavailableError("I/O error"));
      EXPECT_FALSE(t.engine->FoldNow().ok());
      t.disk.Repair();
      EXPECT_EQ(Visible(), before);
      t.CrashAndReopen(survivors);
      EXPECT_EQ(Visible(), before);
    }
  }
  ASSERT_OK(t.engine->FoldNow());
  EXPECT_TRUE(t.disk.log().empty());
}

TEST_F(RecoveryTest, AnImportThatACrashCutOffLeavesNothing) {
  Fill();
  v1::ImportDatasetRequest::Header header;
  header.set_dataset("half");
  header.set_num_samples(kSamples);
  *header.add_columns() = ColumnOf("label", v1::COLUMN_TYPE_UINT8);
  ASSERT_OK_AND_ASSIGN(auto import, t.engine->StartImport(header));
  v1::ImportDatasetRequest::Chunk chunk;
  chunk.set_column("label");
  chunk.set_data(std::string(kSamples, 'x'));
  ASSERT_OK(import->Append(chunk));
  const size_t images = t.disk.images().size();
  t.disk.Crash(/*survivors=*/1000);
  import.reset();
  t.Reopen();
  EXPECT_EQ(t.disk.images().size(), images - 1);
  EXPECT_EQ(t.engine->ListDatasets({})->datasets_size(), 1);
}

TEST_F(RecoveryTest, DamageIsNamed) {
  Fill();
  ASSERT_OK(t.engine->FoldNow());
  ASSERT_OK(t.Report(Losses(runs[0].uid(), sessions[0], ++sequence, 0, std::nullopt, {1}, {2})));
  t.engine.reset();
  const auto images = t.disk.images();
  const auto open = [this] { return Engine::Open(t.options, t.disk.Open()).status(); };
  const std::set<std::string> kinds = {"catalog", "import/", "plan/00", "run/000"};
  for (const std::string& kind : kinds) {
    SCOPED_TRACE(kind);
    const auto image = images.lower_bound(kind);
    ASSERT_EQ(image->first.substr(0, kind.size()), kind);
    t.disk.EditImage(image->first, "\xff\xff nonsense");
    EXPECT_THAT(open(), StatusIs(absl::StatusCode::kDataLoss));
    if (kind == "catalog" || kind == "import/") {
      t.disk.EditImage(std::prev(images.lower_bound(kind + "\x7f"))->first, "");
      EXPECT_THAT(open(), StatusIs(absl::StatusCode::kDataLoss));
      t.disk.RemoveImage(std::prev(images.lower_bound(kind + "\x7f"))->first);
      EXPECT_THAT(open(), StatusIs(absl::StatusCode::kDataLoss));
    }
    for (const auto& [name, bytes] : images) t.disk.EditImage(name, bytes);
    ASSERT_OK(open());
  }
  const auto [sequence_of_record, record] = *t.disk.log().rbegin();
  t.disk.EditRecord(sequence_of_record, "\xff\xff nonsense");
  EXPECT_THAT(open(), StatusIs(absl::StatusCode::kDataLoss,
                               HasSubstr(absl::StrCat("log record ", sequence_of_record))));
}

TEST_F(RecoveryTest, WhatANewerVersionWroteIsRefused) {
  Fill();
  ASSERT_OK(t.engine->FoldNow());
  t.engine.reset();
  const std::string header_bytes = t.disk.images().at(kCatalogImage);
  log::v1::CatalogHeader header;
  ASSERT_TRUE(header.ParseFromString(header_bytes));
  header.set_format(kCatalogFormat + 1);
  t.disk.EditImage(kCatalogImage, header.SerializeAsString());
  EXPECT_THAT(Engine::Open(t.options, t.disk.Open()).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(absl::StrCat("format ", kCatalogFormat + 1))));
  t.disk.EditImage(kCatalogImage, header_bytes);
  log::v1::Record record;
  record.GetReflection()->MutableUnknownFields(&record)->AddVarint(200, 1);
  const std::string bytes = record.SerializeAsString();
  const absl::string_view view = bytes;
  ASSERT_OK(t.disk.Open()->Append({&view, 1}, true));
  EXPECT_THAT(Engine::Open(t.options, t.disk.Open()).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("a newer one wrote it")));
}

// The log was cut below what the catalog includes.
TEST_F(RecoveryTest, ALogThatEndsBeforeTheCatalogIsDataLoss) {
  Fill();
  ASSERT_OK(t.engine->FoldNow());
  t.engine.reset();
  MemoryDisk other;
  {
    const auto store = other.Open();
    for (const auto& [name, bytes] : t.disk.images()) {
      const Image image{name, bytes};
      ASSERT_OK(store->WriteImages({&image, 1}, {}, true));
    }
  }
  EXPECT_THAT(Engine::Open(t.options, other.Open()).status(),
              StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace subset
