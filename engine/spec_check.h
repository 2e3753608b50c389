// Whether a sampler and a dataset go together: refused when it is created, not when a worker draws.

#ifndef SUBSET_ENGINE_SPEC_CHECK_H_
#define SUBSET_ENGINE_SPEC_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "engine/dataset.h"
#include "sampling/spec.h"

namespace subset {

// Where a definition came from: its errors name fields of that.
struct DefinedBy {
  std::string preset;         // its name; empty: a spec
  bool column_given = false;  // preset.column was
};

// Checks the columns that a resolved spec names: that the dataset has them, and their types; and
// that the dataset is long enough for it. Fails with kNotFound (the nearest known name is given) or
// kInvalidArgument, naming the field by its path under "spec"; of a preset by its parameter
// or the role of its column. O(columns).
absl::Status CheckColumns(const sampling::SamplerSpec& spec, const Dataset& dataset,
                          const DefinedBy& defined_by);

// Whether CheckValues has anything to look at.
bool NeedsValues(const sampling::SamplerSpec& spec);

// Checks what depends on the values, where CheckColumns passed: sizes are not negative, explicit
// shares name the strata that there are, filters that read no score leave enough, repeat factors
// make no epoch that is too long.
// Fails with kInvalidArgument as CheckColumns. O(N).
absl::Status CheckValues(const sampling::SamplerSpec& spec, const Dataset& dataset,
                         const DefinedBy& defined_by);

}  // namespace subset

#endif  // SUBSET_ENGINE_SPEC_CHECK_H_
