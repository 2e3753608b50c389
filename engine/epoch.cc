#include "engine/epoch.h"

#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "base/thread_executor.h"
#include "sampling/population.h"

namespace subset {

uint64_t NumSteps(uint64_t num_positions, const v1::Run& run) {
  const uint64_t batch = run.global_batch_size();
  return num_positions / batch + (run.drop_last() || num_positions % batch == 0 ? 0 : 1);
}

uint64_t NumPositionsToReport(uint64_t num_positions, const v1::Run& run) {
  return run.drop_last() ? NumSteps(num_positions, run) * run.global_batch_size() : num_positions;
}

std::shared_ptr<const SamplerVersion> VersionFor(std::shared_ptr<const SamplerVersion> newest,
                                                 uint64_t epoch, uint64_t first_step) {
  while (newest != nullptr &&
         (epoch < newest->proto.from_epoch() || first_step < newest->proto.from_step())) {
    newest = newest->before;
  }
  return newest;
}

std::shared_ptr<const SamplerVersion> VersionBefore(std::shared_ptr<const SamplerVersion> newest,
                                                    uint64_t from_epoch, uint64_t from_step) {
  constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();
  if (from_epoch > 0) return VersionFor(std::move(newest), from_epoch - 1, kAny);
  if (from_step > 0) return VersionFor(std::move(newest), kAny, from_step - 1);
  return nullptr;
}

std::string SamplerVersion::MainScore() const {
  const std::set<std::string> scores = spec.ScoreColumns();
  if (scores.empty()) return "loss";
  return scores.count(spec.preference.score) > 0 ? spec.preference.score : *scores.begin();
}

absl::StatusOr<sampling::PlanInput> MakePlanInput(const v1::Run& run,
                                                  const log::v1::EpochOpened& opened,
                                                  const SamplerVersion& sampler,
                                                  const PinnedColumns& columns) {
  sampling::PlanInput input;
  input.spec = sampling::SpecAt(sampler.spec, opened.epoch(), opened.first_step());
  input.key = {run.seed(), sampler.proto.version(), opened.epoch()};
  input.num_samples = run.num_samples();
  input.batch_size = run.global_batch_size();
  input.first_step = opened.first_step();
  input.executor = &AllThreads();
  input.columns = ViewsOf(columns);
  if (sampling::ReadsStrata(sampler.spec)) {
    const std::string& column = sampler.spec.proportion.column;
    SUBSET_ASSIGN_OR_RETURN(input.strata, columns.at(column)->Strata());
  }
  input.learned_shares = {opened.learned_shares().begin(), opened.learned_shares().end()};
  SUBSET_RETURN_IF_ERROR(sampler.populations.Fill(sampler.spec, columns, &input));
  return input;
}

}  // namespace subset
