#include "engine/spec_check.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "sampling/eligible.h"
#include "sampling/strata.h"

namespace subset {
namespace {

// Names fields of the definition as the client gave it.
class Paths {
 public:
  explicit Paths(DefinedBy defined_by) : preset_(defined_by == DefinedBy::kPreset) {}
  std::string operator()(absl::string_view path) const {
    return preset_ ? "preset.column" : absl::StrCat("spec.", path);
  }

 private:
  const bool preset_;
};

// What a column is used as.
enum class Use { kNumber, kInteger, kStrata };

absl::Status CheckColumn(const Dataset& dataset, const std::string& field, const std::string& name,
                         Use use) {
  if (name.empty()) return absl::OkStatus();
  const auto stored = dataset.RequireColumn(name);
  if (!stored.ok()) return WithField(stored.status(), field);
  const v1::Column& column = (*stored)->column();
  if (use == Use::kNumber) return absl::OkStatus();
  if (!IsIntegerColumn(column.type())) {
    return InvalidField(
        field, absl::StrCat("\"", name, "\" is of type ", v1::ColumnType_Name(column.type()),
                            "; an integer type is needed"));
  }
  if (use == Use::kStrata && column.distinct_values() > sampling::kMaxStrata) {
    return InvalidField(field, absl::StrCat("\"", name, "\" has more than ", sampling::kMaxStrata,
                                            " distinct values: too many for strata"));
  }
  return absl::OkStatus();
}

absl::Status CheckSizes(const Dataset& dataset, const std::string& field, const std::string& name) {
  if (name.empty()) return absl::OkStatus();
  SUBSET_ASSIGN_OR_RETURN(const auto column, dataset.RequireColumn(name));
  absl::Status status;
  sampling::ForEachChunk(column->view(), dataset.num_samples(), [&](uint64_t first, auto values) {
    if (!status.ok()) return;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] >= 0) continue;  // NaN is no size either
      status = InvalidField(field, absl::StrCat("\"", name, "\" is ", values[i], " at sample ",
                                                first + i, ": a size is at least 0"));
      return;
    }
  });
  return status;
}

absl::Status CheckShares(const Dataset& dataset, const std::string& field,
                         const sampling::Proportion& proportion) {
  if (proportion.kind != sampling::Proportion::Kind::kExplicit) return absl::OkStatus();
  SUBSET_ASSIGN_OR_RETURN(const auto column, dataset.RequireColumn(proportion.column));
  SUBSET_ASSIGN_OR_RETURN(const auto strata, column->Strata());
  for (const int64_t value : strata->values) {
    if (proportion.shares.count(value) > 0) continue;
    return InvalidField(
        field, absl::StrCat("misses ", value, ", a value of column \"", proportion.column, "\""));
  }
  for (const auto& [value, share] : proportion.shares) {
    if (std::binary_search(strata->values.begin(), strata->values.end(), value)) continue;
    return InvalidField(field, absl::StrCat("names ", value, ", which is no value of column \"",
                                            proportion.column, "\""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckColumns(const sampling::SamplerSpec& spec, const Dataset& dataset,
                          DefinedBy defined_by) {
  const Paths path(defined_by);
  for (size_t i = 0; i < spec.eligible.all.size(); ++i) {
    const sampling::Predicate& predicate = spec.eligible.all[i];
    const bool values = predicate.kind == sampling::Predicate::Kind::kIn ||
                        predicate.kind == sampling::Predicate::Kind::kNotIn;
    const std::string at = absl::StrCat("eligible.all[", i, "]");
    SUBSET_RETURN_IF_ERROR(CheckColumn(dataset, path(at + ".column"), predicate.column,
                                       values ? Use::kInteger : Use::kNumber));
    SUBSET_RETURN_IF_ERROR(
        CheckColumn(dataset, path(at + ".within"), predicate.within, Use::kStrata));
  }
  std::string at = "proportion";
  for (const auto* level = &spec.proportion; level != nullptr; level = level->within.get()) {
    SUBSET_RETURN_IF_ERROR(CheckColumn(dataset, path(at + ".column"), level->column, Use::kStrata));
    SUBSET_RETURN_IF_ERROR(
        CheckColumn(dataset, path(at + ".size_column"), level->size_column, Use::kNumber));
    at += ".within";
  }
  SUBSET_RETURN_IF_ERROR(
      CheckColumn(dataset, path("preference.column"), spec.preference.column, Use::kNumber));
  SUBSET_RETURN_IF_ERROR(CheckColumn(dataset, path("preference.irreducible"),
                                     spec.preference.irreducible, Use::kNumber));
  SUBSET_RETURN_IF_ERROR(
      CheckColumn(dataset, path("draw.blocks.column"), spec.draw.block_column, Use::kNumber));
  if (spec.draw.kind != sampling::Draw::Kind::kBlocks) return absl::OkStatus();
  const uint64_t n = dataset.num_samples();
  if (spec.draw.block_length > n) {
    return InvalidField(path("draw.blocks.length"),
                        absl::StrCat(spec.draw.block_length, " is outside [1, ", n, "]"));
  }
  if (spec.draw.block_gap >= n) {
    return InvalidField(path("draw.blocks.gap"),
                        absl::StrCat(spec.draw.block_gap, " is outside [0, ", n, ")"));
  }
  return absl::OkStatus();
}

bool NeedsValues(const sampling::SamplerSpec& spec) {
  for (const auto* level = &spec.proportion; level != nullptr; level = level->within.get()) {
    if (!level->size_column.empty()) return true;
    if (level->kind == sampling::Proportion::Kind::kExplicit) return true;
  }
  return sampling::HasFilter(spec);
}

absl::Status CheckValues(const sampling::SamplerSpec& spec, const Dataset& dataset,
                         DefinedBy defined_by) {
  const Paths path(defined_by);
  std::string at = "proportion";
  for (const auto* level = &spec.proportion; level != nullptr; level = level->within.get()) {
    SUBSET_RETURN_IF_ERROR(CheckSizes(dataset, path(at + ".size_column"), level->size_column));
    SUBSET_RETURN_IF_ERROR(CheckShares(dataset, path(at + ".shares"), *level));
    at += ".within";
  }
  if (!sampling::HasFilter(spec) || sampling::FilterReadsScores(spec)) return absl::OkStatus();
  // Some sample must be left when training starts; a schedule may take more away later.
  sampling::PlanInput input;
  input.spec = sampling::SpecAt(spec, 0, 0);
  input.num_samples = dataset.num_samples();
  SUBSET_ASSIGN_OR_RETURN(const PinnedColumns columns, dataset.Pin(spec.DatasetColumns()));
  for (const auto& [name, column] : columns) input.columns.dataset[name] = column->view();
  SUBSET_ASSIGN_OR_RETURN(const sampling::SampleSet eligible, sampling::EligibleSamples(input));
  if (eligible.Count() > 0) return absl::OkStatus();
  return InvalidField(path("eligible"),
                      absl::StrCat("leaves none of the ", dataset.num_samples(), " samples"));
}

}  // namespace subset
