#include "sampling/resolve.h"

#include "base/error.h"

namespace subset::sampling {

absl::Status ResolveProportion(SamplerSpec* spec) {
  const Proportion& proportion = spec->proportion;
  if (proportion.kind > Proportion::Kind::kEqual || proportion.within != nullptr) {
    return InvalidField("proportion.kind", "is not known to this version");
  }
  if (proportion.column.empty()) {
    if (proportion.kind == Proportion::Kind::kEqual) {
      return InvalidField("proportion.column", "is empty: EQUAL needs the column of its strata");
    }
    return absl::OkStatus();
  }
  return ValidateName("proportion.column", proportion.column);
}

}  // namespace subset::sampling
