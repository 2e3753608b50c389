// A sampler as plain data: its six choices. What each means is in the files of the choices, which
// proto/subset/v1/sampler_spec.proto lists.

#ifndef SUBSET_SAMPLING_SPEC_H_
#define SUBSET_SAMPLING_SPEC_H_

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sampling/schedule.h"
#include "sampling/select_rule.h"

namespace subset::sampling {

struct Predicate {
  enum class Kind { kIn, kNotIn, kRange, kQuantile, kAnyOf, kAllOf, kNoneOf };
  enum class Missing { kDefault, kKeep, kDrop };
  std::string column;  // of the dataset; else
  std::string score;   // reported by the run
  Kind kind = Kind::kRange;
  std::vector<int64_t> values;  // kIn, kNotIn, and the three of label sets
  double minimum = -std::numeric_limits<double>::infinity();  // kRange
  double maximum = std::numeric_limits<double>::infinity();
  double low = 0;  // kQuantile
  double high = 1;
  Missing missing = Missing::kDefault;
  std::string within;  // kRange, kQuantile
  double minimum_keep = 0;

  bool by_range() const { return kind == Kind::kRange || kind == Kind::kQuantile; }
  // Whether it tests a column of label sets.
  bool by_labels() const {
    return kind == Kind::kAnyOf || kind == Kind::kAllOf || kind == Kind::kNoneOf;
  }
};

struct Eligible {
  std::vector<Predicate> all;
};

struct Proportion {
  enum class Kind {
    kNatural,
    kEqual,
    kTemperature,
    kEffectiveNumber,
    kExplicit,
    kUnimax,
    kGroupDro,
    kDoremi,
    kOdm,
  };
  Kind kind = Kind::kNatural;
  std::string column;
  std::shared_ptr<const Proportion> within;  // a second column; null: none
  std::string size_column;
  double temperature = 1;
  double effective_beta = 0;
  bool effective_by_stratum = false;
  std::map<int64_t, double> shares;
  double max_epochs = 1;
  double eta = 0;
  double epsilon = 0;
  double adjustment = 0;
  bool exact_quotas = false;

  // Whether every stratum has the share of its number of samples.
  bool as_in_the_data() const {
    return kind == Kind::kNatural && size_column.empty() &&
           (within == nullptr || within->as_in_the_data());
  }
  // Whether shares are learned from feedback.
  bool adaptive() const {
    return kind == Kind::kGroupDro || kind == Kind::kDoremi || kind == Kind::kOdm;
  }
};

struct Preference {
  enum class Kind {
    kUniform,
    kScorePower,
    kBelowMeanPruning,
    kRank,
    kSoftmax,
    kBand,
    kKeepProbability,
    kSelfPaced,
    kRecency,
    kRepeatFactor,
  };
  enum class Scale { kEpochSum, kBatchMean };
  enum class Law { kPower, kExponential };
  enum class MissingIrreducible { kUseScore, kExclude, kStratumMean };
  Kind kind = Kind::kUniform;
  std::string score = "loss";  // reported; unused where `column` is set
  std::string column;          // of the dataset, in place of a reported score; label sets
  // Of the dataset, subtracted from the score, from the losses of DOREMI and from Select's scores.
  std::string irreducible;
  MissingIrreducible missing_irreducible = MissingIrreducible::kUseScore;
  double alpha = 1;    // score_power, rank
  double ratio = 0.5;  // below_mean_pruning, with the five below
  double delta = 0.875;
  uint32_t total_epochs = 0;
  Scale scale = Scale::kEpochSum;
  bool per_stratum = false;  // band, too
  Law law = Law::kPower;     // rank
  double pressure = 100;
  double temperature = 1;  // softmax
  bool smallest = false;   // band
  double skip = 0;
  double keep = 1;
  double beta = 1;  // keep_probability
  double least = 1;
  double threshold = 1;  // self_paced, repeat_factor
  bool soft = false;
  double half_life = 1;  // recency
  std::optional<double> now;
};

struct Draw {
  enum class Kind {
    kDefault,
    kEpoch,
    kWithReplacement,
    kSystematic,
    kIndependent,
    kRounds,
    kBootstrap,
    kBlocks,
    kProvided,
  };
  enum class BootstrapForm { kMultinomial, kPoisson, kBayesian };
  enum class BlockForm { kFixed, kMoving, kCircular, kStationary };
  Kind kind = Kind::kDefault;
  double fraction = 1;
  bool jittered = false;
  BootstrapForm bootstrap = BootstrapForm::kMultinomial;
  uint32_t bag = 0;
  BlockForm blocks = BlockForm::kFixed;
  std::string block_column;
  uint64_t block_length = 0;
  uint64_t block_gap = 0;
};

struct Guard {
  enum class Unscored { kDefault, kMean, kMaximum, kPrior, kKeep };
  double uniform_floor = 0;
  Unscored unscored = Unscored::kDefault;
  double unscored_prior = 0;
  bool floor_by_target = false;
  double refresh = 0;
  double stale_fraction = 1;
  double max_repeats = 0;  // 0: no cap
};

struct Weight {
  enum class Target { kDefault, kNatural, kBalanced, kNone, kShares };
  enum class Normalise { kNothing, kMaximum, kSelf };
  Target target = Target::kDefault;
  double beta = 1;
  double clip = 0;  // 0: none
  Normalise normalise = Normalise::kNothing;
};

enum class Snapshot { kEpoch, kLive, kEveryN };

struct SamplerSpec {
  Eligible eligible;
  Proportion proportion;
  Preference preference;
  Draw draw;
  Guard guard;
  Weight weight;
  Snapshot snapshot = Snapshot::kEpoch;
  uint32_t snapshot_every = 0;                // of kEveryN: global batches
  std::map<std::string, Schedule> schedules;  // by the path of the number
  std::optional<SelectRule> select;           // batches are pools, chosen from by this

  // Reported columns that a plan reads, and for a refresh quota the steps of their reports; with
  // adaptive shares, also what they learn from ("loss").
  std::set<std::string> ScoreColumns() const;
  // Columns of the dataset that a plan reads.
  std::set<std::string> DatasetColumns() const;
  // Whether an epoch's draws take scores that are reported in it.
  bool live() const { return snapshot != Snapshot::kEpoch; }
  // Whether the labels of a sample say how often it stands in an epoch, where draws are resolved.
  bool repeats() const {
    return draw.kind == Draw::Kind::kEpoch && preference.kind == Preference::Kind::kRepeatFactor;
  }
  // Whether plans depend on what the run has reported.
  bool score_driven() const { return !ScoreColumns().empty(); }
};

// Writes out every default that depends on another choice, then checks each value and each pair.
// Returns kInvalidArgument naming the field by its path in SamplerSpec, the value and the bound;
// `spec` is then unchanged.
absl::Status ResolveSpec(SamplerSpec* spec);

// Returns a resolved spec with the numbers that follow schedules as they are at the first step of
// an epoch; it has no schedules but those over steps that every step follows.
SamplerSpec SpecAt(const SamplerSpec& spec, uint64_t epoch, uint64_t first_step);

// Returns the name under which the steps of a score's last reports are read; NaN is never.
std::string StepColumn(const std::string& score);

// floor(fraction * n) and ceil(fraction * n), where a product within 1e-9 (relative) of a whole
// number counts as that number: floor(.29 * 100) is 29.
uint64_t FloorFraction(double fraction, uint64_t n);
uint64_t CeilFraction(double fraction, uint64_t n);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SPEC_H_
