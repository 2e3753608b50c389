// What the engine's big arrays take, and a refusal before they take more than allowed.

#ifndef SUBSET_ENGINE_MEMORY_LIMIT_H_
#define SUBSET_ENGINE_MEMORY_LIMIT_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engine/catalog.h"

namespace subset {

// Thread-safe. An estimate: columns, score tables and plans, not the small things around them.
class MemoryLimit {
 public:
  // `max_bytes` 0: no limit.
  MemoryLimit(const Catalog* catalog, uint64_t max_bytes)
      : catalog_(catalog), max_bytes_(max_bytes) {}

  // Returns kResourceExhausted, with the numbers, if `more_bytes` for `what` would pass the limit.
  // O(datasets + runs).
  absl::Status Check(absl::string_view what, uint64_t more_bytes) const;

 private:
  const Catalog* const catalog_;
  const uint64_t max_bytes_;
};

// Returns about what one plan (or live draw) of the sampler takes; without `num_positions`, the
// length of an epoch, what it may take at most.
uint64_t PlanBytes(const sampling::SamplerSpec& spec, uint64_t num_samples,
                   std::optional<uint64_t> num_positions = std::nullopt);

}  // namespace subset

#endif  // SUBSET_ENGINE_MEMORY_LIMIT_H_
