#include "engine/recovery.h"

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/image_keeper.h"
#include "engine/image_names.h"
#include "engine/recovery_images.h"

namespace subset {
namespace {

absl::Status BadImage(absl::string_view name, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("image \"", name, "\" ", why));
}

// Returns the header of the current catalog, or nullopt where nothing was folded yet.
absl::StatusOr<std::optional<log::v1::CatalogHeader>> ReadHeader(Store* store) {
  std::optional<log::v1::CatalogHeader> header;
  SUBSET_RETURN_IF_ERROR(store->ReadImages(
      kCatalogImage, [&](absl::string_view name, absl::string_view bytes) -> absl::Status {
        if (name != kCatalogImage) return absl::OkStatus();
        header.emplace();
        if (!header->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
          return BadImage(name, "is damaged");
        }
        if (header->format() != kCatalogFormat) {
          return absl::FailedPreconditionError(
              absl::StrCat("image \"", name, "\" is of format ", header->format(),
                           "; this version reads ", kCatalogFormat));
        }
        return absl::OkStatus();
      }));
  return header;
}

absl::Status ReadCatalog(Store* store, const log::v1::CatalogHeader& header, Catalog* catalog) {
  const std::string prefix = CatalogPrefix(header.sequence());
  std::string bytes;
  SUBSET_RETURN_IF_ERROR(store->ReadImages(prefix, [&](absl::string_view, absl::string_view piece) {
    absl::StrAppend(&bytes, piece);
    return absl::OkStatus();
  }));
  log::v1::Catalog saved;
  if (bytes.size() != header.size_bytes() || !saved.ParseFromString(bytes)) {
    return BadImage(prefix,
                    absl::StrCat("is damaged: ", bytes.size(), " bytes of ", header.size_bytes()));
  }
  return catalog->Restore(header.sequence(), saved);
}

absl::Status Replay(Store* store, uint64_t from, Catalog* catalog, uint64_t* records) {
  return store->Replay(from, [&](uint64_t sequence, absl::string_view bytes) -> absl::Status {
    log::v1::Record record;
    if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return absl::DataLossError(absl::StrCat("log record ", sequence, " is damaged"));
    }
    if (record.body_case() == log::v1::Record::BODY_NOT_SET) {
      return absl::FailedPreconditionError(
          absl::StrCat("log record ", sequence,
                       " is of a kind this version does not know: a newer one wrote it"));
    }
    // The outcome was somebody's when the record was new; its garbage is found below.
    catalog->Apply(sequence, record);
    ++*records;
    return absl::OkStatus();
  });
}

}  // namespace

absl::StatusOr<Recovered> Recover(Store* store, Catalog* catalog) {
  Recovered recovered;
  RecoveredScores scores;
  SUBSET_RETURN_IF_ERROR(scores.Read(store));
  catalog->set_find_scores(
      [&scores](Uid run, uint64_t num_samples) { return scores.Take(run, num_samples); });

  SUBSET_ASSIGN_OR_RETURN(const auto header, ReadHeader(store));
  if (header.has_value()) {
    recovered.catalog_sequence = header->sequence();
    SUBSET_RETURN_IF_ERROR(ReadCatalog(store, *header, catalog));
  }
  const StoreInfo info = store->Info();
  if (recovered.catalog_sequence >= info.next_sequence && recovered.catalog_sequence > 0) {
    return absl::DataLossError(absl::StrCat("the log ends before record ", info.next_sequence,
                                            ", the catalog includes record ",
                                            recovered.catalog_sequence));
  }
  SUBSET_RETURN_IF_ERROR(
      Replay(store, recovered.catalog_sequence + 1, catalog, &recovered.records));
  SUBSET_RETURN_IF_ERROR(scores.status());
  catalog->set_find_scores(nullptr);

  std::vector<std::string> orphans = scores.Orphans();
  SUBSET_RETURN_IF_ERROR(LoadColumns(store, *catalog, &orphans));
  SUBSET_RETURN_IF_ERROR(LoadLiveBatches(store, *catalog, &recovered.live_images, &orphans));
  SUBSET_RETURN_IF_ERROR(LoadPlans(store, *catalog, &orphans));
  SUBSET_RETURN_IF_ERROR(FindStalePieces(store, recovered.catalog_sequence, &orphans));
  if (!orphans.empty()) SUBSET_RETURN_IF_ERROR(store->WriteImages({}, orphans, /*sync=*/false));
  return recovered;
}

}  // namespace subset
