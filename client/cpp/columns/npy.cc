#include "client/cpp/columns/npy.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/types.h"

namespace subset::columns {
namespace {

constexpr size_t kMaxHeaderBytes = 65536;
constexpr size_t kPieceBytes = size_t{1} << 20;  // a multiple of every item's size

absl::Status Bad(const InputFile& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file.path(), ": ", what));
}

// The header is a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3,), }
class HeaderParser {
 public:
  explicit HeaderParser(absl::string_view text) : text_(text) {}

  absl::Status Parse(NpyHeader* header) {
    bool seen_descr = false, seen_order = false, seen_shape = false;
    if (!Take("{")) return Error("does not begin with {");
    while (!Take("}")) {
      std::string key;
      if (!TakeString(&key) || !Take(":")) return Error("has no key and colon");
      bool* seen = key == "descr"           ? &seen_descr
                   : key == "fortran_order" ? &seen_order
                   : key == "shape"         ? &seen_shape
                                            : nullptr;
      if (seen == nullptr || *seen) return Error(absl::StrCat("has an unexpected key '", key, "'"));
      *seen = true;
      if (key == "descr") {
        SUBSET_RETURN_IF_ERROR(ParseDescr(header));
      } else if (key == "fortran_order") {
        header->fortran_order = Take("True");
        if (!header->fortran_order && !Take("False")) return Error("fortran_order is no bool");
      } else {
        SUBSET_RETURN_IF_ERROR(ParseShape(header));
      }
      if (!Take(",") && !Peek("}")) return Error("lacks a comma");
    }
    Skip();
    if (!text_.empty()) return Error("goes on after the }");
    if (!seen_descr || !seen_order || !seen_shape) {
      return Error("lacks one of descr, fortran_order, shape");
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Error(absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header ", what, " at \"", absl::CHexEscape(text_.substr(0, 30)), "\""));
  }
  void Skip() { text_ = absl::StripLeadingAsciiWhitespace(text_); }
  bool Peek(absl::string_view word) {
    Skip();
    return absl::StartsWith(text_, word);
  }
  bool Take(absl::string_view word) {
    Skip();
    return absl::ConsumePrefix(&text_, word);
  }
  bool TakeString(std::string* value) {
    Skip();
    if (text_.empty() || (text_[0] != '\'' && text_[0] != '"')) return false;
    const size_t end = text_.find(text_[0], 1);
    if (end == absl::string_view::npos) return false;
    *value = std::string(text_.substr(1, end - 1));
    text_.remove_prefix(end + 1);
    return true;
  }
  absl::Status ParseDescr(NpyHeader* header) {
    if (Peek("[")) return Error("describes a structure; save its fields as arrays of their own");
    if (!TakeString(&header->descr)) return Error("has no string for descr");
    return absl::OkStatus();
  }
  absl::Status ParseShape(NpyHeader* header) {
    if (!Take("(")) return Error("has no tuple for shape");
    while (!Take(")")) {
      const size_t digits = std::min(text_.find_first_not_of("0123456789"), text_.size());
      uint64_t size;
      if (!absl::SimpleAtoi(text_.substr(0, digits), &size)) return Error("has a bad shape");
      text_.remove_prefix(digits);
      header->shape.push_back(size);
      if (!Take(",") && !Peek(")")) return Error("has a bad shape");
      Skip();
    }
    return absl::OkStatus();
  }

  absl::string_view text_;
};

// How the array's items are read.
struct Item {
  const char* descr;  // without the byte order
  size_t size;
  v1::ColumnType natural;
  absl::Status (*append)(const char* data, ColumnValues* values);
};

template <class T>
absl::Status AppendInteger(const char* data, ColumnValues* values) {
  T value;
  std::memcpy(&value, data, sizeof(value));
  if (static_cast<uint64_t>(value) > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) &&
      std::is_unsigned<T>::value) {
    return absl::InvalidArgumentError(absl::StrCat(value, " is outside i64"));
  }
  return values->AppendInteger(static_cast<int64_t>(value));
}

template <class T>
absl::Status AppendFloat(const char* data, ColumnValues* values) {
  T value;
  std::memcpy(&value, data, sizeof(value));
  return values->AppendFloat(value);
}

