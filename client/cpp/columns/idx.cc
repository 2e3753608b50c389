#include "client/cpp/columns/idx.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace subset::columns {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr unsigned char kUnsignedBytes = 0x08;

absl::Status Bad(const InputFile& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file.path(), ": ", what));
}

}  // namespace

absl::StatusOr<ColumnValues> ReadIdx(InputFile& file, std::optional<v1::ColumnType> type) {
  char header[8];
  SUBSET_ASSIGN_OR_RETURN(const size_t got, file.Read(header, sizeof(header)));
  const auto byte = [&](int i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(header[i]));
  };
  if (got < sizeof(header) || byte(0) != 0 || byte(1) != 0) {
    return Bad(file, "is no IDX file: its header is two zero bytes, a type, a rank and a size");
  }
  if (byte(2) != kUnsignedBytes) {
    return Bad(file, absl::StrCat("IDX element type ", byte(2), " is not 8 (unsigned bytes)"));
  }
  if (byte(3) != 1) {
    return Bad(file, absl::StrCat("has ", byte(3), " dimensions; one value per sample is needed"));
  }
  const uint32_t count = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);  // big-endian
  ColumnValues values(type.value_or(v1::COLUMN_TYPE_UINT8), false);
  std::string piece(kPieceBytes, '\0');
  for (uint32_t left = count; left > 0;) {
    const size_t wanted = std::min<size_t>(left, kPieceBytes);
    SUBSET_ASSIGN_OR_RETURN(const size_t bytes, file.Read(&piece[0], wanted));
    for (size_t i = 0; i < bytes; ++i) {
      // An unsigned byte fits every column type.
      SUBSET_RETURN_IF_ERROR(values.AppendInteger(static_cast<unsigned char>(piece[i])));
    }
    if (bytes < wanted) {
      return Bad(file, absl::StrCat("is truncated: the header promises ", count, " values, ",
                                    values.size(), " are there"));
    }
    left -= static_cast<uint32_t>(bytes);
  }
  SUBSET_ASSIGN_OR_RETURN(const size_t more, file.Read(&piece[0], 1));
  if (more > 0) {
    return Bad(file, absl::StrCat("goes on after the ", count, " values its header promises"));
  }
  return values;
}

}  // namespace subset::columns
