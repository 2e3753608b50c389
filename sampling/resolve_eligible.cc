#include <string>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "sampling/resolve.h"

namespace subset::sampling {
namespace {

constexpr size_t kMaxPredicates = 16;
constexpr size_t kMaxValues = 65536;

const char* Name(Predicate::Kind kind) {
  switch (kind) {
    case Predicate::Kind::kIn:
      return "in";
    case Predicate::Kind::kNotIn:
      return "not_in";
    case Predicate::Kind::kRange:
      return "range";
    case Predicate::Kind::kQuantile:
      return "quantile";
    case Predicate::Kind::kAnyOf:
      return "any_of";
    case Predicate::Kind::kAllOf:
      return "all_of";
    case Predicate::Kind::kNoneOf:
      return "none_of";
  }
  return "";
}

// The numbers themselves are checked by their table.
absl::Status ResolvePredicate(const std::string& path, Predicate* predicate) {
  using Kind = Predicate::Kind;
  using Missing = Predicate::Missing;
  const bool by_column = !predicate->column.empty();
  if (by_column == !predicate->score.empty()) {
    return InvalidField(path, by_column ? "has both a column and a score: it tests one of them"
                                        : "has neither a column nor a score to test");
  }
  SUBSET_RETURN_IF_ERROR(by_column ? ValidateName(path + ".column", predicate->column)
                                   : ValidateName(path + ".score", predicate->score));
  if (predicate->missing == Missing::kDefault) {
    predicate->missing = by_column ? Missing::kDrop : Missing::kKeep;
  }
  if (!predicate->by_range()) {
    const std::string field = absl::StrCat(path, ".", Name(predicate->kind));
    if (!by_column) {
      return InvalidField(field, predicate->by_labels()
                                     ? "needs a column of label sets; a score takes range"
                                     : "needs an integer column; a score takes range");
    }
    const size_t count = predicate->values.size();
    if (count == 0 || count > kMaxValues) {
      return InvalidField(
          field + ".values",
          absl::StrCat("has ", count, " entries, which is outside [1, ", kMaxValues, "]"));
    }
    if (!predicate->within.empty()) {
      return InvalidField(path + ".within", "goes with range and quantile only");
    }
    if (predicate->minimum_keep != 0) {
      return InvalidField(path + ".minimum_keep", "goes with range and quantile only");
    }
    return absl::OkStatus();
  }
  if (!predicate->within.empty()) {
    SUBSET_RETURN_IF_ERROR(ValidateName(path + ".within", predicate->within));
  }
  if (predicate->kind == Kind::kRange && predicate->minimum >= predicate->maximum) {
    return InvalidField(path + ".range",
                        absl::StrCat("holds nothing: minimum ", predicate->minimum,
                                     " is not below maximum ", predicate->maximum));
  }
  if (predicate->kind == Kind::kQuantile && predicate->low >= predicate->high) {
    return InvalidField(path + ".quantile", absl::StrCat("holds nothing: low ", predicate->low,
                                                         " is not below high ", predicate->high));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolveEligible(SamplerSpec* spec) {
  std::vector<Predicate>& all = spec->eligible.all;
  if (all.size() > kMaxPredicates) {
    return InvalidField(
        "eligible.all",
        absl::StrCat("has ", all.size(), " tests, which is more than ", kMaxPredicates));
  }
  for (size_t i = 0; i < all.size(); ++i) {
    SUBSET_RETURN_IF_ERROR(ResolvePredicate(absl::StrCat("eligible.all[", i, "]"), &all[i]));
  }
  return absl::OkStatus();
}

}  // namespace subset::sampling
