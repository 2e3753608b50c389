// How the bytes of a column divide into samples; of label sets, into how many labels a sample has
// and these.

#ifndef SUBSET_ENGINE_COLUMN_ROWS_H_
#define SUBSET_ENGINE_COLUMN_ROWS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "sampling/columns.h"
#include "subset/v1/dataset.pb.h"

namespace subset {

inline constexpr uint64_t kMaxLabels = 65536;  // of one sample
// Of the samples of one chunk together, so that its image can be written at once.
inline constexpr uint64_t kMaxChunkLabels = 100 * sampling::kChunkSamples;

struct ColumnRows {
  uint64_t samples = 0;
  uint64_t bytes = 0;

  uint64_t labels() const { return bytes / sizeof(uint32_t) - samples; }  // of label sets
};

// Returns the whole samples that `data` begins with, at most `most` of them. O(1); of label sets,
// O(samples).
ColumnRows TakeRows(v1::ColumnType type, absl::string_view data, uint64_t most);

// Checks that `data` are whole label sets, ascending and of at most kMaxLabels labels, from sample
// `first_sample` on. Fails with kInvalidArgument naming chunk.data. O(labels).
absl::Status CheckLabelSets(absl::string_view data, const std::string& column,
                            uint64_t first_sample);

}  // namespace subset

#endif  // SUBSET_ENGINE_COLUMN_ROWS_H_