constexpr Item kItems[] = {
    {"b1", 1, v1::COLUMN_TYPE_UINT8, AppendInteger<uint8_t>},
    {"u1", 1, v1::COLUMN_TYPE_UINT8, AppendInteger<uint8_t>},
    {"u2", 2, v1::COLUMN_TYPE_UINT16, AppendInteger<uint16_t>},
    {"u4", 4, v1::COLUMN_TYPE_UINT32, AppendInteger<uint32_t>},
    {"u8", 8, v1::COLUMN_TYPE_INT64, AppendInteger<uint64_t>},
    {"i1", 1, v1::COLUMN_TYPE_INT64, AppendInteger<int8_t>},
    {"i2", 2, v1::COLUMN_TYPE_INT64, AppendInteger<int16_t>},
    {"i4", 4, v1::COLUMN_TYPE_INT64, AppendInteger<int32_t>},
    {"i8", 8, v1::COLUMN_TYPE_INT64, AppendInteger<int64_t>},
    {"f4", 4, v1::COLUMN_TYPE_FLOAT32, AppendFloat<float>},
    {"f8", 8, v1::COLUMN_TYPE_FLOAT64, AppendFloat<double>},
};

absl::StatusOr<const Item*> FindItem(const InputFile& file, const std::string& descr) {
  const std::string shown = absl::StrCat("dtype '", absl::CHexEscape(descr.substr(0, 30)), "'");
  if (descr.size() >= 2 && descr[1] == 'O') {
    return Bad(file, absl::StrCat(shown,
                                  " holds Python objects (a pickle), which are never read; "
                                  "save numbers"));
  }
  const bool big_endian = !descr.empty() && descr[0] == '>';
  for (const Item& item : kItems) {
    if (descr.empty() || descr.substr(1) != item.descr) continue;
    if (descr[0] == '<' || (descr[0] == '|' && item.size == 1)) return &item;
    if (big_endian) {
      return Bad(file, absl::StrCat(shown, " is big-endian; save it as '<", item.descr, "'"));
    }
  }
  return Bad(file, absl::StrCat(shown, " is none of b1, u1, u2, u4, u8, i1, i2, i4, i8, f4, f8"));
}

// Reads the magic, the version and the dictionary.
absl::StatusOr<NpyHeader> ReadHeader(InputFile& file) {
  char start[12];
  SUBSET_ASSIGN_OR_RETURN(const size_t got, file.Read(start, 10));
  if (got < 10 || absl::string_view(start, kNpyMagic.size()) != kNpyMagic) {
    return Bad(file, "is no .npy file: it does not begin with \\x93NUMPY and a version");
  }
  const auto byte = [&](int i) {
    return static_cast<size_t>(static_cast<unsigned char>(start[i]));
  };
  const size_t version = byte(6);
  if (version < 1 || version > 3 || byte(7) != 0) {
    return Bad(file,
               absl::StrCat(".npy version ", version, ".", byte(7), " is none of 1.0, 2.0, 3.0"));
  }
  size_t length = byte(8) | byte(9) << 8;
  if (version > 1) {
    SUBSET_ASSIGN_OR_RETURN(const size_t more, file.Read(start + 10, 2));
    if (more < 2) return Bad(file, "is truncated inside its header");
    length |= byte(10) << 16 | byte(11) << 24;
  }
  if (length > kMaxHeaderBytes) {
    return Bad(file,
               absl::StrCat("a header of ", length, " bytes is longer than ", kMaxHeaderBytes));
  }
  std::string text(length, '\0');
  SUBSET_ASSIGN_OR_RETURN(const size_t header_bytes, file.Read(&text[0], length));
  if (header_bytes < length) {
    return Bad(file, absl::StrCat("is truncated inside its header: ", header_bytes, " of ", length,
                                  " bytes"));
  }
  auto header = ParseNpyHeader(text);
  if (!header.ok()) return Bad(file, header.status().message());
  return header;
}

bool IsMatrix(const NpyHeader& header) {
  return header.shape.size() == 2 && absl::EndsWith(header.descr, "b1");
}

