#include "subset/label_sets.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace subset {
namespace {

constexpr size_t kMaxLabels = 65536;

void Append(const uint32_t* words, size_t count, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(words), count * sizeof(uint32_t));
}

}  // namespace

absl::Status AppendLabelSet(std::vector<uint32_t> labels, std::string* bytes) {
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  if (labels.size() > kMaxLabels) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", labels.size(), " labels, more than ", kMaxLabels));
  }
  const auto count = static_cast<uint32_t>(labels.size());
  Append(&count, 1, bytes);
  Append(labels.data(), labels.size(), bytes);
  return absl::OkStatus();
}

absl::StatusOr<std::string> EncodeLabelSets(absl::Span<const uint64_t> offsets,
                                            absl::Span<const uint32_t> labels) {
  if (offsets.empty() || offsets.front() != 0 || offsets.back() != labels.size()) {
    return InvalidField("offsets",
                        absl::StrCat("do not go from 0 to the number of labels, ", labels.size()));
  }
  std::string bytes;
  bytes.reserve((offsets.size() - 1 + labels.size()) * sizeof(uint32_t));
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    if (offsets[i + 1] < offsets[i] || offsets[i + 1] > labels.size()) {
      return InvalidField(
          absl::StrCat("offsets[", i + 1, "]"),
          absl::StrCat(offsets[i + 1], " is outside [", offsets[i], ", ", labels.size(), "]"));
    }
    const absl::Status appended =
        AppendLabelSet({labels.begin() + offsets[i], labels.begin() + offsets[i + 1]}, &bytes);
    if (!appended.ok()) {
      return InvalidField("labels", absl::StrCat("sample ", i, " ", appended.message()));
    }
  }
  return bytes;
}

}  // namespace subset
