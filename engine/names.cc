#include "engine/names.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"

namespace subset {
namespace {

constexpr uint32_t kDefaultPageSize = 100;
constexpr uint32_t kMaxPageSize = 1000;
constexpr size_t kMaxShownName = 128;

}  // namespace

absl::StatusOr<std::pair<std::string, std::string>> SplitSamplerName(absl::string_view field,
                                                                     absl::string_view name) {
  const size_t slash = name.find('/');
  if (slash == absl::string_view::npos) {
    return InvalidField(field, absl::StrCat("\"", absl::CHexEscape(name.substr(0, kMaxShownName)),
                                            "\" is not of the form \"dataset/sampler\""));
  }
  SUBSET_RETURN_IF_ERROR(ValidateName(field, name.substr(0, slash)));
  SUBSET_RETURN_IF_ERROR(ValidateName(field, name.substr(slash + 1)));
  return std::make_pair(std::string(name.substr(0, slash)), std::string(name.substr(slash + 1)));
}

absl::Status NotFoundAmong(absl::string_view kind, absl::string_view name,
                           const std::vector<std::string>& known) {
  const std::string shown = absl::CHexEscape(name.substr(0, kMaxShownName));
  if (known.empty()) return NotFound(kind, shown);
  return WithReason(
      absl::NotFoundError(absl::StrCat(kind, " \"", shown, "\" does not exist; did you mean \"",
                                       NearestName(shown, known), "\"?")),
      "NOT_FOUND");
}

absl::StatusOr<Page> FindPage(const std::vector<std::string>& names, uint32_t page_size,
                              const std::string& token) {
  if (page_size > kMaxPageSize) {
    return InvalidField("page_size",
                        absl::StrCat(page_size, " is outside [0, ", kMaxPageSize, "]"));
  }
  // A token is a name that was on a page; its bearer may be gone since.
  if (!token.empty()) {
    const size_t slash = token.find('/');
    const bool pair = slash != std::string::npos;
    if (pair) SUBSET_RETURN_IF_ERROR(ValidateName("page_token", token.substr(0, slash)));
    SUBSET_RETURN_IF_ERROR(ValidateName("page_token", pair ? token.substr(slash + 1) : token));
  }
  Page page;
  page.begin = token.empty()
                   ? 0
                   : static_cast<size_t>(std::upper_bound(names.begin(), names.end(), token) -
                                         names.begin());
  page.end =
      std::min<size_t>(names.size(), page.begin + (page_size == 0 ? kDefaultPageSize : page_size));
  if (page.end < names.size()) page.next_token = names[page.end - 1];
  return page;
}

}  // namespace subset
