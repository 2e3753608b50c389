#include "sampling/eligible.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "sampling/forgetting.h"
#include "sampling/number_range.h"
#include "sampling/pack_bits.h"
#include "sampling/parts.h"
#include "sampling/range_bits.h"
#include "sampling/rank_cut.h"
#include "sampling/strata.h"
#include "sampling/value_set.h"

namespace subset::sampling {
namespace {

// What a predicate tests, as a column whose chunks are all there.
class Source {
 public:
  static absl::StatusOr<std::unique_ptr<Source>> Of(const PlanInput& input,
                                                    const Predicate& predicate,
                                                    const std::string& path) {
    auto source = std::make_unique<Source>();
    if (predicate.column.empty()) {
      const ScoreView reported = input.columns.score(predicate.score);
      if (predicate.score == kForgettingColumn) {
        source->ReadEvents(reported, input.num_samples);
      } else {
        source->ReadScores(reported, input.num_samples);
      }
      return source;
    }
    const auto it = input.columns.dataset.find(predicate.column);
    if (it == input.columns.dataset.end()) {
      return InvalidField(
          path + ".column",
          absl::StrCat("\"", predicate.column, "\" is not a column of one value per sample"));
    }
    source->view_ = it->second;
    return source;
  }

  const ColumnView& view() const { return view_; }

 private:
  void ReadScores(const ScoreView& scores, uint64_t num_samples) {
    for (uint64_t c = 0; c * kChunkSamples < num_samples; ++c) {
      const float* chunk = scores.chunks.empty() ? nullptr : scores.chunks[c];
      if (chunk == nullptr) {
        unscored_.resize(kChunkSamples, NAN);
        chunk = unscored_.data();
      }
      chunks_.push_back(chunk);
    }
    view_ = {ColumnView::Type::kFloat32, chunks_};
  }

  void ReadEvents(const ScoreView& states, uint64_t num_samples) {
    events_.resize(num_samples);
    for (uint64_t i = 0; i < num_samples; ++i) {
      events_[i] = static_cast<float>(ForgettingRank(states[i]));
    }
    for (uint64_t i = 0; i < num_samples; i += kChunkSamples) chunks_.push_back(&events_[i]);
    view_ = {ColumnView::Type::kFloat32, chunks_};
  }

