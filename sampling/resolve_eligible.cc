#include "sampling/resolve.h"

#include "base/error.h"

namespace subset::sampling {

absl::Status ResolveEligible(SamplerSpec* spec) {
  if (spec->eligible.all.empty()) return absl::OkStatus();
  return InvalidField("eligible", "is not known to this version");
}

}  // namespace subset::sampling
