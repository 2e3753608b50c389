#include <array>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rocksdb/write_batch.h"
#include "storage/opened_store.h"
#include "storage/record_frame.h"
#include "storage/rocks_status.h"

namespace subset {
namespace {

constexpr uint64_t kMaxImageWriteBytes = 32 << 20;

}  // namespace

std::string ImageKey(absl::string_view name) {
  return absl::StrCat(std::string(1, kImageKey), name);
}

std::string PrefixEnd(std::string prefix) {
  while (static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

absl::Status OpenedStore::WriteImages(absl::Span<const Image> images,
                                      absl::Span<const std::string> delete_prefixes, bool sync) {
  uint64_t bytes = 0;
  for (const Image& image : images) bytes += image.name.size() + image.bytes.size();
  if (bytes > kMaxImageWriteBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "images of ", bytes, " bytes in one call are more than ", kMaxImageWriteBytes));
  }
  SUBSET_RETURN_IF_ERROR(ReadyToWrite());
  ReaderLock db_lock(&db_mu_);
  if (db_ == nullptr) return NotOpen();
  rocksdb::WriteBatch batch(bytes + 256 * (images.size() + delete_prefixes.size() + 1));
  rocksdb::Status status;
  for (const std::string& prefix : delete_prefixes) {
    const std::string begin = ImageKey(prefix);
    status = batch.DeleteRange(db_->images(), begin, PrefixEnd(begin));
    if (!status.ok()) return absl::InternalError(status.ToString());
  }
  for (const Image& image : images) {
    const std::string key = ImageKey(image.name);
    const rocksdb::Slice key_part(key);
    const auto header = ImageHeader(image.name, image.bytes);
    const std::array<rocksdb::Slice, 2> value_parts = {rocksdb::Slice(header.data(), header.size()),
                                                       ToSlice(image.bytes)};
    status = batch.Put(db_->images(), rocksdb::SliceParts(&key_part, 1),
                       rocksdb::SliceParts(value_parts.data(), value_parts.size()));
    if (!status.ok()) return absl::InternalError(status.ToString());
  }
  MutexLock images_lock(&images_mu_);
  const Tail tail = CurrentTail();
  const uint64_t generation = image_generation_ + 1;
  const std::string generation_prefix(1, kGenerationKey);
  batch.Put(db_->images(), generation_prefix + SequenceKey(generation),
            LittleEndian64(tail.next_sequence));
  if (generation > kGenerationsKept) {
    batch.Delete(db_->images(), generation_prefix + SequenceKey(generation - kGenerationsKept));
  }
  rocksdb::WriteOptions options;
  options.sync = sync;
  status = db_->db()->Write(options, &batch);
  if (!status.ok()) return Failed(status);
  image_generation_ = generation;
  source_.events->sizes_changed = true;
  if (sync) {
    NoteDurable(tail);
    LogNote(watermark_->NoteImages(generation));
  }
  return absl::OkStatus();
}

absl::Status OpenedStore::ReadImages(
    absl::string_view prefix,
    absl::FunctionRef<absl::Status(absl::string_view name, absl::string_view bytes)> visit) {
  ReaderLock db_lock(&db_mu_);
  if (db_ == nullptr) return NotOpen();
  const std::string begin = ImageKey(prefix);
  const std::string end = PrefixEnd(begin);
  const rocksdb::Slice end_slice(end);
  rocksdb::ReadOptions options = RocksScanOptions();
  options.iterate_upper_bound = &end_slice;
  std::unique_ptr<rocksdb::Iterator> it(db_->db()->NewIterator(options, db_->images()));
  for (it->Seek(begin); it->Valid(); it->Next()) {
    const absl::string_view name = ToView(it->key()).substr(1);
    absl::StatusOr<absl::string_view> bytes = ParseImage(name, ToView(it->value()));
    if (!bytes.ok()) {
      return Damaged(path_, absl::StrCat("image ", name, ": ", bytes.status().message()));
    }
    SUBSET_RETURN_IF_ERROR(visit(name, *bytes));
  }
  return FromRocks(it->status(), path_);
}

}  // namespace subset
