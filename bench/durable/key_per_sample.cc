#include "bench/durable/key_per_sample.h"

#include <algorithm>
#include <cstring>

#include "bench/durable/scored_run.h"
#include "rocksdb/options.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/write_batch.h"

namespace subset::bench {
namespace {

void OrDie(const rocksdb::Status& status) {
  if (!status.ok()) Fail(status.ToString());
}

// Big-endian, so that keys sort as indices.
void StoreKey(uint32_t index, char* key) {
  for (int i = 0; i < 4; ++i) key[i] = static_cast<char>(index >> (24 - 8 * i));
}

rocksdb::Options PeerOptions() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.max_background_jobs = 2;
  options.write_buffer_size = 64 << 20;
  // Floats do not compress.
  options.compression = rocksdb::kNoCompression;
  return options;
}

}  // namespace

KeyPerSample::KeyPerSample(const std::string& path) : path_(path) {
  rocksdb::DB* db = nullptr;
  OrDie(rocksdb::DB::Open(PeerOptions(), path, &db));
  db_.reset(db);
}

void KeyPerSample::Report(const uint32_t* indices, const float* losses, size_t count) {
  rocksdb::WriteBatch batch(count * 11 + 64);
  char key[4];
  for (size_t i = 0; i < count; ++i) {
    StoreKey(indices[i], key);
    OrDie(batch.Put(rocksdb::Slice(key, 4),
                    rocksdb::Slice(reinterpret_cast<const char*>(&losses[i]), sizeof(float))));
  }
  rocksdb::WriteOptions options;
  options.sync = true;
  OrDie(db_->Write(options, &batch));
}

void KeyPerSample::Load(uint64_t count) {
  constexpr uint64_t kPerFile = 8 << 20;
  std::vector<std::string> files;
  for (uint64_t begin = 0; begin < count; begin += kPerFile) {
    rocksdb::SstFileWriter writer(rocksdb::EnvOptions(), PeerOptions());
    files.push_back(path_ + "/load_" + std::to_string(begin));
    OrDie(writer.Open(files.back()));
    for (uint64_t i = begin; i < std::min(count, begin + kPerFile); ++i) {
      char key[4];
      StoreKey(static_cast<uint32_t>(i), key);
      const float loss = BenchLoss(i);
      OrDie(writer.Put(rocksdb::Slice(key, 4),
                       rocksdb::Slice(reinterpret_cast<const char*>(&loss), sizeof(loss))));
    }
    OrDie(writer.Finish());
  }
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  OrDie(db_->IngestExternalFile(files, options));
}

std::vector<float> KeyPerSample::Scan(uint64_t count) {
  std::vector<float> losses(count);
  rocksdb::ReadOptions options;
  options.readahead_size = 2 << 20;
  options.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  uint64_t found = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next(), ++found) {
    const auto* key = reinterpret_cast<const unsigned char*>(it->key().data());
    const uint32_t index =
        uint32_t{key[0]} << 24 | uint32_t{key[1]} << 16 | uint32_t{key[2]} << 8 | uint32_t{key[3]};
    std::memcpy(&losses[index], it->value().data(), sizeof(float));
  }
  OrDie(it->status());
  if (found != count) Fail("the scan found " + std::to_string(found) + " samples");
  return losses;
}

}  // namespace subset::bench
