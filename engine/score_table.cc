#include "engine/score_table.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace subset {

using sampling::kChunkSamples;

namespace {

// Returns the floats that `bytes` holds, in its own memory: a recovery copies no column.
std::shared_ptr<float[]> FloatsIn(std::string bytes) {
  auto owner = std::make_shared<std::string>(std::move(bytes));
  static_assert(alignof(std::string) >= alignof(float));  // short ones lie inside
  return {owner, reinterpret_cast<float*>(owner->data())};
}

}  // namespace

uint64_t ScoreTable::ChunkSize(uint64_t chunk) const {
  return std::min(kChunkSamples, num_samples_ - chunk * kChunkSamples);
}

ScoreTable::Column& ScoreTable::FindOrAdd(const std::string& column) {
  const auto [it, added] = columns_.try_emplace(column);
  if (added) it->second.chunks.resize((num_samples_ + kChunkSamples - 1) / kChunkSamples);
  return it->second;
}

std::shared_ptr<float[]> ScoreTable::Copy(const float* values, uint64_t number) const {
  const uint64_t size = ChunkSize(number);
  std::shared_ptr<float[]> copy(new float[size]);
  if (values == nullptr) {
    std::fill_n(copy.get(), size, std::numeric_limits<float>::quiet_NaN());
  } else {
    std::memcpy(copy.get(), values, size * sizeof(float));
  }
  return copy;
}

float* ScoreTable::Writable(Chunk& chunk, uint64_t number) {
  const uint64_t generation = generation_.load(std::memory_order_relaxed);
  if (chunk.values != nullptr && chunk.generation == generation) return chunk.values.get();
  if (chunk.values == nullptr) memory_bytes_ += ChunkSize(number) * sizeof(float);
  chunk.values = Copy(chunk.values.get(), number);
  chunk.generation = generation;
  return chunk.values.get();
}

void ScoreTable::Prepare(const std::string& column, absl::Span<const uint32_t> samples,
                         std::vector<FreshChunk>* fresh) const {
  const uint64_t generation = generation_.load(std::memory_order_relaxed);
  const auto it = columns_.find(column);
  std::set<uint64_t> seen;
  for (const uint32_t sample : samples) {
    const uint64_t number = sample / kChunkSamples;
    const Chunk* chunk = it == columns_.end() ? nullptr : &it->second.chunks[number];
    const float* values = chunk == nullptr ? nullptr : chunk->values.get();
    if (values != nullptr && chunk->generation == generation) continue;
    if (!seen.insert(number).second) continue;
    fresh->push_back({column, number, Copy(values, number), generation});
  }
}

void ScoreTable::Install(std::vector<FreshChunk> fresh) {
  for (FreshChunk& copy : fresh) {
    Chunk& chunk = FindOrAdd(copy.column).chunks[copy.chunk];
    if (chunk.values == nullptr) memory_bytes_ += ChunkSize(copy.chunk) * sizeof(float);
    chunk.values = std::move(copy.values);
    chunk.generation = copy.generation;
  }
}

void ScoreTable::Apply(uint64_t sequence, const std::string& column,
                       absl::Span<const uint32_t> samples, absl::Span<float> values, Fold fold) {
  Column& target = FindOrAdd(column);
  for (size_t i = 0; i < samples.size(); ++i) {
    const uint64_t number = samples[i] / kChunkSamples;
    Chunk& chunk = target.chunks[number];
    if (sequence <= chunk.imaged) continue;
    float& value = Writable(chunk, number)[samples[i] % kChunkSamples];
    target.scored += std::isnan(value) ? 1 : 0;
    value = values[i] = fold(value, values[i]);
    chunk.modified = sequence;
  }
}

