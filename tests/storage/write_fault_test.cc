// Every single write fails once, and the store loses nothing, doubles nothing and goes on.

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <map>

#include "base/log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/storage/fault_env.h"
#include "tests/storage/storage_testing.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace subset {
namespace {

using absl::StatusCode;

constexpr uint64_t kGroups = 40;
constexpr uint64_t kGroupSize = 8;

RocksStoreSeams FaultySeams(FaultEnv* env) {
  RocksStoreSeams seams = SmallFiles();
  // A write of the script flushes every few groups.
  seams.sizes.log_buffer_bytes = 64 << 10;
  seams.sizes.image_buffer_bytes = 64 << 10;
  seams.env = env->get();
  return seams;
}

std::string ImageBytes(uint64_t group) {
  return std::string(3000 + group, static_cast<char>('a' + group % 26));
}

// Tries `write` until it is OK; counts the failures, each of which must be one that a caller may
// try again.
template <typename Write>
void UntilOk(Store* store, int* failures, Write write) {
  for (int attempt = 0; attempt < 50; ++attempt) {
    const uint64_t next = store->Info().next_sequence;
    const absl::Status status = write();
    if (status.ok()) return;
    ++*failures;
    ASSERT_TRUE(absl::IsUnavailable(status) || absl::IsResourceExhausted(status)) << status;
    ASSERT_EQ(store->Info().next_sequence, next) << "a failed call appended something";
  }
  FAIL() << "never succeeded";
}

// Appends, writes images and trims, in a fixed order.
void RunScript(Store* store, int* failures) {
  for (uint64_t group = 0; group < kGroups; ++group) {
    const uint64_t next = group * kGroupSize + 1;
    UntilOk(store, failures, [&] {
      absl::StatusOr<uint64_t> first = AppendTestRecords(store, next, kGroupSize, true);
      EXPECT_EQ(first.value_or(next), next);
      return first.status();
    });
    if (testing::Test::HasFatalFailure()) return;
    if (group % 4 == 1) {
      UntilOk(store, failures, [&] {
        const std::string bytes = ImageBytes(group);
        return store->WriteImages({{absl::StrCat("image ", group / 4 % 3), bytes}}, {},
                                  group % 8 == 1);
      });
    }
    if (group % 16 == 15) {
      UntilOk(store, failures, [&] { return store->Trim(next - 100); });
    }
    if (testing::Test::HasFatalFailure()) return;
  }
}

void CheckScriptRan(Store* store) {
  const StoreInfo info = store->Info();
  EXPECT_EQ(info.next_sequence, kGroups * kGroupSize + 1);
  EXPECT_EQ(info.durable_sequence, kGroups * kGroupSize);
  EXPECT_EQ(info.first_sequence, (kGroups / 16 * 16 - 1) * kGroupSize + 1 - 100);
  EXPECT_OK(CheckTestRecords(store));
  std::map<std::string, std::string> images;
  for (uint64_t group = 1; group < kGroups; group += 4) {
    images[absl::StrCat("image ", group / 4 % 3)] = ImageBytes(group);
  }
  EXPECT_THAT(ReadAllImages(store, ""), IsOkAndHolds(NamedBytes(images.begin(), images.end())));
}

class WriteFaultTest : public testing::Test {
 protected:
  // Thousands of injected failures need not be told.
  void SetUp() override { ConfigureLog(LogLevel::kError, LogFormat::kConsole); }
};

// How many operations the script takes, without failures.
int64_t CountOperations() {
  TempDir dir = TempDir::InMemory();
  FaultEnv env;
  absl::StatusOr<std::unique_ptr<Store>> store = OpenForTest(dir.File("d"), FaultySeams(&env));
  EXPECT_OK(store);
  const int64_t before = env->seen();
  int failures = 0;
  RunScript(store->get(), &failures);
  EXPECT_EQ(failures, 0);
  CheckScriptRan(store->get());
  return env->seen() - before;
}

void FailAt(int64_t n, int64_t count, bool no_space, int64_t* failures_seen) {
  SCOPED_TRACE(absl::StrCat("operation ", n, ", ", count, " in a row"));
  TempDir dir = TempDir::InMemory();
  FaultEnv env;
  {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store,
                         OpenForTest(dir.File("d"), FaultySeams(&env)));
    env->FailFrom(n, count, no_space);
    int failures = 0;
    RunScript(store.get(), &failures);
    if (testing::Test::HasFatalFailure()) return;
    *failures_seen += failures;
    env->Heal();
    UntilOk(store.get(), &failures, [&] { return store->Append({}, true).status(); });
    CheckScriptRan(store.get());
    EXPECT_FALSE(store->Info().read_only);
  }
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d"), FaultySeams(&env)));
  CheckScriptRan(store.get());
}

TEST_F(WriteFaultTest, AnyOneWriteMayFail) {
  const int64_t operations = CountOperations();
  ASSERT_GT(operations, 100);
  int64_t failures = 0;
  for (int64_t n = 1; n <= operations && !HasFatalFailure(); ++n) FailAt(n, 1, false, &failures);
  EXPECT_GT(failures, operations / 4) << "the faults hardly reached the store";
}

TEST_F(WriteFaultTest, AnySixteenWritesInARowMayFailForWantOfSpace) {
  const int64_t operations = CountOperations();
  int64_t failures = 0;
  for (int64_t n = 1; n <= operations && !HasFatalFailure(); n += 7) FailAt(n, 16, true, &failures);
  EXPECT_GT(failures, operations / 14);
}

