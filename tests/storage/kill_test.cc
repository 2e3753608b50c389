// A process that appends is killed, again and again; all it was told to be durable is there.
//
// The writer is this same program, started with --append PATH FD: it opens the store, appends
// groups, and writes to FD what it was told, after each call returned.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <random>

#include "base/log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/storage/storage_testing.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace subset {
namespace {

constexpr int kCycles = 20;
constexpr uint32_t kSeed = 20261124;

// What the writer tells: after each call that returned OK.
struct Told {
  uint64_t durable = 0;      // last record of a group appended with sync
  uint64_t appended = 0;     // last record of any group
  uint64_t image_round = 0;  // of the last images written with sync
};

std::string ImageBytes(uint64_t round, int i) {
  return absl::StrCat("round ", round, " ", std::string(2000 + 100 * i, 'x'));
}

int RunWriter(const std::string& path, int fd) {
  ConfigureLog(LogLevel::kError, LogFormat::kConsole);
  absl::StatusOr<std::unique_ptr<Store>> store = OpenForTest(path, SmallFiles());
  if (!store.ok()) {
    Log(LogLevel::kError, "open", {{"error", store.status().ToString()}});
    return 2;
  }
  Told told;
  uint64_t round = (*store)->Info().next_sequence;  // higher than in any process before
  for (uint64_t step = 0;; ++step) {
    const uint64_t next = (*store)->Info().next_sequence;
    const uint64_t count = 1 + next % 5;
    const bool sync = step % 4 != 3;
    absl::Status status = AppendTestRecords(store->get(), next, count, sync).status();
    if (status.ok()) {
      told.appended = next + count - 1;
      if (sync) told.durable = told.appended;
      if (step % 8 == 5) {
        ++round;
        std::vector<std::string> bytes;
        for (int i = 0; i < 4; ++i) bytes.push_back(ImageBytes(round, i));
        status = (*store)->WriteImages(
            {{"0", bytes[0]}, {"1", bytes[1]}, {"2", bytes[2]}, {"3", bytes[3]}}, {""}, true);
        told.image_round = round;
        told.durable = told.appended;
      }
    }
    if (status.ok() && step % 64 == 63 && next > 1000) status = (*store)->Trim(next - 1000);
    if (!status.ok()) {
      Log(LogLevel::kError, "write", {{"error", status.ToString()}});
      return 3;
    }
    if (write(fd, &told, sizeof(told)) != static_cast<ssize_t>(sizeof(told))) return 4;
  }
}

// Starts the writer on `path`, kills it `after_reports` reports later, returns the last one.
Told RunAndKill(const std::string& path, int after_reports) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const std::string fd = absl::StrCat(ends[1]);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    execl("/proc/self/exe", "kill_test", "--append", path.c_str(), fd.c_str(), nullptr);
    _exit(5);
  }
  close(ends[1]);
  Told told;
  Told next;
  int reports = 0;
  while (read(ends[0], &next, sizeof(next)) == static_cast<ssize_t>(sizeof(next))) {
    told = next;
    if (++reports == after_reports) kill(child, SIGKILL);  // and read what it still told
  }
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "exit status " << status;
  return told;
}

TEST(KillTest, WhatWasDurableIsThereAfterEveryKill) {
  TempDir dir;
  const std::string path = dir.File("d");
  std::mt19937 rng(kSeed);
  uint64_t first_kept = 1;
  for (int cycle = 0; cycle < kCycles; ++cycle) {
    SCOPED_TRACE(absl::StrCat("cycle ", cycle, ", seed ", kSeed));
    const Told told = RunAndKill(path, 1 + static_cast<int>(rng() % 300));
    ASSERT_GT(told.appended, 0u);
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(path, SmallFiles()));
    const StoreInfo info = store->Info();
    EXPECT_GT(info.next_sequence, told.durable);
    // The kill of a process takes nothing from the page cache either.
    EXPECT_GT(info.next_sequence, told.appended);
    EXPECT_GE(info.first_sequence, first_kept);
    first_kept = info.first_sequence;
    EXPECT_OK(CheckTestRecords(store.get()));

    ASSERT_OK_AND_ASSIGN(NamedBytes images, ReadAllImages(store.get(), ""));
    if (images.empty()) {
      EXPECT_EQ(told.image_round, 0u);
      continue;
    }
    // All four are of one round: the one told, or the one that was being written.
    ASSERT_EQ(images.size(), 4u);
    uint64_t round = 0;
    ASSERT_EQ(sscanf(images[0].second.c_str(), "round %lu", &round), 1);
    EXPECT_GE(round, told.image_round);
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(images[i], std::make_pair(absl::StrCat(i), ImageBytes(round, i)));
    }
  }
}

// The watermark is what tells a kill from a loss, so it must be right after a kill.
TEST(KillTest, ARecordLostAfterAKillIsFound) {
  TempDir dir;
  const std::string path = dir.File("d");
  const Told told = RunAndKill(path, 15);
  // Cut the newest write-ahead log where the last but one durable group ends or before.
  std::vector<std::filesystem::path> logs;
  for (const auto& entry : std::filesystem::directory_iterator(path + "/store/db")) {
    if (entry.path().extension() == ".log") logs.push_back(entry.path());
  }
  ASSERT_FALSE(logs.empty());
  const auto newest = *std::max_element(logs.begin(), logs.end());
  std::filesystem::resize_file(newest, std::filesystem::file_size(newest) / 2);
  for (int attempt = 0; attempt < 2; ++attempt) {  // refusing changes nothing
    EXPECT_THAT(OpenForTest(path, SmallFiles()),
                StatusIs(absl::StatusCode::kDataLoss, testing::HasSubstr(path)))
        << "told " << told.durable;
  }
}

}  // namespace
}  // namespace subset

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--append") == 0) {
    return subset::RunWriter(argv[2], std::atoi(argv[3]));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
