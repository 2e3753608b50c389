// How a record and an image lie in the database: a header with a checksum, then the bytes.
// All integers are little-endian, except keys of records, which are big-endian so that they sort.

#ifndef SUBSET_STORAGE_RECORD_FRAME_H_
#define SUBSET_STORAGE_RECORD_FRAME_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace subset {

inline constexpr uint8_t kRecordFrameVersion = 1;
inline constexpr uint8_t kImageFrameVersion = 1;
inline constexpr size_t kRecordHeaderBytes = 17;
inline constexpr size_t kImageHeaderBytes = 9;

// The checksum that chains a record to the one before: XXH3-64 of `body`, seeded with the checksum
// of the previous record (0 for the first ever).
uint64_t ChainChecksum(uint64_t previous, absl::string_view body);

// byte 0: version, 1..8: checksum of the previous record, 9..16: of this one.
std::array<char, kRecordHeaderBytes> RecordHeader(uint64_t previous, uint64_t checksum);

struct RecordFrame {
  uint64_t previous;  // checksum of the record before
  uint64_t checksum;
  absl::string_view body;
};

// Takes the stored value of a record apart; views into `value`. Fails with kDataLoss if it is too
// short, of an unknown version, or its checksum is wrong.
absl::StatusOr<RecordFrame> ParseRecord(absl::string_view value);

// byte 0: version, 1..8: XXH3-64 of the bytes, seeded with XXH3-64 of the name.
std::array<char, kImageHeaderBytes> ImageHeader(absl::string_view name, absl::string_view bytes);

// Returns the bytes of the image. Fails as ParseRecord.
absl::StatusOr<absl::string_view> ParseImage(absl::string_view name, absl::string_view value);

// Eight bytes, big-endian: the key of the record.
std::string SequenceKey(uint64_t sequence);
// nullopt unless `key` has eight bytes.
std::optional<uint64_t> ParseSequenceKey(absl::string_view key);

void StoreLittleEndian64(uint64_t value, char* to);
std::string LittleEndian64(uint64_t value);
uint64_t LoadLittleEndian64(const char* from);

uint64_t Checksum64(absl::string_view bytes, uint64_t seed = 0);  // XXH3-64

}  // namespace subset

#endif  // SUBSET_STORAGE_RECORD_FRAME_H_
