#include "storage/rocks_store.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/storage/storage_testing.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace subset {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

std::vector<absl::string_view> Views(std::initializer_list<absl::string_view> views) {
  return views;
}

TEST(RocksStoreTest, FirstSequenceEverIsOneAndGroupsFollowWithoutAGap) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d")));
  EXPECT_EQ(store->Info().next_sequence, 1u);
  EXPECT_EQ(store->Info().first_sequence, 1u);
  EXPECT_EQ(store->Info().durable_sequence, 0u);
  EXPECT_THAT(store->Append(Views({"a"}), true), IsOkAndHolds(1u));
  EXPECT_THAT(store->Append(Views({"b", "", "c"}), false), IsOkAndHolds(2u));
  EXPECT_THAT(store->Append(Views({"d"}), true), IsOkAndHolds(5u));
  EXPECT_THAT(ReplayAll(store.get(), 1),
              IsOkAndHolds(ElementsAre(Pair(1, "a"), Pair(2, "b"), Pair(3, ""), Pair(4, "c"),
                                       Pair(5, "d"))));
}

TEST(RocksStoreTest, RecordsSurviveReopeningAndSequencesGoOn) {
  TempDir dir;
  for (uint64_t round = 0; round < 4; ++round) {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d"), SmallFiles()));
    EXPECT_EQ(store->Info().next_sequence, round * 300 + 1);
    EXPECT_OK(CheckTestRecords(store.get()));
    for (uint64_t i = 0; i < 100; ++i) {
      const uint64_t next = round * 300 + 3 * i + 1;
      ASSERT_THAT(AppendTestRecords(store.get(), next, 3, i % 2 == 0), IsOkAndHolds(next));
    }
    EXPECT_OK(CheckTestRecords(store.get()));
  }
}

TEST(RocksStoreTest, DurableSequenceRisesWithSyncOnly) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d")));
  ASSERT_OK(store->Append(Views({"a"}), false));
  EXPECT_EQ(store->Info().durable_sequence, 0u);
  ASSERT_OK(store->Append(Views({"b"}), true));
  EXPECT_EQ(store->Info().durable_sequence, 2u);
  ASSERT_OK(store->Append(Views({"c"}), false));
  EXPECT_EQ(store->Info().durable_sequence, 2u);
  // A group of none with sync makes what came before durable, and so does a write of images.
  EXPECT_THAT(store->Append({}, true), IsOkAndHolds(4u));
  EXPECT_EQ(store->Info().durable_sequence, 3u);
  ASSERT_OK(store->Append(Views({"d"}), false));
  ASSERT_OK(store->WriteImages({{"i", "x"}}, {}, false));
  EXPECT_EQ(store->Info().durable_sequence, 3u);
  ASSERT_OK(store->WriteImages({{"i", "y"}}, {}, true));
  EXPECT_EQ(store->Info().durable_sequence, 4u);
  // What a clean close left unsynced is made durable by the next open.
  ASSERT_OK(store->Append(Views({"e"}), false));
  store.reset();
  ASSERT_OK_AND_ASSIGN(store, OpenForTest(dir.File("d")));
  EXPECT_EQ(store->Info().durable_sequence, 5u);
}

TEST(RocksStoreTest, ReplayStartsInTheMiddleAndStopsAtTheFirstError) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d"), SmallFiles()));
  ASSERT_OK(AppendTestRecords(store.get(), 1, 1000, true));
  ASSERT_OK_AND_ASSIGN(Records records, ReplayAll(store.get(), 700));
  ASSERT_EQ(records.size(), 301u);
  EXPECT_EQ(records.front(), std::make_pair(uint64_t{700}, TestRecord(700)));
  EXPECT_EQ(records.back(), std::make_pair(uint64_t{1000}, TestRecord(1000)));
  EXPECT_THAT(ReplayAll(store.get(), 1001), IsOkAndHolds(IsEmpty()));
  int visited = 0;
  EXPECT_THAT(store->Replay(1,
                            [&](uint64_t, absl::string_view) {
                              return ++visited == 5 ? absl::CancelledError("enough")
                                                    : absl::OkStatus();
                            }),
              StatusIs(StatusCode::kCancelled, "enough"));
  EXPECT_EQ(visited, 5);
}

