#include "storage/rocks_options.h"

#include <utility>

#include "rocksdb/table.h"

namespace subset {
namespace {

rocksdb::ColumnFamilyOptions CommonOptions() {
  rocksdb::ColumnFamilyOptions options;
  rocksdb::BlockBasedTableOptions table;
  // XXH3 checks a block at memory speed; the default CRC32C is slower where SSE 4.2 is missing.
  table.checksum = rocksdb::kXXH3;
  // Values are tens of kilobytes and read in order: a block is a few of them, an index stays tiny.
  table.block_size = 64 << 10;
  table.format_version = 5;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  // Nothing is rewritten for its age.
  options.ttl = 0;
  options.periodic_compaction_seconds = 0;
  // Pending compaction must never delay a write: one family's delay stops the other too, and
  // feedback waits for nothing but the disk's own fsync. The engine paces what it folds.
  options.soft_pending_compaction_bytes_limit = 0;
  options.hard_pending_compaction_bytes_limit = 0;
  options.level0_slowdown_writes_trigger = 1 << 20;
  options.level0_stop_writes_trigger = 1 << 20;
  return options;
}

}  // namespace

rocksdb::DBOptions RocksDatabaseOptions(const RocksSizes& sizes, rocksdb::Env* env,
                                        std::shared_ptr<rocksdb::Logger> info_log,
                                        std::shared_ptr<rocksdb::EventListener> listener) {
  rocksdb::DBOptions options;
  options.env = env;
  // The default logger ends the process on a full disk.
  options.info_log = std::move(info_log);
  options.listeners = {std::move(listener)};
  options.create_if_missing = false;  // DataDirectory decides
  options.paranoid_checks = true;
  options.verify_sst_unique_id_in_manifest = true;
  // A closed write-ahead log that is missing or short is found at open.
  options.track_and_verify_wals_in_manifest = true;
  // One flush and one compaction at a time: the machine's cores belong to draws.
  options.max_background_jobs = 2;
  // Bounds what an open has to replay; the log's buffers are flushed before this.
  options.max_total_wal_size = sizes.wal_bytes;
  // The write-ahead log holds what the buffers hold, so an open need not write them; the store
  // flushes at a close, and at a trim, when they are large.
  options.avoid_flush_during_shutdown = true;
  options.avoid_flush_during_recovery = true;
  // A flush goes to disk in small pieces, so that an fsync of the write-ahead log never waits
  // behind a whole file.
  options.bytes_per_sync = 512 << 10;
  // Small, because its checksum is noted after each change (see manifest_note.h).
  options.max_manifest_file_size = 1 << 20;
  options.manifest_preallocation_size = 64 << 10;
  // After a failed write we reopen; RocksDB's own way back would race with that.
  options.max_bgerror_resume_count = 0;
  // Files are only ever read in order: the kernel reads ahead while we check and parse.
  options.advise_random_on_open = false;
  // No statistics: they cost writes and file reads, and nobody asks for them.
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  return options;
}

rocksdb::ColumnFamilyOptions RocksLogOptions(const RocksSizes& sizes) {
  rocksdb::ColumnFamilyOptions options = CommonOptions();
  options.write_buffer_size = sizes.log_buffer_bytes;
  // Feedback keeps arriving while a buffer is flushed.
  options.max_write_buffer_number = 3;
  // Records are floats and already packed; a flush stays a copy.
  options.compression = rocksdb::kNoCompression;
  // Two levels. Flushed files never overlap, so every compaction is a rename from level 0 to 1,
  // where DeleteFilesInRange can drop them; level 1 is never full, so none is ever rewritten.
  options.num_levels = 2;
  options.level0_file_num_compaction_trigger = 1;
  options.max_bytes_for_level_base = uint64_t{1} << 50;
  options.target_file_size_base = sizes.log_buffer_bytes;
  return options;
}

rocksdb::ColumnFamilyOptions RocksImageOptions(const RocksSizes& sizes) {
  rocksdb::ColumnFamilyOptions options = CommonOptions();
  options.write_buffer_size = sizes.image_buffer_bytes;
  options.max_write_buffer_number = 3;
  // Labels and other small integers shrink to a fraction; where a block of floats does not, RocksDB
  // stores it as it is, so reading it back costs nothing.
  options.compression = rocksdb::kLZ4Compression;
  options.level0_file_num_compaction_trigger = 4;
  // Most stores fit in level 1, so that a folded image is merged once.
  options.max_bytes_for_level_base = 512 << 20;
  options.target_file_size_base = 64 << 20;
  return options;
}

rocksdb::ReadOptions RocksScanOptions() {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.verify_checksums = true;
  options.readahead_size = 2 << 20;
  return options;
}

}  // namespace subset
