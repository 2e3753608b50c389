// What somebody may have meant by a name that is not known.

#ifndef SUBSET_BASE_NEAREST_NAME_H_
#define SUBSET_BASE_NEAREST_NAME_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace subset {

// Returns the number of edits (insert, delete, replace) that make b of a. O(|a| |b|).
size_t EditDistance(absl::string_view a, absl::string_view b);

// Returns the string of `known`, a container of them, that is nearest to `name`: the first of
// several, empty if there is none.
template <typename Container>
std::string NearestName(absl::string_view name, const Container& known) {
  std::string nearest;
  size_t best = static_cast<size_t>(-1);
  for (const auto& candidate : known) {
    const size_t distance = EditDistance(name, candidate);
    if (distance >= best) continue;
    best = distance;
    nearest = std::string(candidate);
  }
  return nearest;
}

// Returns `"NAME" is not a KIND; did you mean "NEAREST"?`, the name cut to a sane length.
template <typename Container>
std::string UnknownName(absl::string_view kind, absl::string_view name, const Container& known) {
  name = name.substr(0, 64);
  std::string text = "\"" + std::string(name) + "\" is not a " + std::string(kind);
  const std::string nearest = NearestName(name, known);
  return nearest.empty() ? text : text + "; did you mean \"" + nearest + "\"?";
}

}  // namespace subset

#endif  // SUBSET_BASE_NEAREST_NAME_H_