TEST(RocksStoreTest, ReplayOfRecordsThatAreNotThereIsDataLoss) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d")));
  ASSERT_OK(AppendTestRecords(store.get(), 1, 10, true));
  EXPECT_THAT(ReplayAll(store.get(), 0), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(ReplayAll(store.get(), 12), StatusIs(StatusCode::kDataLoss, HasSubstr("record 11")));
  ASSERT_OK(store->Trim(5));
  EXPECT_THAT(ReplayAll(store.get(), 4),
              StatusIs(StatusCode::kDataLoss,
                       AllOf(HasSubstr("record 4"), HasSubstr("record 5"), HasSubstr(dir.path()))));
}

TEST(RocksStoreTest, TrimDropsTheFrontAcrossReopeningAndGivesSpaceBack) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d"), SmallFiles()));
  const auto disk_bytes = [&] {
    uintmax_t bytes = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir.path())) {
      if (entry.path().extension() == ".sst") bytes += entry.file_size();
    }
    return bytes;
  };
  uint64_t next = 1;
  uintmax_t peak = 0;
  // Twenty times the trimmed length goes through; what stays is bounded by it.
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 50; ++i, next += 20) {
      ASSERT_THAT(AppendTestRecords(store.get(), next, 20, i % 10 == 0), IsOkAndHolds(next));
    }
    peak = std::max(peak, disk_bytes());
    ASSERT_OK(store->Trim(next - 500));
    EXPECT_EQ(store->Info().first_sequence, next - 500);
    EXPECT_LT(store->Info().log_bytes, uint64_t{1} << 20);
    EXPECT_GT(store->Info().log_bytes, uint64_t{300} << 10);
    if (round % 7 == 3) {
      store.reset();
      ASSERT_OK_AND_ASSIGN(store, OpenForTest(dir.File("d"), SmallFiles()));
      EXPECT_EQ(store->Info().first_sequence, next - 500);
      EXPECT_LT(store->Info().log_bytes, uint64_t{2} << 20);
    }
    EXPECT_OK(CheckTestRecords(store.get()));
  }
  EXPECT_LT(peak, uintmax_t{8} << 20) << "20 MiB went through";
}

TEST(RocksStoreTest, TrimKeepsTheLastRecordAndNeverGoesBack) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d"), SmallFiles()));
  ASSERT_OK(store->Trim(7));  // nothing there
  EXPECT_EQ(store->Info().first_sequence, 1u);
  ASSERT_OK(AppendTestRecords(store.get(), 1, 400, true));
  ASSERT_OK(store->Trim(1000));
  EXPECT_EQ(store->Info().first_sequence, 400u);
  ASSERT_OK(store->Trim(10));
  EXPECT_EQ(store->Info().first_sequence, 400u);
  store.reset();
  ASSERT_OK_AND_ASSIGN(store, OpenForTest(dir.File("d"), SmallFiles()));
  EXPECT_THAT(AppendTestRecords(store.get(), 401, 2, true), IsOkAndHolds(401u));
  EXPECT_OK(CheckTestRecords(store.get()));
}

TEST(RocksStoreTest, LogBytesFollowAppendAndTrim) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d")));
  EXPECT_EQ(store->Info().log_bytes, 0u);
  const std::string record(1000, 'x');
  for (int i = 0; i < 1000; ++i) ASSERT_OK(store->Append(Views({record}), false));
  EXPECT_NEAR(static_cast<double>(store->Info().log_bytes), 1.03e6, 0.05e6);
  ASSERT_OK(store->Trim(751));
  EXPECT_NEAR(static_cast<double>(store->Info().log_bytes), 0.26e6, 0.03e6);
}

TEST(RocksStoreTest, ImagesAreReadInOrderOfNamesWithTheirBytes) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d")));
  ASSERT_OK(store->WriteImages({{"b/2", "two"}, {"a", ""}, {"b/1", "one"}, {"b", "b"}, {"c", "c"}},
                               {}, true));
  EXPECT_THAT(ReadAllImages(store.get(), "b/"),
              IsOkAndHolds(ElementsAre(Pair("b/1", "one"), Pair("b/2", "two"))));
  EXPECT_THAT(ReadAllImages(store.get(), ""),
              IsOkAndHolds(ElementsAre(Pair("a", ""), Pair("b", "b"), Pair("b/1", "one"),
                                       Pair("b/2", "two"), Pair("c", "c"))));
  int visited = 0;
  EXPECT_THAT(store->ReadImages("",
                                [&](absl::string_view, absl::string_view) {
                                  return ++visited == 2 ? absl::CancelledError("enough")
                                                        : absl::OkStatus();
                                }),
              StatusIs(StatusCode::kCancelled, "enough"));
}