TEST_F(WriteFaultTest, AFailedAppendIsGoneAlsoWhenItsBytesReachedTheDisk) {
  TempDir dir = TempDir::InMemory();
  FaultEnv env;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d"), FaultySeams(&env)));
  ASSERT_OK(AppendTestRecords(store.get(), 1, 3, true));
  env->FailFrom(2, 1000);  // 1: the write of the group, 2: its fsync
  ASSERT_THAT(store->Append({"one", "two", "three"}, true), StatusIs(StatusCode::kUnavailable));
  ASSERT_TRUE(env->hit());
  ASSERT_OK_AND_ASSIGN(Records records, ReplayAll(store.get(), 1));
  EXPECT_EQ(records.size(), 3u);
  EXPECT_TRUE(store->Info().read_only);
  env->Heal();
  // The next group is shorter, so the rest of the failed one would stand behind it.
  EXPECT_THAT(AppendTestRecords(store.get(), 4, 1, true), IsOkAndHolds(4u));
  EXPECT_FALSE(store->Info().read_only);
  EXPECT_OK(CheckTestRecords(store.get()));
  store.reset();
  ASSERT_OK_AND_ASSIGN(store, OpenForTest(dir.File("d"), FaultySeams(&env)));
  EXPECT_EQ(store->Info().next_sequence, 5u);
  EXPECT_OK(CheckTestRecords(store.get()));
}

TEST_F(WriteFaultTest, AStoreThatNobodyWritesToHealsWhenItIsAskedHowItIs) {
  TempDir dir = TempDir::InMemory();
  FaultEnv env;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d"), FaultySeams(&env)));
  env->FailFrom(1, 1);
  ASSERT_THAT(AppendTestRecords(store.get(), 1, 1, true), StatusIs(StatusCode::kUnavailable));
  EXPECT_FALSE(store->Info().read_only);
  EXPECT_OK(CheckTestRecords(store.get()));
}

TEST_F(WriteFaultTest, AFullDiskIsResourceExhaustedAndNamesItsReason) {
  TempDir dir = TempDir::InMemory();
  FaultEnv env;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d"), FaultySeams(&env)));
  env->FailFrom(1, 1, /*no_space=*/true);
  const auto failed = AppendTestRecords(store.get(), 1, 1, true);
  EXPECT_THAT(failed, StatusIs(StatusCode::kResourceExhausted, testing::HasSubstr(dir.path())));
  EXPECT_THAT(failed, ReasonIs("DISK_FULL"));
  EXPECT_OK(AppendTestRecords(store.get(), 1, 1, true));
}

TEST_F(WriteFaultTest, UnsyncedRecordsThatAFailureTookAreDataLossAndNotForgotten) {
  TempDir dir = TempDir::InMemory();
  FaultEnv env;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d"), FaultySeams(&env)));
  ASSERT_OK(AppendTestRecords(store.get(), 1, 3, true));
  ASSERT_OK(AppendTestRecords(store.get(), 4, 3, false));
  env->FailFrom(1, 1);
  ASSERT_THAT(AppendTestRecords(store.get(), 7, 1, true), StatusIs(StatusCode::kUnavailable));
  // What an fsync that failed may do: the unsynced pages are gone.
  for (const auto& entry : std::filesystem::directory_iterator(dir.File("d/store/db"))) {
    if (entry.path().extension() == ".log" && entry.file_size() > 0) {
      std::filesystem::resize_file(entry.path(), entry.file_size() / 2);
    }
  }
  EXPECT_THAT(AppendTestRecords(store.get(), 7, 1, true), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(AppendTestRecords(store.get(), 7, 1, true), StatusIs(StatusCode::kDataLoss));
}

// A file system that is really full: a small one in memory where this process may mount it, else a
// limit on the size of files. Either way the kernel refuses the writes.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& path) : path_(path) {
    std::filesystem::create_directory(path);
    mounted_ = mount("subset_test", path.c_str(), "tmpfs", 0, "size=8m") == 0;
    if (mounted_) return;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_limit_);
    SetLimit(512 << 10);
  }
  ~SmallDisk() {
    Grow();
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  void Grow() {
    if (mounted_) {
      mount("subset_test", path_.c_str(), "tmpfs", MS_REMOUNT, "size=64m");
    } else {
      SetLimit(old_limit_.rlim_cur);
    }
  }

 private:
  void SetLimit(rlim_t bytes) {
    rlimit limit = old_limit_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  const std::string path_;
  bool mounted_ = false;
  rlimit old_limit_{};
};

TEST_F(WriteFaultTest, AReallyFullDiskEndsNothingAndLosesNothing) {
  TempDir dir = TempDir::InMemory();
  SmallDisk disk(dir.File("disk"));
  std::unique_ptr<Store> store;
  ASSERT_OK_AND_ASSIGN(store, OpenForTest(dir.File("disk/d"), SmallFiles()));
  uint64_t next = 1;
  int failures = 0;
  while (failures < 5) {
    ASSERT_LT(next, 20000u) << "the disk never filled";
    const auto appended = AppendTestRecords(store.get(), next, 10, true);
    if (appended.ok()) {
      next += 10;
    } else {
      ASSERT_TRUE(absl::IsResourceExhausted(appended.status()) ||
                  absl::IsUnavailable(appended.status()))
          << appended.status();
      ++failures;
    }
  }
  disk.Grow();
  EXPECT_THAT(AppendTestRecords(store.get(), next, 10, true), IsOkAndHolds(next));
  EXPECT_FALSE(store->Info().read_only);
  EXPECT_OK(CheckTestRecords(store.get()));
  store.reset();
  ASSERT_OK_AND_ASSIGN(store, OpenForTest(dir.File("disk/d"), SmallFiles()));
  EXPECT_EQ(store->Info().next_sequence, next + 10);
  EXPECT_OK(CheckTestRecords(store.get()));
  store.reset();
}

}  // namespace
}  // namespace subset