  std::vector<float> unscored_;  // a chunk
  std::vector<float> events_;
  std::vector<const void*> chunks_;
  ColumnView view_;
};

// Keeps the members for which keep(value) holds.
template <typename T, typename Keep>
void Intersect(uint64_t first, absl::Span<const T> values, Keep keep, SampleSet* set) {
  constexpr size_t kWord = 64;
  uint8_t kept[kWord] = {};  // bytes, so that the compiler makes vectors of them
  size_t block = 0;
  for (; block + kWord <= values.size(); block += kWord) {
    for (size_t k = 0; k < kWord; ++k) kept[k] = keep(values[block + k]);
    set->words()[(first + block) / kWord] &= PackBits(kept);
  }
  if (block == values.size()) return;
  std::fill(kept, kept + kWord, uint8_t{0});
  for (size_t k = 0; block + k < values.size(); ++k) kept[k] = keep(values[block + k]);
  set->words()[(first + block) / kWord] &= PackBits(kept);
}

// Parts of a set are of whole words, so that several threads may work on them.
static_assert(kPartSize % 64 == 0);

// Keeps those of the values of samples first, first + 1, ... that are in the range.
template <typename T>
void KeepRange(uint64_t first, absl::Span<const T> values, const Predicate& predicate,
               SampleSet* set) {
  constexpr uint64_t kWord = 64;
  constexpr uint64_t kPiece = 1024;
  const NumberRange<T> range(predicate.minimum, predicate.maximum);
  const bool keep_missing = predicate.missing == Predicate::Missing::kKeep;
  for (; !values.empty(); first += kPiece, values.remove_prefix(std::min(kPiece, values.size()))) {
    const auto piece = values.subspan(0, kPiece);
    uint64_t* const words = &set->words()[first / kWord];
    const size_t count = (piece.size() + kWord - 1) / kWord;
    RangeBits inside[kPiece / kWord];
    RangeBits numbers[kPiece / kWord];
    CompareToRange(piece, range.first(), range.last(), inside);
    if (keep_missing) CompareToRange(piece, kLeastOf<T>, kGreatestOf<T>, numbers);
    for (size_t w = 0; w < count; ++w) {
      words[w] &= inside[w].inside | (keep_missing ? ~numbers[w].inside : 0);
    }
  }
}

void KeepRange(const ColumnView& column, const Predicate& predicate, uint64_t num_samples,
               const Executor* executor, SampleSet* set) {
  ForEachPart(executor, num_samples, [&](size_t, uint64_t begin, uint64_t end) {
    ForEachChunk(ViewFrom(column, begin), end - begin, [&](uint64_t at, const auto& values) {
      KeepRange(begin + at, values, predicate, set);
    });
  });
}

template <typename T>
void KeepValuesOf(const ColumnView& column, const Predicate& predicate, uint64_t num_samples,
                  const Executor* executor, SampleSet* set) {
  const ValueSet<T> all(predicate.values);
  const bool wanted = predicate.kind == Predicate::Kind::kIn;
  Ranges(executor, num_samples, kPartSize).ForEach([&](size_t, uint64_t first, uint64_t last) {
    ValueSet<T> listed = all;  // it remembers the last answer
    for (; first < last; first += kChunkSamples) {
      const T* chunk = static_cast<const T*>(column.chunks[first / kChunkSamples]);
      Intersect(
          first, absl::MakeConstSpan(chunk, std::min(kChunkSamples, last - first)),
          [&](T value) { return listed.Contains(value) == wanted; }, set);
    }
  });
}

// Keeps the samples whose labels are as the predicate says.
void KeepLabels(const LabelSetView& sets, const Predicate& predicate, uint64_t num_samples,
                const Executor* executor, SampleSet* set) {
  const ValueSet<uint32_t> all(predicate.values);
  // A label that cannot be is one that no sample has.
  const std::set<int64_t> wanted(predicate.values.begin(), predicate.values.end());
  const uint64_t least = predicate.kind == Predicate::Kind::kAllOf ? wanted.size() : 1;
  const bool keep_those = predicate.kind != Predicate::Kind::kNoneOf;
  Ranges(executor, num_samples, kPartSize).ForEach([&](size_t, uint64_t begin, uint64_t end) {
    ValueSet<uint32_t> listed = all;
    ForEachLabelSet(ViewFrom(sets, begin), end - begin,
                    [&](uint64_t at, absl::Span<const uint32_t> labels) {
                      uint64_t found = 0;
                      for (const uint32_t label : labels) found += listed.Contains(label);
                      if ((found >= least) != keep_those) set->Remove(begin + at);
                    });
  });
}

absl::Status KeepValues(const ColumnView& column, const Predicate& predicate,
                        const std::string& path, uint64_t num_samples, const Executor* executor,
                        SampleSet* set) {
  if (!column.integer()) {
    return InvalidField(path + ".column", absl::StrCat("\"", predicate.column,
                                                       "\" is not of an integer type: in and "
                                                       "not_in compare whole numbers"));
  }
  VisitType(column.type, [&](const auto* type) {
    using T = std::remove_cv_t<std::remove_pointer_t<decltype(type)>>;
    if constexpr (!std::is_floating_point_v<T>) {
      KeepValuesOf<T>(column, predicate, num_samples, executor, set);
    }
  });
  return absl::OkStatus();
}

// The groups of predicate.within.
absl::StatusOr<std::shared_ptr<const Strata>> Groups(const PlanInput& input,
                                                     const Predicate& predicate,
                                                     const std::string& path) {
  if (predicate.within == input.spec.proportion.column && input.strata != nullptr) {
    return input.strata;
  }
  const std::string field = path + ".within";
  const auto it = input.columns.dataset.find(predicate.within);
  if (it == input.columns.dataset.end()) {
    return InvalidField(field, absl::StrCat("\"", predicate.within, "\" is not in the dataset"));
  }
  if (!it->second.integer()) {
    return InvalidField(field,
                        absl::StrCat("\"", predicate.within, "\" is not of an integer type"));
  }
  return BuildStrata(it->second, input.num_samples, field, input.executor);
}

// Whether who stays depends on how many there are, and so ties on the seed.
bool CutsByRank(const Predicate& predicate) {
  return predicate.kind == Predicate::Kind::kQuantile ||
         (predicate.kind == Predicate::Kind::kRange && predicate.minimum_keep > 0);
}

absl::Status Keep(const PlanInput& input, const Predicate& predicate, size_t number,
                  const std::string& path, SampleSet* set) {
  if (predicate.by_labels()) {
    const auto it = input.columns.label_sets.find(predicate.column);
    if (it == input.columns.label_sets.end()) {
      return InvalidField(path + ".column",
                          absl::StrCat("\"", predicate.column, "\" is not a column of label sets"));
    }
    KeepLabels(it->second, predicate, input.num_samples, input.executor, set);
    return absl::OkStatus();
  }
  SUBSET_ASSIGN_OR_RETURN(const auto source, Source::Of(input, predicate, path));
  const ColumnView& column = source->view();
  if (!predicate.by_range()) {
    return KeepValues(column, predicate, path, input.num_samples, input.executor, set);
  }
  if (!CutsByRank(predicate)) {
    KeepRange(column, predicate, input.num_samples, input.executor, set);
    return absl::OkStatus();
  }
  std::shared_ptr<const Strata> groups;
  if (!predicate.within.empty()) {
    SUBSET_ASSIGN_OR_RETURN(groups, Groups(input, predicate, path));
  }
  const PhiloxKey ties = DeriveKey({input.key.seed, 0, 0}, Purpose::kFilterTies, number);
  CutByRank(column, predicate, groups.get(), input.num_samples, ties, input.executor, set);
  return absl::OkStatus();
}

bool ExcludesMissingIrreducible(const SamplerSpec& spec) {
  return !spec.preference.irreducible.empty() &&
         spec.preference.missing_irreducible == Preference::MissingIrreducible::kExclude;
}

}  // namespace

double TestedScore(const Predicate& predicate, float reported) {
  return predicate.score == kForgettingColumn ? ForgettingRank(reported) : reported;
}

bool HasFilter(const SamplerSpec& spec) {
  return !spec.eligible.all.empty() || ExcludesMissingIrreducible(spec);
}

bool FilterReadsScores(const SamplerSpec& spec) {
  return std::any_of(spec.eligible.all.begin(), spec.eligible.all.end(),
                     [](const Predicate& predicate) { return predicate.column.empty(); });
}

bool FilterReadsSeed(const SamplerSpec& spec) {
  return std::any_of(spec.eligible.all.begin(), spec.eligible.all.end(), CutsByRank);
}

absl::StatusOr<SampleSet> EligibleSamples(const PlanInput& input) {
  SampleSet set = SampleSet::All(input.num_samples);
  const std::vector<Predicate>& all = input.spec.eligible.all;
  for (size_t i = 0; i < all.size(); ++i) {
    SUBSET_RETURN_IF_ERROR(Keep(input, all[i], i, absl::StrCat("eligible.all[", i, "]"), &set));
  }
  if (ExcludesMissingIrreducible(input.spec)) {
    Predicate present;  // any number
    present.column = input.spec.preference.irreducible;
    present.missing = Predicate::Missing::kDrop;
    SUBSET_RETURN_IF_ERROR(Keep(input, present, all.size(), "preference.irreducible", &set));
  }
  return set;
}

}  // namespace subset::sampling
