#include "engine/epoch.h"

#include "base/status_macros.h"

namespace subset {

uint64_t NumSteps(uint64_t num_positions, const v1::Run& run) {
  const uint64_t batch = run.global_batch_size();
  return num_positions / batch + (run.drop_last() || num_positions % batch == 0 ? 0 : 1);
}

uint64_t NumPositionsToReport(uint64_t num_positions, const v1::Run& run) {
  return run.drop_last() ? NumSteps(num_positions, run) * run.global_batch_size() : num_positions;
}

absl::StatusOr<sampling::PlanInput> MakePlanInput(const v1::Run& run, uint64_t epoch,
                                                  const SamplerVersion& sampler,
                                                  const StoredColumn* column) {
  sampling::PlanInput input;
  input.spec = sampler.spec;
  input.key = {run.seed(), sampler.proto.version(), epoch};
  input.num_samples = run.num_samples();
  if (column != nullptr) {
    SUBSET_ASSIGN_OR_RETURN(input.strata, column->Strata());
  }
  return input;
}

}  // namespace subset
