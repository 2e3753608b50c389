#include "storage/record_frame.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "absl/strings/str_cat.h"

namespace subset {

uint64_t Checksum64(absl::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

uint64_t ChainChecksum(uint64_t previous, absl::string_view body) {
  return Checksum64(body, previous);
}

std::array<char, kRecordHeaderBytes> RecordHeader(uint64_t previous, uint64_t checksum) {
  std::array<char, kRecordHeaderBytes> header;
  header[0] = static_cast<char>(kRecordFrameVersion);
  StoreLittleEndian64(previous, &header[1]);
  StoreLittleEndian64(checksum, &header[9]);
  return header;
}

absl::StatusOr<RecordFrame> ParseRecord(absl::string_view value) {
  if (value.size() < kRecordHeaderBytes) {
    return absl::DataLossError(
        absl::StrCat("its value has ", value.size(), " bytes, fewer than ", kRecordHeaderBytes));
  }
  const uint8_t version = static_cast<uint8_t>(value[0]);
  if (version != kRecordFrameVersion) {
    return absl::DataLossError(absl::StrCat("its frame has the unknown version ", version));
  }
  const RecordFrame frame{LoadLittleEndian64(value.data() + 1),
                          LoadLittleEndian64(value.data() + 9), value.substr(kRecordHeaderBytes)};
  if (ChainChecksum(frame.previous, frame.body) != frame.checksum) {
    return absl::DataLossError("its checksum is wrong");
  }
  return frame;
}

std::array<char, kImageHeaderBytes> ImageHeader(absl::string_view name, absl::string_view bytes) {
  std::array<char, kImageHeaderBytes> header;
  header[0] = static_cast<char>(kImageFrameVersion);
  StoreLittleEndian64(Checksum64(bytes, Checksum64(name)), &header[1]);
  return header;
}

absl::StatusOr<absl::string_view> ParseImage(absl::string_view name, absl::string_view value) {
  if (value.size() < kImageHeaderBytes) {
    return absl::DataLossError(
        absl::StrCat("its value has ", value.size(), " bytes, fewer than ", kImageHeaderBytes));
  }
  const uint8_t version = static_cast<uint8_t>(value[0]);
  if (version != kImageFrameVersion) {
    return absl::DataLossError(absl::StrCat("its frame has the unknown version ", version));
  }
  const absl::string_view bytes = value.substr(kImageHeaderBytes);
  if (Checksum64(bytes, Checksum64(name)) != LoadLittleEndian64(value.data() + 1)) {
    return absl::DataLossError("its checksum is wrong");
  }
  return bytes;
}

std::string SequenceKey(uint64_t sequence) {
  std::string key(8, '\0');
  for (int i = 0; i < 8; ++i) key[i] = static_cast<char>(sequence >> (8 * (7 - i)));
  return key;
}

std::optional<uint64_t> ParseSequenceKey(absl::string_view key) {
  if (key.size() != 8) return std::nullopt;
  uint64_t sequence = 0;
  for (char c : key) sequence = sequence << 8 | static_cast<uint8_t>(c);
  return sequence;
}

void StoreLittleEndian64(uint64_t value, char* to) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<char>(value >> (8 * i));
}

std::string LittleEndian64(uint64_t value) {
  std::string bytes(8, '\0');
  StoreLittleEndian64(value, bytes.data());
  return bytes;
}

uint64_t LoadLittleEndian64(const char* from) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value |= uint64_t{static_cast<uint8_t>(from[i])} << (8 * i);
  return value;
}

}  // namespace subset
