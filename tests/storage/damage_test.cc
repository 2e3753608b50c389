// A bit flips, a file is cut or gone: the store opens with all that was acknowledged, or refuses.

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "base/log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/storage/storage_testing.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace subset {
namespace {

namespace fs = std::filesystem;
using absl::StatusCode;
using testing::HasSubstr;

constexpr uint32_t kSeed = 20261125;
constexpr uint64_t kDurable = 600;
constexpr uint64_t kUnsynced = 7;

std::string ImageBytes(uint64_t step) {
  return absl::StrCat("image of step ", step, " ", TestRecord(step * 31));
}

// Fills a store with everything that can be damaged: trimmed, flushed and unflushed records,
// images replaced and deleted, and a few records at the end that nobody was promised.
NamedBytes Fill(const std::string& path, const RocksStoreSeams& seams) {
  std::map<std::string, std::string> images;
  absl::StatusOr<std::unique_ptr<Store>> store = OpenForTest(path, seams);
  EXPECT_OK(store);
  for (uint64_t next = 1; next <= kDurable; next += 10) {
    EXPECT_THAT(AppendTestRecords(store->get(), next, 10, true), IsOkAndHolds(next));
    const std::string name = absl::StrCat("i", next % 70);
    images[name] = ImageBytes(next);
    EXPECT_OK((*store)->WriteImages({{name, images[name]}}, {}, true));
    if (next == 401) {
      EXPECT_OK((*store)->Trim(200));
    }
    if (next == 301) {
      images.erase("i1");
      images.erase("i11");
      EXPECT_OK((*store)->WriteImages({}, {"i1"}, true));
    }
  }
  EXPECT_OK(AppendTestRecords(store->get(), kDurable + 1, kUnsynced, false));
  return NamedBytes(images.begin(), images.end());
}

bool Refused(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsFailedPrecondition(status);
}

enum class Outcome { kWhole, kRefused, kWrong };

// Opens and reads everything.
Outcome Try(const std::string& path, const RocksStoreSeams& seams, const NamedBytes& images,
            std::string* what) {
  absl::StatusOr<std::unique_ptr<Store>> store = OpenForTest(path, seams);
  *what = store.status().ToString();
  if (!store.ok()) {
    return Refused(store.status()) && absl::StrContains(store.status().message(), path)
               ? Outcome::kRefused
               : Outcome::kWrong;
  }
  const absl::Status records = CheckTestRecords(store->get());
  const absl::StatusOr<NamedBytes> found = ReadAllImages(store->get(), "");
  *what = absl::StrCat("records ", records.ToString(), ", images ", found.status().ToString(),
                       ", next ", (*store)->Info().next_sequence);
  if (Refused(records) || Refused(found.status())) return Outcome::kRefused;
  if (!records.ok() || !found.ok() || *found != images) return Outcome::kWrong;
  const StoreInfo info = (*store)->Info();
  return info.first_sequence == 200 && info.next_sequence > kDurable &&
                 info.next_sequence <= kDurable + kUnsynced + 1
             ? Outcome::kWhole
             : Outcome::kWrong;
}

std::vector<fs::path> FilesOf(const std::string& path) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), path));
  }
  std::sort(files.begin(), files.end());
  return files;
}

// OPTIONS and IDENTITY are for people and for other programs, LOCK files are empty.
bool Matters(const fs::path& file) {
  const std::string name = file.filename().string();
  return name != "LOCK" && name != "IDENTITY" && name.rfind("OPTIONS", 0) != 0;
}

void FlipBit(const fs::path& file, uint64_t position, int bit) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(position));
  const char byte = static_cast<char>(stream.get() ^ (1 << bit));
  stream.seekp(static_cast<std::streamoff>(position));
  stream.put(byte);
}

class DamageTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    ConfigureLog(LogLevel::kError, LogFormat::kConsole);
    // With small files most is in tables and the MANIFEST is long; else all is in the
    // write-ahead log.
    if (GetParam()) seams_ = SmallFiles();
    images_ = Fill(template_, seams_);
    files_ = FilesOf(template_);
    std::string what;
    fs::copy(template_, copy_, fs::copy_options::recursive);
    ASSERT_EQ(Try(copy_, seams_, images_, &what), Outcome::kWhole) << what;
  }

  // Copies the template, damages the copy, and opens it twice: a refusal must change nothing that
  // the second one needs to refuse too.
  template <typename Damage>
  Outcome After(Damage damage) {
    fs::remove_all(copy_);
    fs::copy(template_, copy_, fs::copy_options::recursive);
    damage();
    std::string first;
    std::string second;
    const Outcome outcome = Try(copy_, seams_, images_, &first);
    EXPECT_NE(outcome, Outcome::kWrong) << first;
    if (outcome == Outcome::kRefused) {
      EXPECT_EQ(Try(copy_, seams_, images_, &second), Outcome::kRefused)
          << "first " << first << "\nthen " << second;
    }
    return outcome;
  }

  TempDir dir_ = TempDir::InMemory();
  const std::string template_ = dir_.File("template");
  const std::string copy_ = dir_.File("copy");
  RocksStoreSeams seams_;
  NamedBytes images_;
  std::vector<fs::path> files_;
};