TEST(RocksStoreTest, DeletesOfPrefixesComeBeforeWritesOfTheSameCall) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d")));
  ASSERT_OK(
      store->WriteImages({{"a", "1"}, {"a/x", "2"}, {"b", "3"}, {"\xff\xff", "4"}}, {}, true));
  ASSERT_OK(store->WriteImages({{"a/y", "5"}}, {"a/", "\xff"}, true));
  EXPECT_THAT(ReadAllImages(store.get(), ""),
              IsOkAndHolds(ElementsAre(Pair("a", "1"), Pair("a/y", "5"), Pair("b", "3"))));
  store.reset();
  ASSERT_OK_AND_ASSIGN(store, OpenForTest(dir.File("d")));
  ASSERT_OK(store->WriteImages({{"z", "6"}}, {""}, true));  // all of them
  EXPECT_THAT(ReadAllImages(store.get(), ""), IsOkAndHolds(ElementsAre(Pair("z", "6"))));
}

TEST(RocksStoreTest, ImagesOfMoreThan32MiBInOneCallAreRefused) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d")));
  const std::string bytes(32 << 20, 'x');
  EXPECT_THAT(store->WriteImages({{"a", bytes}}, {}, false),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("33554432")));
  EXPECT_THAT(ReadAllImages(store.get(), ""), IsOkAndHolds(IsEmpty()));
  EXPECT_OK(store->WriteImages({{"a", absl::string_view(bytes).substr(1)}}, {}, false));
}

// Against a std::map, with thousands of random operations, reopening now and then.
TEST(RocksStoreTest, ImagesAreAMap) {
  TempDir dir;
  const uint32_t seed = 20261123;
  std::mt19937 rng(seed);
  std::map<std::string, std::string> oracle;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d"), SmallFiles()));
  for (int step = 0; step < 6000; ++step) {
    const auto name = [&] {
      std::string n;
      for (size_t length = rng() % 4; n.size() < length;) n.push_back("ab/\xff"[rng() % 4]);
      return n;
    };
    std::vector<std::string> prefixes;
    if (rng() % 20 == 0) prefixes.push_back("a" + name());
    std::map<std::string, std::string> written;
    for (uint32_t i = rng() % 3; i > 0; --i) {
      written[name()] = std::string(rng() % 700, static_cast<char>(rng()));
    }
    std::vector<Image> images;
    for (const auto& [n, bytes] : written) images.push_back({n, bytes});
    ASSERT_OK(store->WriteImages(images, prefixes, rng() % 50 == 0));
    for (const std::string& prefix : prefixes) {
      for (auto it = oracle.begin(); it != oracle.end();) {
        it = it->first.compare(0, prefix.size(), prefix) == 0 ? oracle.erase(it) : std::next(it);
      }
    }
    for (const auto& [n, bytes] : written) oracle[n] = bytes;
    if (step % 1500 == 1499) {
      store.reset();
      ASSERT_OK_AND_ASSIGN(store, OpenForTest(dir.File("d"), SmallFiles()));
    }
    if (step % 100 == 99) {
      ASSERT_THAT(ReadAllImages(store.get(), ""),
                  IsOkAndHolds(NamedBytes(oracle.begin(), oracle.end())));
    }
  }
}

TEST(RocksStoreTest, ReadersAndAWriterOfImagesRunBesideTheWriterOfTheLog) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d"), SmallFiles()));
  std::thread images([&] {
    for (int i = 0; i < 300; ++i) {
      EXPECT_OK(
          store->WriteImages({{absl::StrCat(i % 7), std::string(5000, 'x')}}, {}, i % 20 == 0));
    }
  });
  std::thread reader([&] {
    for (int i = 0; i < 30; ++i) {
      EXPECT_OK(CheckTestRecords(store.get()));
      EXPECT_OK(ReadAllImages(store.get(), ""));
      store->Info();
    }
  });
  for (uint64_t next = 1; next <= 1000; next += 5) {
    EXPECT_THAT(AppendTestRecords(store.get(), next, 5, next % 10 == 1), IsOkAndHolds(next));
  }
  images.join();
  reader.join();
  EXPECT_OK(CheckTestRecords(store.get()));
}

