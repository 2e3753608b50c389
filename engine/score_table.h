// What a run's training has reported: named float columns over the samples of its dataset.
//
// NaN means unscored. Columns are chunks of 65,536 samples, allocated at their first value and
// copied on write while a snapshot may hold them, so that plans are built and images are written
// from one moment's values while feedback goes on.

#ifndef SUBSET_ENGINE_SCORE_TABLE_H_
#define SUBSET_ENGINE_SCORE_TABLE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "sampling/columns.h"

namespace subset {

// Float columns of one run; each costs 4 bytes a sample once scored.
inline constexpr size_t kMaxScoreColumns = 64;

// The values of one column at one moment. Immutable.
class ScoreSnapshot {
 public:
  sampling::ScoreView view() const { return {absl::MakeConstSpan(chunks_)}; }

 private:
  friend class ScoreTable;
  std::vector<std::shared_ptr<const float[]>> owners_;
  std::vector<const float*> chunks_;
};

// A writable copy of a chunk, made ahead of the change that needs it.
struct FreshChunk {
  std::string column;
  uint64_t chunk = 0;
  std::shared_ptr<float[]> values;
  uint64_t generation = 0;
};

// A chunk whose image is older than its values.
struct ModifiedChunk {
  std::string column;
  uint64_t chunk = 0;
  std::shared_ptr<const float[]> values;
  uint64_t size = 0;  // values in it
};

// Not thread-safe: const methods may run together, the others alone.
class ScoreTable {
 public:
  explicit ScoreTable(uint64_t num_samples) : num_samples_(num_samples) {}

  // Copies the chunks that Apply to these samples would have to copy; Install hands them over. So
  // the copying need not exclude readers. Only the thread that applies may call these.
  void Prepare(const std::string& column, absl::Span<const uint32_t> samples,
               std::vector<FreshChunk>* fresh) const;
  void Install(std::vector<FreshChunk> fresh);

  // What a column holds after `reported` came where it held `stored` (NaN: unscored).
  using Fold = absl::FunctionRef<float(float stored, float reported)>;

  // Applies record `sequence`: values[i] to samples[i], in order; values[i] becomes what was
  // stored. Chunks whose image includes the record already are left alone, and their values.
  // O(samples), plus a copy of each shared chunk touched.
  void Apply(uint64_t sequence, const std::string& column, absl::Span<const uint32_t> samples,
             absl::Span<float> values, Fold fold);

  // Becomes as `from` by record `sequence`; both share the chunks until either changes them. Chunks
  // whose image includes the record already are left alone; so are those that in a replay are newer
  // in `from` than the record, unless `frozen` says that it never changes: images of a copy are
  // written first, so there was nothing to copy. Columns whose name ends in `but`, where that is
  // not empty, stay as they are. O(chunks), plus the values of those that differ.
  void CopyFrom(const ScoreTable& from, bool frozen, uint64_t sequence, absl::string_view but = {});

  // Takes a chunk from its image, whose memory it keeps. Returns kDataLoss where it does not fit.
  absl::Status Load(const std::string& column, uint64_t chunk, uint64_t sequence,
                    std::string bytes);

  // Returns the column as it is now; unscored throughout if it does not exist. O(chunks).
  ScoreSnapshot Snapshot(const std::string& column) const;

  // Returns the chunks to write, and, when their images are on disk, notes up to which record.
  std::vector<ModifiedChunk> Modified() const;
  void NoteImages(absl::Span<const ModifiedChunk> written, uint64_t sequence);

  bool Has(const std::string& column) const { return columns_.count(column) > 0; }
  size_t num_columns() const { return columns_.size(); }
  uint64_t num_samples() const { return num_samples_; }
  // Samples that have a value in the column.
  uint64_t scored(const std::string& column) const;
  uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  struct Chunk {
    std::shared_ptr<float[]> values;  // null: unscored throughout
    uint64_t generation = 0;          // of the snapshots, when the values were last unshared
    uint64_t modified = 0;            // sequence of the last record applied
    uint64_t imaged = 0;              // sequence its image includes
  };
  struct Column {
    std::vector<Chunk> chunks;
    uint64_t scored = 0;
  };

  uint64_t ChunkSize(uint64_t chunk) const;
  std::shared_ptr<float[]> Copy(const float* values, uint64_t number) const;
  Column& FindOrAdd(const std::string& column);
  float* Writable(Chunk& chunk, uint64_t number);
  uint64_t CountScored(const float* values, uint64_t number) const;  // null: 0

  const uint64_t num_samples_;
  std::map<std::string, Column> columns_;
  uint64_t memory_bytes_ = 0;
  // Rises with every snapshot; a chunk of an older generation may be shared. Relaxed: it is read by
  // writers only, which exclude the readers that raise it.
  mutable std::atomic<uint64_t> generation_{0};
};

}  // namespace subset

#endif  // SUBSET_ENGINE_SCORE_TABLE_H_
