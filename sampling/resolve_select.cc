#include "base/error.h"
#include "base/status_macros.h"
#include "sampling/resolve.h"
#include "sampling/spec_numbers.h"

namespace subset::sampling {

absl::Status ResolveSelect(SamplerSpec* spec) {
  if (!spec->select.has_value()) return absl::OkStatus();
  if (spec->select->count != 0 || spec->select->uniform != 0) {
    return InvalidField(spec->select->count != 0 ? "select.count" : "select.uniform",
                        "is set: a sampler's pools are parts of a run's global batches, of any "
                        "size, so give shares (keep, uniform_share)");
  }
  if (spec->select->counts()) {
    SUBSET_RETURN_IF_ERROR(CheckRange("select.keep", spec->select->keep, kFraction));
  }
  const Preference& preference = spec->preference;
  if (!preference.irreducible.empty() &&
      preference.missing_irreducible == Preference::MissingIrreducible::kStratumMean) {
    return InvalidField("preference.missing_irreducible",
                        "STRATUM_MEAN does not go with select: a pool is no stratum");
  }
  return ResolveSelectRule(&*spec->select);
}

}  // namespace subset::sampling
