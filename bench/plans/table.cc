#include "bench/plans/table.h"

#include <cmath>
#include <cstring>

#include "sampling/philox.h"

namespace subset::bench {
namespace {

using sampling::ColumnView;
using sampling::kChunkSamples;

constexpr double kLabels = 100;
constexpr uint64_t kDialects = 10;

double Uniform(uint32_t column, uint64_t i) { return sampling::UniformDouble({7, column}, i); }

}  // namespace

template <typename T, typename ValueAt>
Table::Column& Table::Add(const std::string& name, ValueAt value) {
  Column& column = stored_[name];
  column.chunk_bytes = kChunkSamples * sizeof(T);
  for (uint64_t first = 0; first < num_samples_; first += kChunkSamples) {
    column.chunks.push_back(std::make_unique<char[]>(column.chunk_bytes));
    T* const values = reinterpret_cast<T*>(column.chunks.back().get());
    for (uint64_t k = 0; k < kChunkSamples && first + k < num_samples_; ++k) {
      values[k] = static_cast<T>(value(first + k));
    }
    column.pointers.push_back(values);
  }
  return column;
}

Table::Table(uint64_t num_samples) : num_samples_(num_samples) {
  const Column& quality = Add<float>("quality", [](uint64_t i) { return Uniform(1, i); });
  columns_.dataset["quality"] = {ColumnView::Type::kFloat32, quality.pointers};
  const Column& label =
      Add<uint16_t>("label", [](uint64_t i) { return kLabels * std::pow(Uniform(2, i), 2); });
  columns_.dataset["label"] = {ColumnView::Type::kUint16, label.pointers};
  const Column& dialect = Add<uint8_t>("dialect", [](uint64_t i) {
    return sampling::UniformInt({7, 3}, i, kDialects);
  });
  columns_.dataset["dialect"] = {ColumnView::Type::kUint8, dialect.pointers};
  Column& loss = Add<float>("loss", [](uint64_t i) {
    const double radius = std::sqrt(-2 * std::log(1 - Uniform(4, i)));
    return std::exp(radius * std::cos(6.283185307179586 * Uniform(5, i)));
  });
  for (const void* chunk : loss.pointers) loss.floats.push_back(static_cast<const float*>(chunk));
  columns_.scores["loss"] = {loss.floats};
}

uint64_t Table::Sum(const std::vector<std::string>& names) const {
  uint64_t sum = 0;
  for (const std::string& name : names) {
    const Column& column = stored_.at(name);
    for (const auto& chunk : column.chunks) {
      for (uint64_t at = 0; at < column.chunk_bytes; at += sizeof(uint64_t)) {
        uint64_t word;
        std::memcpy(&word, chunk.get() + at, sizeof(word));
        sum += word;
      }
    }
  }
  return sum;
}

}  // namespace subset::bench