absl::Status ScoreTable::Load(const std::string& column, uint64_t chunk, uint64_t sequence,
                              std::string bytes) {
  if (chunk * kChunkSamples >= num_samples_ || bytes.size() != ChunkSize(chunk) * sizeof(float)) {
    return absl::DataLossError(absl::StrCat("score column \"", column, "\", chunk ", chunk,
                                            ": an image of ", bytes.size(), " bytes does not fit ",
                                            num_samples_, " samples"));
  }
  Column& target = FindOrAdd(column);
  Chunk& loaded = target.chunks[chunk];
  if (loaded.values == nullptr) memory_bytes_ += bytes.size();
  loaded.values = FloatsIn(std::move(bytes));
  loaded.generation = generation_.load(std::memory_order_relaxed);
  loaded.imaged = sequence;
  target.scored += CountScored(loaded.values.get(), chunk);
  return absl::OkStatus();
}

uint64_t ScoreTable::CountScored(const float* values, uint64_t number) const {
  if (values == nullptr) return 0;
  return static_cast<uint64_t>(std::count_if(values, values + ChunkSize(number),
                                             [](float value) { return !std::isnan(value); }));
}

void ScoreTable::CopyFrom(const ScoreTable& from, bool frozen, uint64_t sequence,
                          absl::string_view but) {
  const auto stays = [but](absl::string_view name) {
    return !but.empty() && absl::EndsWith(name, but);
  };
  for (const auto& [name, column] : from.columns_) {
    if (!stays(name)) FindOrAdd(name);
  }
  from.generation_.fetch_add(1, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_relaxed);
  for (auto& [name, column] : columns_) {
    if (stays(name)) continue;
    const auto source = from.columns_.find(name);
    for (uint64_t number = 0; number < column.chunks.size(); ++number) {
      Chunk& chunk = column.chunks[number];
      std::shared_ptr<float[]> values;
      if (source != from.columns_.end()) {
        const Chunk& original = source->second.chunks[number];
        if (!frozen && sequence <= original.imaged) continue;
        values = original.values;
      }
      if (sequence <= chunk.imaged || chunk.values == values) continue;
      // A chunk once scored keeps its memory: its image must say that it is unscored now.
      if (values == nullptr) values = Copy(nullptr, number);
      column.scored += CountScored(values.get(), number);
      column.scored -= CountScored(chunk.values.get(), number);
      if (chunk.values == nullptr) memory_bytes_ += ChunkSize(number) * sizeof(float);
      chunk.values = std::move(values);
      chunk.generation = 0;  // shared
      chunk.modified = sequence;
    }
  }
}

ScoreSnapshot ScoreTable::Snapshot(const std::string& column) const {
  ScoreSnapshot snapshot;
  const auto it = columns_.find(column);
  if (it == columns_.end()) return snapshot;
  generation_.fetch_add(1, std::memory_order_relaxed);
  snapshot.owners_.reserve(it->second.chunks.size());
  snapshot.chunks_.reserve(it->second.chunks.size());
  for (const Chunk& chunk : it->second.chunks) {
    snapshot.owners_.push_back(chunk.values);
    snapshot.chunks_.push_back(chunk.values.get());
  }
  return snapshot;
}

std::vector<ModifiedChunk> ScoreTable::Modified() const {
  std::vector<ModifiedChunk> modified;
  for (const auto& [name, column] : columns_) {
    for (uint64_t number = 0; number < column.chunks.size(); ++number) {
      const Chunk& chunk = column.chunks[number];
      if (chunk.modified <= chunk.imaged) continue;
      modified.push_back({name, number, chunk.values, ChunkSize(number)});
    }
  }
  if (!modified.empty()) generation_.fetch_add(1, std::memory_order_relaxed);
  return modified;
}

void ScoreTable::NoteImages(absl::Span<const ModifiedChunk> written, uint64_t sequence) {
  for (const ModifiedChunk& chunk : written) {
    const auto it = columns_.find(chunk.column);
    if (it != columns_.end()) it->second.chunks[chunk.chunk].imaged = sequence;
  }
}

uint64_t ScoreTable::scored(const std::string& column) const {
  const auto it = columns_.find(column);
  return it == columns_.end() ? 0 : it->second.scored;
}

}  // namespace subset
