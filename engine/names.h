// Names and lists of the API.

#ifndef SUBSET_ENGINE_NAMES_H_
#define SUBSET_ENGINE_NAMES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace subset {

// Returns the parts of "dataset/sampler". Fails with kInvalidArgument naming `field`.
absl::StatusOr<std::pair<std::string, std::string>> SplitSamplerName(absl::string_view field,
                                                                     absl::string_view name);

// As base's NotFound, with the nearest of `known` (if any) given.
absl::Status NotFoundAmong(absl::string_view kind, absl::string_view name,
                           const std::vector<std::string>& known);

// A page of a list that is sorted by name.
struct Page {
  size_t begin = 0;
  size_t end = 0;
  std::string next_token;  // empty on the last page
};

// Returns the page after `token` (the last name of the page before) of `names`, which are sorted.
// Fails with kInvalidArgument naming page_size or page_token.
absl::StatusOr<Page> FindPage(const std::vector<std::string>& names, uint32_t page_size,
                              const std::string& token);

}  // namespace subset

#endif  // SUBSET_ENGINE_NAMES_H_
