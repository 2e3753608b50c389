#include "engine/image_names.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace subset {

std::string HexName(uint64_t value) { return absl::StrCat(absl::Hex(value, absl::kZeroPad16)); }

std::string CatalogPrefix(uint64_t sequence) {
  return absl::StrCat("catalog/", HexName(sequence), "/");
}
std::string ImportPrefix(Uid import_uid) {
  return absl::StrCat("import/", HexName(import_uid), "/");
}
std::string ImportColumnPrefix(Uid import_uid, absl::string_view column) {
  return absl::StrCat(ImportPrefix(import_uid), column, "/");
}
std::string RunPrefix(Uid run_uid) { return absl::StrCat("run/", HexName(run_uid), "/"); }
std::string PlanPrefix(Uid plan_uid) { return absl::StrCat("plan/", HexName(plan_uid), "/"); }
std::string LivePrefix(Uid run_uid) { return absl::StrCat("live/", HexName(run_uid), "/"); }

std::string LiveBatchName(Uid run_uid, uint64_t epoch, uint64_t step) {
  return absl::StrCat(LivePrefix(run_uid), HexName(epoch), "/", HexName(step));
}

std::optional<uint64_t> ParseHexName(absl::string_view hex) {
  if (hex.size() != 16) return std::nullopt;
  uint64_t value = 0;
  for (const char c : hex) {
    if (c >= '0' && c <= '9') {
      value = value << 4 | static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value << 4 | static_cast<uint64_t>(c - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

std::optional<ImageName> ParseImageName(absl::string_view name) {
  std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  if (parts.size() < 2) return std::nullopt;
  const std::optional<uint64_t> owner = ParseHexName(parts[1]);
  if (!owner.has_value()) return std::nullopt;
  ImageName parsed;
  parsed.kind = parts[0];
  parsed.owner = *owner;
  parsed.parts.assign(parts.begin() + 2, parts.end());
  return parsed;
}

}  // namespace subset
