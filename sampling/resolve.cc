#include "sampling/resolve.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace subset::sampling {

absl::Status CheckRange(absl::string_view field, double value, bool inside,
                        absl::string_view range) {
  if (inside) return absl::OkStatus();
  return InvalidField(field, absl::StrCat(value, " is outside ", range));
}

}  // namespace subset::sampling