TEST_P(DamageTest, FlippedBitsAreNeverServed) {
  std::mt19937_64 rng(kSeed);
  std::map<std::string, int> refused;
  for (const fs::path& file : files_) {
    if (!Matters(file)) continue;
    const uint64_t size = fs::file_size(template_ / file);
    if (size == 0) continue;
    for (int trial = 0; trial < 24; ++trial) {
      // The ends of files are where RocksDB looks away.
      const uint64_t window = trial % 3 == 0   ? std::min<uint64_t>(size, 64)
                              : trial % 3 == 1 ? std::min<uint64_t>(size, 4096)
                                               : size;
      const uint64_t position = size - 1 - rng() % window;
      const int bit = static_cast<int>(rng() % 8);
      SCOPED_TRACE(absl::StrCat("bit ", bit, " of byte ", position, " of ", size, " of ",
                                file.string(), ", seed ", kSeed));
      if (After([&] { FlipBit(copy_ / file, position, bit); }) == Outcome::kRefused) {
        ++refused[file.extension().string() == "" ? file.filename().string().substr(0, 8)
                                                  : file.extension().string()];
      }
      if (HasFailure()) return;
    }
  }
  // Each kind of file was hit where it counts.
  EXPECT_GT(refused[".log"], 0);
  EXPECT_GT(refused["MANIFEST"], 0);
  EXPECT_GT(refused["CURRENT"], 0);
  EXPECT_GT(refused["FORMAT"], 0);
  EXPECT_EQ(refused[".sst"] > 0, GetParam());
}

TEST_P(DamageTest, CutFilesAreNeverServed) {
  std::mt19937_64 rng(kSeed + 1);
  for (const fs::path& file : files_) {
    if (!Matters(file)) continue;
    const uint64_t size = fs::file_size(template_ / file);
    if (size == 0) continue;
    for (int trial = 0; trial < 10; ++trial) {
      const uint64_t window = trial % 2 == 0 ? size : std::min<uint64_t>(size, 200);
      const uint64_t length = size - 1 - rng() % window;
      SCOPED_TRACE(absl::StrCat(file.string(), " cut from ", size, " to ", length, " bytes, seed ",
                                kSeed + 1));
      After([&] { fs::resize_file(copy_ / file, length); });
      if (HasFailure()) return;
    }
  }
}

TEST_P(DamageTest, MissingFilesAreRefused) {
  for (const fs::path& file : files_) {
    if (!Matters(file) || fs::file_size(template_ / file) == 0) continue;
    SCOPED_TRACE(file.string());
    EXPECT_EQ(After([&] { fs::remove(copy_ / file); }), Outcome::kRefused);
  }
  SCOPED_TRACE("the database's directory");
  EXPECT_EQ(After([&] { fs::remove_all(copy_ + "/store/db"); }), Outcome::kRefused);
}

TEST_P(DamageTest, AnOlderCopyOfTheDatabaseUnderANewerWatermarkIsRefused) {
  fs::remove_all(copy_);
  fs::copy(template_, copy_, fs::copy_options::recursive);
  {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(copy_, seams_));
    const uint64_t next = store->Info().next_sequence;
    ASSERT_OK(AppendTestRecords(store.get(), next, 1, true));
  }
  fs::remove_all(copy_ + "/store/db");
  fs::copy(template_ + "/store/db", copy_ + "/store/db", fs::copy_options::recursive);
  EXPECT_THAT(OpenForTest(copy_, seams_), StatusIs(StatusCode::kDataLoss, HasSubstr(copy_)));
}

// A database that was never this one's: same length, other contents.
TEST_P(DamageTest, AnotherDatabaseUnderThisWatermarkIsRefused) {
  const std::string other = dir_.File("other");
  {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(other, seams_));
    for (uint64_t i = 0; i < kDurable + kUnsynced; ++i) ASSERT_OK(store->Append({"x"}, false));
    for (uint64_t i = 0; i < 100; ++i) ASSERT_OK(store->WriteImages({{"a", "b"}}, {}, true));
  }
  // Reopened often, so that its MANIFEST has the higher number and is not what gives it away.
  for (int i = 0; i < 40; ++i) ASSERT_OK(OpenForTest(other, seams_));
  EXPECT_EQ(After([&] {
              fs::remove_all(copy_ + "/store/db");
              fs::copy(other + "/store/db", copy_ + "/store/db", fs::copy_options::recursive);
            }),
            Outcome::kRefused);
}

INSTANTIATE_TEST_SUITE_P(Files, DamageTest, testing::Values(true, false),
                         [](const auto& info) { return info.param ? "Small" : "Large"; });

}  // namespace
}  // namespace subset
