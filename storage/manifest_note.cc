#include "storage/manifest_note.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "storage/data_directory.h"
#include "storage/record_frame.h"

namespace subset {
namespace {

constexpr size_t kManifestLimit = 256 << 20;  // far above what max_manifest_file_size leads to

struct Manifest {
  std::string path;
  uint64_t number;
};

absl::StatusOr<Manifest> CurrentManifest(const std::string& database_path) {
  const std::string current = database_path + "/CURRENT";
  SUBSET_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(current, 64));
  absl::string_view name = text;
  uint64_t number = 0;
  if (!absl::ConsumeSuffix(&name, "\n") || !absl::StartsWith(name, "MANIFEST-") ||
      !absl::SimpleAtoi(name.substr(9), &number)) {
    return absl::DataLossError(absl::StrCat(current, " does not name a MANIFEST file"));
  }
  return Manifest{absl::StrCat(database_path, "/", name), number};
}

}  // namespace

absl::Status NoteManifest(const std::string& database_path, Watermark* watermark) {
  SUBSET_ASSIGN_OR_RETURN(const Manifest manifest, CurrentManifest(database_path));
  SUBSET_ASSIGN_OR_RETURN(const std::string bytes, ReadSmallFile(manifest.path, kManifestLimit));
  // What we read may not be on disk yet, and a note must not run ahead of it.
  const int fd = open(manifest.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileError("open", manifest.path, errno);
  const int result = fdatasync(fd);
  const int error_number = errno;
  close(fd);
  if (result != 0) return FileError("fdatasync", manifest.path, error_number);
  return watermark->NoteManifest(manifest.number, bytes.size(), Checksum64(bytes));
}

absl::Status CheckManifest(const std::string& database_path, const DurableState& noted) {
  absl::StatusOr<Manifest> manifest = CurrentManifest(database_path);
  if (!manifest.ok()) return manifest.status();
  if (manifest->number > noted.manifest_number) return absl::OkStatus();
  if (manifest->number < noted.manifest_number) {
    return absl::DataLossError(absl::StrCat("CURRENT names MANIFEST ", manifest->number, ", but ",
                                            noted.manifest_number, " was in use"));
  }
  SUBSET_ASSIGN_OR_RETURN(const std::string bytes, ReadSmallFile(manifest->path, kManifestLimit));
  if (bytes.size() < noted.manifest_bytes) {
    return absl::DataLossError(absl::StrCat(manifest->path, " has ", bytes.size(),
                                            " bytes, but had ", noted.manifest_bytes));
  }
  if (Checksum64(absl::string_view(bytes).substr(0, noted.manifest_bytes)) !=
      noted.manifest_checksum) {
    return absl::DataLossError(absl::StrCat(manifest->path, " was changed: its checksum is wrong"));
  }
  return absl::OkStatus();
}

}  // namespace subset
