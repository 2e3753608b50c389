// The parts that the table of presets is put together from.

#ifndef SUBSET_SAMPLING_PRESET_ROWS_H_
#define SUBSET_SAMPLING_PRESET_ROWS_H_

#include <string>
#include <vector>

#include "sampling/presets.h"

namespace subset::sampling {

constexpr PresetColumn IrreducibleColumn(const char* column) {
  return {"irreducible", "preference.irreducible", column,
          "column of the dataset: losses of a holdout model",
          [](SamplerSpec& s, const std::string& v) { s.preference.irreducible = v; }};
}

// Pool then select: the papers that score candidates with the current model.
std::vector<Preset> FreshScorePresets();

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PRESET_ROWS_H_