TEST(RocksStoreOpenTest, ADirectoryInUseIsRefusedByName) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenForTest(dir.File("d")));
  EXPECT_THAT(OpenForTest(dir.File("d")),
              StatusIs(StatusCode::kFailedPrecondition,
                       "data directory " + dir.File("d") + " is in use by another process"));
  EXPECT_OK(AppendTestRecords(store.get(), 1, 1, true));
  store.reset();
  EXPECT_OK(OpenForTest(dir.File("d")));
}

TEST(RocksStoreOpenTest, WhatIsNotThereIsMadeOnlyWhenAsked) {
  TempDir dir;
  RocksStoreOptions options = TestOptions(dir.File("d"));
  options.create_if_missing = false;
  EXPECT_THAT(RocksStore::Open(options), StatusIs(StatusCode::kNotFound, HasSubstr(options.path)));
  std::filesystem::create_directory(options.path);
  EXPECT_THAT(RocksStore::Open(options), StatusIs(StatusCode::kNotFound, HasSubstr(options.path)));
  options.create_if_missing = true;
  EXPECT_OK(RocksStore::Open(options));
  options.create_if_missing = false;
  EXPECT_OK(RocksStore::Open(options));
  options.path = dir.File("no/parent");
  options.create_if_missing = true;
  EXPECT_THAT(RocksStore::Open(options),
              StatusIs(StatusCode::kUnavailable, HasSubstr("no/parent")));
}

TEST(RocksStoreOpenTest, AStoreThatWasNeverFinishedIsMadeAgain) {
  TempDir dir;
  std::filesystem::create_directories(dir.File("d/store.new/db"));
  std::ofstream(dir.File("d/store.new/db/CURRENT")) << "half";
  EXPECT_OK(OpenForTest(dir.File("d")));
  EXPECT_FALSE(std::filesystem::exists(dir.File("d/store.new")));
}

TEST(RocksStoreOpenTest, ANewerFormatIsRefusedWithBothVersions) {
  TempDir dir;
  ASSERT_OK(OpenForTest(dir.File("d")));
  std::ofstream(dir.File("d/store/FORMAT")) << FormatFileText(kStorageFormat + 1);
  EXPECT_THAT(
      OpenForTest(dir.File("d")),
      StatusIs(StatusCode::kFailedPrecondition, AllOf(HasSubstr("format 2"), HasSubstr("format 1"),
                                                      HasSubstr(dir.File("d/store/FORMAT")))));
}

TEST(RocksStoreOpenTest, ReserveOfFreeSpaceMakesItReadOnlyUntilSpaceReturns) {
  TempDir dir;
  uint64_t free = 2000;
  RocksStoreSeams seams;
  seams.free_disk_bytes = [&free](const std::string&) -> absl::StatusOr<uint64_t> { return free; };
  RocksStoreOptions options = TestOptions(dir.File("d"));
  options.reserve_bytes = 1000;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, OpenRocksStore(options, seams));
  ASSERT_OK(AppendTestRecords(store.get(), 1, 10, true));
  ASSERT_OK(store->WriteImages({{"a", "1"}}, {}, true));
  EXPECT_FALSE(store->Info().read_only);

  free = 999;
  EXPECT_TRUE(store->Info().read_only);
  const auto refused = AppendTestRecords(store.get(), 11, 1, true);
  EXPECT_THAT(refused,
              StatusIs(StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("999"), HasSubstr("1000"), HasSubstr(options.path))));
  EXPECT_THAT(refused, ReasonIs("DISK_RESERVE"));
  EXPECT_THAT(store->WriteImages({{"a", "2"}}, {}, true), StatusIs(StatusCode::kResourceExhausted));
  // Reading goes on, and what gives space back is allowed.
  EXPECT_OK(CheckTestRecords(store.get()));
  EXPECT_THAT(ReadAllImages(store.get(), ""), IsOkAndHolds(ElementsAre(Pair("a", "1"))));
  EXPECT_OK(store->Trim(5));

  free = 1000;
  EXPECT_FALSE(store->Info().read_only);
  EXPECT_THAT(AppendTestRecords(store.get(), 11, 1, true), IsOkAndHolds(11u));
  EXPECT_OK(CheckTestRecords(store.get()));
}

}  // namespace
}  // namespace subset
