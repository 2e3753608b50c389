// What the tests of the store share.

#ifndef SUBSET_TESTS_STORAGE_STORAGE_TESTING_H_
#define SUBSET_TESTS_STORAGE_STORAGE_TESTING_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "storage/rocks_store_internal.h"
#include "storage/store.h"

namespace subset {

// The record that the tests append at `sequence`: its number, and 0 to 2 KiB that depend on it.
inline std::string TestRecord(uint64_t sequence) {
  std::string record = absl::StrCat("record ", sequence, " ");
  uint64_t x = sequence * 0x9e3779b97f4a7c15 + 1;
  const size_t size = (x >> 20) % 2048;
  while (record.size() < size) {
    x = x * 6364136223846793005 + 1442695040888963407;
    record.push_back(static_cast<char>(x >> 56));
  }
  return record;
}

// Appends records first .. first+count-1 of the kind above as one group.
inline absl::StatusOr<uint64_t> AppendTestRecords(Store* store, uint64_t first, uint64_t count,
                                                  bool sync) {
  std::vector<std::string> records;
  for (uint64_t i = 0; i < count; ++i) records.push_back(TestRecord(first + i));
  std::vector<absl::string_view> views(records.begin(), records.end());
  return store->Append(views, sync);
}

inline RocksStoreOptions TestOptions(const std::string& path) {
  RocksStoreOptions options;
  options.path = path;
  options.reserve_bytes = 0;
  return options;
}

// Buffers so small that a few hundred records make many files.
inline RocksStoreSeams SmallFiles() {
  RocksStoreSeams seams;
  seams.sizes.log_buffer_bytes = 128 << 10;
  seams.sizes.image_buffer_bytes = 128 << 10;
  seams.sizes.wal_bytes = 512 << 10;
  return seams;
}

inline absl::StatusOr<std::unique_ptr<Store>> OpenForTest(
    const std::string& path, const RocksStoreSeams& seams = RocksStoreSeams()) {
  return OpenRocksStore(TestOptions(path), seams);
}

using Records = std::vector<std::pair<uint64_t, std::string>>;
inline absl::StatusOr<Records> ReplayAll(Store* store, uint64_t from) {
  Records records;
  absl::Status status = store->Replay(from, [&](uint64_t sequence, absl::string_view record) {
    records.emplace_back(sequence, std::string(record));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return records;
}

// OK if the log holds exactly the test records from its first to its last; kInternal names the
// first that is different. Errors of the store pass through.
inline absl::Status CheckTestRecords(Store* store) {
  const StoreInfo info = store->Info();
  uint64_t expected = info.first_sequence;
  absl::Status status =
      store->Replay(info.first_sequence, [&](uint64_t sequence, absl::string_view record) {
        if (sequence != expected || record != TestRecord(sequence)) {
          return absl::InternalError(absl::StrCat("record ", sequence, " is wrong"));
        }
        ++expected;
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  if (expected != info.next_sequence) {
    return absl::InternalError(absl::StrCat("the log ends at ", expected));
  }
  return absl::OkStatus();
}

using NamedBytes = std::vector<std::pair<std::string, std::string>>;
inline absl::StatusOr<NamedBytes> ReadAllImages(Store* store, absl::string_view prefix) {
  NamedBytes images;
  absl::Status status =
      store->ReadImages(prefix, [&](absl::string_view name, absl::string_view bytes) {
        images.emplace_back(std::string(name), std::string(bytes));
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return images;
}

}  // namespace subset

#endif  // SUBSET_TESTS_STORAGE_STORAGE_TESTING_H_
