#include "client/cpp/columns/column_values.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "subset/label_sets.h"

namespace subset::columns {
namespace {

struct TypeEntry {
  v1::ColumnType type;
  const char* name;
  int64_t min;  // integers only
  int64_t max;
};

constexpr TypeEntry kTypes[] = {
    {v1::COLUMN_TYPE_UINT8, "u8", 0, std::numeric_limits<uint8_t>::max()},
    {v1::COLUMN_TYPE_UINT16, "u16", 0, std::numeric_limits<uint16_t>::max()},
    {v1::COLUMN_TYPE_UINT32, "u32", 0, std::numeric_limits<uint32_t>::max()},
    {v1::COLUMN_TYPE_INT64, "i64", std::numeric_limits<int64_t>::min(),
     std::numeric_limits<int64_t>::max()},
    {v1::COLUMN_TYPE_FLOAT32, "f32", 0, 0},
    {v1::COLUMN_TYPE_FLOAT64, "f64", 0, 0},
    {v1::COLUMN_TYPE_LABEL_SET, "set", 0, std::numeric_limits<uint32_t>::max()},
};

const TypeEntry* Find(v1::ColumnType type) {
  for (const TypeEntry& entry : kTypes) {
    if (entry.type == type) return &entry;
  }
  return nullptr;
}

}  // namespace

std::optional<v1::ColumnType> ParseType(absl::string_view text) {
  for (const TypeEntry& entry : kTypes) {
    if (text == entry.name) return entry.type;
  }
  return std::nullopt;
}

const char* TypeName(v1::ColumnType type) {
  const TypeEntry* entry = Find(type);
  return entry == nullptr ? "?" : entry->name;
}

absl::Status ColumnValues::AppendInteger(int64_t value) {
  const TypeEntry* entry = Find(type_);
  if (!IsFloat(type_) && (value < entry->min || value > entry->max)) {
    return absl::InvalidArgumentError(absl::StrCat(value, " is outside ", entry->name, "'s [",
                                                   entry->min, ", ", entry->max, "]"));
  }
  switch (type_) {
    case v1::COLUMN_TYPE_UINT8:
      Push(static_cast<uint8_t>(value));
      break;
    case v1::COLUMN_TYPE_UINT16:
      Push(static_cast<uint16_t>(value));
      break;
    case v1::COLUMN_TYPE_UINT32:
      Push(static_cast<uint32_t>(value));
      break;
    case v1::COLUMN_TYPE_INT64:
      Push(value);
      break;
    case v1::COLUMN_TYPE_FLOAT32:
      Push(static_cast<float>(value));
      break;
    case v1::COLUMN_TYPE_LABEL_SET:
      return AppendLabels({static_cast<uint32_t>(value)});
    default:
      Push(static_cast<double>(value));
      break;
  }
  return absl::OkStatus();
}

absl::Status ColumnValues::AppendFloat(double value) {
  if (std::isnan(value)) {
    if (!IsFloat(type_)) {
      return absl::InvalidArgumentError(
          absl::StrCat("a missing value (nan) cannot stand in a column of type ", TypeName(type_)));
    }
    if (!allow_missing_) {
      return absl::InvalidArgumentError(
          "a missing value (nan); with --allow-missing it is imported as missing");
    }
    ++missing_;
  }
  if (std::isinf(value)) return absl::InvalidArgumentError("an infinite value");
  if (!IsFloat(type_)) {
    // 2^63 is the first value past i64 and exact as a double.
    if (value != std::trunc(value) || std::fabs(value) >= 9223372036854775808.0) {
      return absl::InvalidArgumentError(
          absl::StrCat(value, " is no integer for a column of type ", TypeName(type_)));
    }
    return AppendInteger(static_cast<int64_t>(value));
  }
  if (type_ == v1::COLUMN_TYPE_FLOAT64) {
    Push(value);
    return absl::OkStatus();
  }
  const float narrow = static_cast<float>(value);
  if (std::isinf(narrow))
    return absl::InvalidArgumentError(absl::StrCat(value, " is too large for f32"));
  Push(narrow);
  return absl::OkStatus();
}

absl::Status ColumnValues::AppendLabels(std::vector<uint32_t> labels) {
  SUBSET_RETURN_IF_ERROR(AppendLabelSet(std::move(labels), &bytes_));
  ++size_;
  return absl::OkStatus();
}

absl::Status ColumnValues::AppendText(absl::string_view text) {
  if (type_ == v1::COLUMN_TYPE_LABEL_SET) {
    std::vector<uint32_t> labels;
    for (const absl::string_view each :
         absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty())) {
      if (absl::SimpleAtoi(each, &labels.emplace_back())) continue;
      return absl::InvalidArgumentError(absl::StrCat("\"", absl::CHexEscape(each.substr(0, 40)),
                                                     "\" is no label in [0, 4294967295]"));
    }
    return AppendLabels(std::move(labels));
  }
  text = absl::StripAsciiWhitespace(text);
  if (text.empty()) return AppendFloat(std::numeric_limits<double>::quiet_NaN());
  int64_t integer;
  if (!IsFloat(type_) && absl::SimpleAtoi(text, &integer)) return AppendInteger(integer);
  double value;
  if (absl::SimpleAtod(text, &value)) return AppendFloat(value);
  return absl::InvalidArgumentError(
      absl::StrCat("\"", absl::CHexEscape(text.substr(0, 40)), "\" is no number"));
}

}  // namespace subset::columns