// A set of labels for each row: the columns that are true.
absl::StatusOr<ColumnValues> ReadMatrix(InputFile& file, const NpyHeader& header) {
  if (!IsMatrix(header)) {
    return Bad(file, absl::StrCat("shape (", absl::StrJoin(header.shape, ", "), ") of '",
                                  absl::CHexEscape(header.descr.substr(0, 30)),
                                  "' is no boolean matrix (N, labels), as a set needs"));
  }
  const uint64_t count = header.shape[0];
  const uint64_t width = header.shape[1];
  if (count > kMaxSamples || width == 0 || width > kPieceBytes) {
    return Bad(file, absl::StrCat("shape (", count, ", ", width, ") is not of at most ",
                                  kMaxSamples, " samples and 1 to ", kPieceBytes, " labels"));
  }
  ColumnValues values(v1::COLUMN_TYPE_LABEL_SET, false);
  std::string row(width, '\0');
  for (uint64_t i = 0; i < count; ++i) {
    SUBSET_ASSIGN_OR_RETURN(const size_t got, file.Read(&row[0], width));
    if (got < width) {
      return Bad(file, absl::StrCat("is truncated: the header promises ", count, " rows of ", width,
                                    " bytes, ", i * width + got, " bytes of them are there"));
    }
    std::vector<uint32_t> labels;
    for (uint32_t label = 0; label < width; ++label) {
      if (row[label] != 0) labels.push_back(label);
    }
    const absl::Status status = values.AppendLabels(std::move(labels));
    if (!status.ok()) return Bad(file, absl::StrCat("sample ", i, " ", status.message()));
  }
  SUBSET_ASSIGN_OR_RETURN(const size_t more, file.Read(&row[0], 1));
  if (more > 0) {
    return Bad(file, absl::StrCat("goes on after the ", count, " rows its header promises"));
  }
  return values;
}

}  // namespace

absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view text) {
  NpyHeader header;
  SUBSET_RETURN_IF_ERROR(HeaderParser(text).Parse(&header));
  return header;
}

absl::StatusOr<ColumnValues> ReadNpy(InputFile& file, std::optional<v1::ColumnType> type,
                                     bool allow_missing) {
  SUBSET_ASSIGN_OR_RETURN(const NpyHeader header, ReadHeader(file));
  SUBSET_ASSIGN_OR_RETURN(const Item* item, FindItem(file, header.descr));
  if (header.fortran_order) return Bad(file, "is in Fortran order; save it with order='C'");
  if (type == v1::COLUMN_TYPE_LABEL_SET || (!type && IsMatrix(header))) {
    return ReadMatrix(file, header);
  }
  if (header.shape.size() != 1) {
    return Bad(file, absl::StrCat("shape (", absl::StrJoin(header.shape, ", "),
                                  ") is not (N,): one value per sample is needed"));
  }
  const uint64_t count = header.shape[0];
  if (count > kMaxSamples) {
    return Bad(file, absl::StrCat("shape (", count, ",) is above ", kMaxSamples, " samples"));
  }
  ColumnValues values(type.value_or(item->natural), allow_missing);
  std::string piece(kPieceBytes, '\0');
  // Memory follows what the file holds, not what its header claims.
  for (uint64_t left = count * item->size; left > 0;) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(left, kPieceBytes));
    SUBSET_ASSIGN_OR_RETURN(const size_t got, file.Read(&piece[0], wanted));
    for (size_t at = 0; at + item->size <= got; at += item->size) {
      const absl::Status status = item->append(piece.data() + at, &values);
      if (!status.ok()) {
        return Bad(file, absl::StrCat("sample ", values.size(), ": ", status.message()));
      }
    }
    if (got < wanted) {
      return Bad(file, absl::StrCat("is truncated: the header promises ", count, " values of ",
                                    item->size, " bytes, ", count * item->size - left + got,
                                    " bytes of them are there"));
    }
    left -= got;
  }
  SUBSET_ASSIGN_OR_RETURN(const size_t more, file.Read(&piece[0], 1));
  if (more > 0) {
    return Bad(file, absl::StrCat("goes on after the ", count, " values its header promises"));
  }
  return values;
}

}  // namespace subset::columns
