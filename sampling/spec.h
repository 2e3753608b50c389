// A sampler as plain data: the six choices (proto/subset/v1/sampler.proto says what each means).

#ifndef SUBSET_SAMPLING_SPEC_H_
#define SUBSET_SAMPLING_SPEC_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace subset::sampling {

struct Proportion {
  enum class Kind { kNatural, kEqual };
  Kind kind = Kind::kNatural;
  std::string column;
};

struct Preference {
  enum class Kind { kUniform, kScorePower, kBelowMeanPruning };
  enum class Scale { kEpochSum, kBatchMean };
  Kind kind = Kind::kUniform;
  std::string score = "loss";  // score_power, below_mean_pruning
  double alpha = 1;            // score_power
  double ratio = 0.5;          // below_mean_pruning, from here on
  double delta = 0.875;
  uint32_t total_epochs = 0;
  Scale scale = Scale::kEpochSum;
  bool per_stratum = false;
};

struct Draw {
  enum class Kind { kDefault, kEpoch, kWithReplacement };
  Kind kind = Kind::kDefault;
  double fraction = 1;
};

struct Guard {
  enum class Unscored { kDefault, kMean, kMaximum, kPrior, kKeep };
  double uniform_floor = 0;
  Unscored unscored = Unscored::kDefault;
  double unscored_prior = 0;
};

struct Weight {
  enum class Target { kDefault, kNatural, kBalanced, kNone };
  Target target = Target::kDefault;
  double beta = 1;
};

enum class Snapshot { kEpoch, kLive };

struct SamplerSpec {
  Proportion proportion;
  Preference preference;
  Draw draw;
  Guard guard;
  Weight weight;
  Snapshot snapshot = Snapshot::kEpoch;

  // Whether plans depend on reported scores.
  bool score_driven() const { return preference.kind != Preference::Kind::kUniform; }
};

// Writes out every default that depends on another choice, then checks each value and each pair.
// Returns kInvalidArgument naming the field by its path in SamplerSpec, the value and the bound;
// `spec` is then unchanged.
absl::Status ResolveSpec(SamplerSpec* spec);

// floor(fraction * n) and ceil(fraction * n), where a product within 1e-9 (relative) of a whole
// number counts as that number: floor(.29 * 100) is 29.
uint64_t FloorFraction(double fraction, uint64_t n);
uint64_t CeilFraction(double fraction, uint64_t n);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SPEC_H_
