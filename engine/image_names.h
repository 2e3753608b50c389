// Names of images, as proto/subset/log/v1/image.proto lists them.

#ifndef SUBSET_ENGINE_IMAGE_NAMES_H_
#define SUBSET_ENGINE_IMAGE_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/types.h"

namespace subset {

inline constexpr char kCatalogImage[] = "catalog";

// Images are written and read in pieces of at most this many bytes of values.
inline constexpr uint64_t kMaxPieceBytes = 8ull << 20;

// Returns `value` as 16 lower-case hex digits.
std::string HexName(uint64_t value);

// Prefixes, each ending in "/".
std::string CatalogPrefix(uint64_t sequence);
std::string ImportPrefix(Uid import_uid);
std::string ImportColumnPrefix(Uid import_uid, absl::string_view column);
std::string RunPrefix(Uid run_uid);
std::string PlanPrefix(Uid plan_uid);
std::string LivePrefix(Uid run_uid);

std::string LiveBatchName(Uid run_uid, uint64_t epoch, uint64_t step);

// An image name taken apart at "/", where it has the form KIND/<16 hex>[/PART...].
struct ImageName {
  absl::string_view kind;
  uint64_t owner = 0;
  std::vector<absl::string_view> parts;  // after the owner; views into the name given
};
std::optional<ImageName> ParseImageName(absl::string_view name);

// Returns the value of 16 lower-case hex digits, or nullopt.
std::optional<uint64_t> ParseHexName(absl::string_view hex);

}  // namespace subset

#endif  // SUBSET_ENGINE_IMAGE_NAMES_H_
