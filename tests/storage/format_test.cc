// The bytes on disk, per version of the format. docs/storage_format.md explains them; a change of
// the golden file is a change of the format and needs a new version.

#include <filesystem>
#include <fstream>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "storage/log_size.h"
#include "storage/record_frame.h"
#include "storage/rocks_info_log.h"
#include "storage/watermark.h"
#include "tests/storage/storage_testing.h"
#include "tests/testing/read_file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace subset {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

// Every key and value of the database, one line each: family key value, in hex.
std::string Dump(const std::string& database_path) {
  std::vector<std::string> names;
  rocksdb::Options options;
  EXPECT_TRUE(rocksdb::DB::ListColumnFamilies(options, database_path, &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, options);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  EXPECT_TRUE(rocksdb::DB::OpenForReadOnly(options, database_path, families, &handles, &raw).ok());
  const std::unique_ptr<rocksdb::DB> db(raw);
  std::string dump;
  for (size_t i = 0; i < handles.size(); ++i) {
    const std::unique_ptr<rocksdb::Iterator> it(
        db->NewIterator(rocksdb::ReadOptions(), handles[i]));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      absl::StrAppend(&dump, names[i], " ", it->key().ToString(true), " ",
                      it->value().ToString(true), "\n");
    }
    db->DestroyColumnFamilyHandle(handles[i]);
  }
  return dump;
}

TEST(FormatTest, VersionOneIsWrittenAsTheGoldenFileSays) {
  TempDir dir;
  {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d")));
    ASSERT_OK(store->Append({"first", ""}, true));
    ASSERT_OK(store->Append({"third"}, false));
    ASSERT_OK(store->WriteImages({{"a/1", "image"}, {"b", ""}}, {"c"}, true));
    ASSERT_OK(store->Trim(2));
    ASSERT_OK(store->WriteImages({{"a/2", absl::string_view("\0\xff", 2)}}, {"b"}, true));
  }
  const std::string watermark = dir.File("WATERMARK");
  {
    ASSERT_OK(Watermark::Create(watermark));
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Watermark> opened, Watermark::Open(watermark));
    ASSERT_OK(opened->NoteRecord(3, 0x1122334455667788));
    ASSERT_OK(opened->NoteImages(2));
    ASSERT_OK(opened->NoteManifest(5, 600, 0x99));
  }
  const std::string note = ReadFile(watermark);
  ASSERT_EQ(note.size(), 4096u + 72u);
  const std::string text =
      absl::StrCat("# family key value\n", Dump(dir.File("d/store/db")), "# FORMAT\n",
                   ReadFile(dir.File("d/store/FORMAT")), "# WATERMARK at 0\n",
                   absl::BytesToHexString(note.substr(0, 72)), "\n# WATERMARK at 4096\n",
                   absl::BytesToHexString(note.substr(4096)), "\n");
  EXPECT_EQ(text, ReadFile(SUBSET_GOLDEN_DIR "/format_1.txt"))
      << "the bytes on disk have changed; written now:\n"
      << text;
}

TEST(RecordFrameTest, AChangedByteIsFoundWhereverItIs) {
  const auto header = RecordHeader(77, ChainChecksum(77, "the body"));
  const std::string value = std::string(header.begin(), header.end()) + "the body";
  ASSERT_OK_AND_ASSIGN(const RecordFrame frame, ParseRecord(value));
  EXPECT_EQ(frame.previous, 77u);
  EXPECT_EQ(frame.body, "the body");
  const auto image_header = ImageHeader("name", "the bytes");
  const std::string image = std::string(image_header.begin(), image_header.end()) + "the bytes";
  EXPECT_THAT(ParseImage("name", image), IsOkAndHolds("the bytes"));
  EXPECT_THAT(ParseImage("nama", image), StatusIs(StatusCode::kDataLoss));
  for (int bit = 0; bit < 8; ++bit) {
    for (size_t i = 0; i < value.size(); ++i) {
      std::string changed = value;
      changed[i] = static_cast<char>(changed[i] ^ 1 << bit);
      EXPECT_THAT(ParseRecord(changed), StatusIs(StatusCode::kDataLoss));
    }
    for (size_t i = 0; i < image.size(); ++i) {
      std::string changed = image;
      changed[i] = static_cast<char>(changed[i] ^ 1 << bit);
      EXPECT_THAT(ParseImage("name", changed), StatusIs(StatusCode::kDataLoss));
    }
  }
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_THAT(ParseRecord(value.substr(0, size)), StatusIs(StatusCode::kDataLoss));
  }
  for (size_t size = 0; size < image.size(); ++size) {
    EXPECT_THAT(ParseImage("name", image.substr(0, size)), StatusIs(StatusCode::kDataLoss));
  }
}

