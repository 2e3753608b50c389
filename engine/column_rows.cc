#include "engine/column_rows.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/dataset.h"

namespace subset {
namespace {

constexpr uint64_t kLabel = sizeof(uint32_t);

uint32_t WordAt(absl::string_view data, uint64_t byte) {
  uint32_t word;
  std::memcpy(&word, data.data() + byte, sizeof(word));
  return word;
}

}  // namespace

ColumnRows TakeRows(v1::ColumnType type, absl::string_view data, uint64_t most) {
  ColumnRows rows;
  if (type != v1::COLUMN_TYPE_LABEL_SET) {
    const uint64_t width = ColumnWidth(type);
    rows.samples = std::min<uint64_t>(most, data.size() / width);
    rows.bytes = rows.samples * width;
    return rows;
  }
  while (rows.samples < most && data.size() - rows.bytes >= kLabel) {
    const uint64_t bytes = kLabel * (1 + uint64_t{WordAt(data, rows.bytes)});
    if (bytes > data.size() - rows.bytes) break;
    rows.bytes += bytes;
    ++rows.samples;
  }
  return rows;
}

absl::Status CheckLabelSets(absl::string_view data, const std::string& column,
                            uint64_t first_sample) {
  uint64_t sample = first_sample;
  const auto bad = [&](absl::string_view what) {
    return InvalidField("chunk.data",
                        absl::StrCat("sample ", sample, " of column \"", column, "\" ", what));
  };
  for (; !data.empty(); ++sample) {
    if (data.size() < kLabel) return bad("is cut off: label sets come whole");
    const uint64_t count = WordAt(data, 0);
    if (count > kMaxLabels) {
      return bad(absl::StrCat("has ", count, " labels, more than ", kMaxLabels));
    }
    if (data.size() < kLabel * (1 + count)) return bad("is cut off: label sets come whole");
    for (uint64_t k = 1; k < count; ++k) {
      const uint32_t label = WordAt(data, kLabel * k);
      const uint32_t next = WordAt(data, kLabel * (k + 1));
      if (label < next) continue;
      return bad(
          absl::StrCat("has label ", next, " after ", label, ": labels ascend, each of them once"));
    }
    data.remove_prefix(kLabel * (1 + count));
  }
  return absl::OkStatus();
}

}  // namespace subset
