// RocksDB reads its MANIFEST, the list of its files, as far as it makes sense and takes a damaged
// end for the end: files named after that are then deleted as strays. So we note how far it went.

#ifndef SUBSET_STORAGE_MANIFEST_NOTE_H_
#define SUBSET_STORAGE_MANIFEST_NOTE_H_

#include <string>

#include "absl/status/status.h"
#include "storage/watermark.h"

namespace subset {

// Notes the MANIFEST that the database at `database_path` uses now, as far as it is written, after
// making that durable. Thread-safe. Fails with kUnavailable, also when RocksDB replaces the file
// meanwhile; the older note then stands. Cost: the reading of at most about 1 MiB.
absl::Status NoteManifest(const std::string& database_path, Watermark* watermark);

// Fails with kDataLoss unless the MANIFEST is the noted one and starts with the noted bytes, or is
// a later one; kUnavailable on an I/O error.
absl::Status CheckManifest(const std::string& database_path, const DurableState& noted);

}  // namespace subset

#endif  // SUBSET_STORAGE_MANIFEST_NOTE_H_