TEST(WatermarkTest, TheNewestWholeNoteCountsAndNoteNeverFalls) {
  TempDir dir;
  const std::string path = dir.File("WATERMARK");
  ASSERT_OK(Watermark::Create(path));
  {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Watermark> watermark, Watermark::Open(path));
    ASSERT_OK(watermark->NoteRecord(10, 100));
    ASSERT_OK(watermark->NoteRecord(20, 200));
    ASSERT_OK(watermark->NoteRecord(15, 150));
    ASSERT_OK(watermark->NoteImages(4));
    ASSERT_OK(watermark->NoteImages(3));
    EXPECT_EQ(watermark->Get().sequence, 20u);
    EXPECT_EQ(watermark->Get().checksum, 200u);
    EXPECT_EQ(watermark->Get().image_generation, 4u);
  }
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Watermark> watermark, Watermark::Open(path));
  EXPECT_EQ(watermark->Get().sequence, 20u);
  EXPECT_EQ(watermark->Get().image_generation, 4u);
  watermark.reset();
  // Notes 0 and 1 at creation, then 2, 3, 4: the newest is at 0.
  const auto damage = [&](std::streamoff at) {
    std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(at).put('!');
  };
  damage(16);
  ASSERT_OK_AND_ASSIGN(watermark, Watermark::Open(path));
  EXPECT_EQ(watermark->Get().sequence, 20u);
  EXPECT_EQ(watermark->Get().image_generation, 0u);
  watermark.reset();
  damage(4096 + 16);
  EXPECT_THAT(Watermark::Open(path), StatusIs(StatusCode::kDataLoss, HasSubstr(path)));
  std::filesystem::remove(path);
  EXPECT_THAT(Watermark::Open(path), StatusIs(StatusCode::kDataLoss, HasSubstr("missing")));
}

TEST(LogSizeTest, FollowsTheSlowSum) {
  LogSize size;
  size.Reset(1, 1, 0);
  std::vector<uint64_t> bytes;  // of record i + 1
  uint64_t first = 1;
  for (int step = 0; step < 20000; ++step) {
    const uint64_t added = 100 + static_cast<uint64_t>(step) * 7919 % 2000;
    bytes.push_back(added);
    size.Add(bytes.size() + 1, added);
    if (step % 97 == 96) {
      first += (bytes.size() + 1 - first) / 3;
      size.Drop(first);
      uint64_t exact = 0;
      for (size_t i = first - 1; i < bytes.size(); ++i) exact += bytes[i];
      ASSERT_NEAR(static_cast<double>(size.bytes()), static_cast<double>(exact), 20000);
    }
  }
  size.Drop(bytes.size() + 1);
  EXPECT_EQ(size.bytes(), 0u);
}

TEST(RocksInfoLogTest, PassesWarningsOnAndIsBounded) {
  std::vector<std::string> lines;
  const auto log = NewRocksInfoLog([&lines](LogLevel level, absl::string_view message) {
    lines.push_back(absl::StrCat(level == LogLevel::kError ? "error " : "warning ", message));
  });
  rocksdb::Info(log, "nobody needs %d", 1);
  rocksdb::Header(log, "nor %d", 2);
  rocksdb::Warn(log, "look %d\n", 3);
  rocksdb::Error(log, "%s", std::string(5000, 'x').c_str());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "warning look 3");
  EXPECT_LT(lines[1].size(), 600u);
  for (int i = 0; i < 1000; ++i) rocksdb::Warn(log, "again");
  EXPECT_LE(lines.size(), 20u);
}

}  // namespace
}  // namespace subset
