// Read-only views of columns and scores that every choice takes.

#ifndef SUBSET_SAMPLING_COLUMNS_H_
#define SUBSET_SAMPLING_COLUMNS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/types/span.h"
#include "sampling/huge_array.h"

namespace subset::sampling {

// Columns are kept in chunks of this many samples.
inline constexpr uint64_t kChunkSamples = 65536;

// A float column by chunks; NaN means unscored. A null chunk is unscored throughout. Empty (no
// chunks at all): nothing was ever scored.
struct ScoreView {
  absl::Span<const float* const> chunks;

  float operator[](uint64_t i) const {
    if (chunks.empty()) return NAN;
    const float* chunk = chunks[i / kChunkSamples];
    return chunk == nullptr ? NAN : chunk[i % kChunkSamples];
  }
};

// A column of the dataset: chunk c holds the values of samples c * kChunkSamples onwards. The
// chunks are aligned for their type and never null. NaN means missing.
struct ColumnView {
  enum class Type { kUint8, kUint16, kUint32, kInt64, kFloat32, kFloat64 };
  Type type = Type::kUint8;
  absl::Span<const void* const> chunks;

  bool integer() const { return type != Type::kFloat32 && type != Type::kFloat64; }

  // The value of sample i as a double; exact but for integers beyond 2^53.
  double At(uint64_t i) const {
    const void* chunk = chunks[i / kChunkSamples];
    const uint64_t k = i % kChunkSamples;
    switch (type) {
      case Type::kUint8:
        return static_cast<const uint8_t*>(chunk)[k];
      case Type::kUint16:
        return static_cast<const uint16_t*>(chunk)[k];
      case Type::kUint32:
        return static_cast<const uint32_t*>(chunk)[k];
      case Type::kInt64:
        return static_cast<double>(static_cast<const int64_t*>(chunk)[k]);
      case Type::kFloat32:
        return static_cast<const float*>(chunk)[k];
      case Type::kFloat64:
        return static_cast<const double*>(chunk)[k];
    }
    return NAN;
  }
};

// Calls f with a null pointer to const values of the type.
template <typename F>
void VisitType(ColumnView::Type type, F f) {
  switch (type) {
    case ColumnView::Type::kUint8:
      return f(static_cast<const uint8_t*>(nullptr));
    case ColumnView::Type::kUint16:
      return f(static_cast<const uint16_t*>(nullptr));
    case ColumnView::Type::kUint32:
      return f(static_cast<const uint32_t*>(nullptr));
    case ColumnView::Type::kInt64:
      return f(static_cast<const int64_t*>(nullptr));
    case ColumnView::Type::kFloat32:
      return f(static_cast<const float*>(nullptr));
    case ColumnView::Type::kFloat64:
      return f(static_cast<const double*>(nullptr));
  }
}

// The column from sample `first` on, which begins a chunk; of label sets, too.
template <typename View>
View ViewFrom(View column, uint64_t first) {
  column.chunks.remove_prefix(first / kChunkSamples);
  return column;
}

// Calls f(first_sample, span of values) for each chunk of the first num_samples, in order; f takes
// a span of any of the types.
template <typename F>
void ForEachChunk(const ColumnView& column, uint64_t num_samples, F f) {
  VisitType(column.type, [&](const auto* type) {
    using T = std::remove_cv_t<std::remove_pointer_t<decltype(type)>>;
    for (uint64_t first = 0; first < num_samples; first += kChunkSamples) {
      const T* values = static_cast<const T*>(column.chunks[first / kChunkSamples]);
      f(first, absl::Span<const T>(values, std::min(kChunkSamples, num_samples - first)));
    }
  });
}

// Writes the values of samples first, first + 1, ..., which begin a chunk.
template <typename T>
void ReadValues(const ColumnView& column, uint64_t first, absl::Span<T> out) {
  ForEachChunk(ViewFrom(column, first), out.size(), [out](uint64_t at, const auto& values) {
    for (size_t k = 0; k < values.size(); ++k) out[at + k] = static_cast<T>(values[k]);
  });
}

// A column of label sets: chunk c holds, for each of the samples c * kChunkSamples onwards, how
// many labels it has and then these, ascending. The chunks are aligned for uint32_t and never null.
struct LabelSetView {
  absl::Span<const void* const> chunks;
};

// Calls f(i, its labels) for each of the first num_samples, in order.
template <typename F>
void ForEachLabelSet(const LabelSetView& sets, uint64_t num_samples, F f) {
  for (uint64_t first = 0; first < num_samples; first += kChunkSamples) {
    const auto* next = static_cast<const uint32_t*>(sets.chunks[first / kChunkSamples]);
    const uint64_t end = std::min(first + kChunkSamples, num_samples);
    for (uint64_t i = first; i < end; ++i) {
      f(i, absl::Span<const uint32_t>(next + 1, *next));
      next += 1 + *next;
    }
  }
}

// What a plan may read, by name: spec.DatasetColumns() and spec.ScoreColumns().
struct Columns {
  std::map<std::string, ColumnView> dataset;       // of one value per sample
  std::map<std::string, LabelSetView> label_sets;  // of the dataset, too
  std::map<std::string, ScoreView> scores;

  // The reported column; unscored throughout where there is none.
  ScoreView score(const std::string& name) const {
    const auto it = scores.find(name);
    return it == scores.end() ? ScoreView{} : it->second;
  }
};

inline constexpr uint64_t kMaxStrata = 65536;

// Samples sorted by stratum; within one by index. Immutable; shared by every plan over the same
// column version. 4 bytes a sample.
struct Strata {
  std::vector<int64_t> values;        // the column's value of each stratum, ascending
  std::vector<int64_t> inner_values;  // of the second column, where strata are nested; else empty
  std::vector<uint64_t> offsets;      // strata + 1; stratum g is members[offsets[g]..offsets[g+1])
  HugeArray<uint32_t> members;

  uint64_t count(size_t g) const { return offsets[g + 1] - offsets[g]; }

  // The stratum of member k, where none is empty. O(log strata).
  size_t StratumOf(uint64_t k) const {
    return std::upper_bound(offsets.begin(), offsets.end(), k) - offsets.begin() - 1;
  }
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_COLUMNS_H_
