// The usual way to keep a score per sample: RocksDB with a 4-byte key and a 4-byte value for each.

#ifndef SUBSET_BENCH_DURABLE_KEY_PER_SAMPLE_H_
#define SUBSET_BENCH_DURABLE_KEY_PER_SAMPLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rocksdb/db.h"

namespace subset::bench {

// The loss of a sample in the benchmarks: (0, 10], and of no pattern that would compress.
inline float BenchLoss(uint64_t index) {
  return static_cast<float>(((index + 1) * 0x9e3779b97f4a7c15 >> 40) + 1) * (10.0f / (1 << 24));
}

// Thread-safe. Failures end the process.
class KeyPerSample {
 public:
  explicit KeyPerSample(const std::string& path);

  // Writes one message durably: one WriteBatch, one fsync unless others share it.
  void Report(const uint32_t* indices, const float* losses, size_t count);

  // Fills an empty database with samples 0 .. count-1 by ready-made files, and compacts it.
  void Load(uint64_t count);

  // Reads every sample into a vector by a scan.
  std::vector<float> Scan(uint64_t count);

 private:
  std::string path_;
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace subset::bench

#endif  // SUBSET_BENCH_DURABLE_KEY_PER_SAMPLE_H_
