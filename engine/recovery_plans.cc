// Recovery of plans: stored ones are parsed, the others are a function of their record.

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/image_names.h"
#include "engine/recovery_images.h"
#include "sampling/score_draw.h"

namespace subset {
namespace {

struct StoredPlan {
  uint64_t size = 0;  // as its record says; 0: it does not
  std::string bytes;
};

absl::Status LoadPlan(const Run& run, const std::map<Uid, StoredPlan>& stored, Epoch* epoch) {
  SUBSET_ASSIGN_OR_RETURN(
      const sampling::PlanInput input,
      MakePlanInput(run.settings(), epoch->opened, *epoch->sampler, epoch->columns));
  const Uid plan_uid = epoch->opened.plan_uid();
  if (plan_uid == 0) {
    SUBSET_ASSIGN_OR_RETURN(epoch->plan, sampling::BuildPlan(input));
  } else {
    const StoredPlan& plan = stored.at(plan_uid);
    if (plan.bytes.empty() || (plan.size != 0 && plan.bytes.size() != plan.size)) {
      return absl::DataLossError(absl::StrCat("image \"", PlanPrefix(plan_uid), "\" has ",
                                              plan.bytes.size(), " bytes, its record says ",
                                              plan.size));
    }
    SUBSET_ASSIGN_OR_RETURN(epoch->plan, sampling::ParsePlan(input, plan.bytes));
  }
  const uint64_t positions = epoch->plan->traits().num_positions;
  if (positions == epoch->num_positions()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the plan has ", positions, " positions, its record ", epoch->num_positions()));
}

// The newest epoch of each definition gets a fresh index; older ones of the same draw from it too.
using Definition = std::pair<uint64_t, PinnedColumns>;  // sampler version, columns
absl::Status LoadLiveDraw(Run* run, Epoch* epoch,
                          std::map<Definition, std::shared_ptr<sampling::ScoreDraw>>* draws) {
  std::shared_ptr<sampling::ScoreDraw>& draw =
      (*draws)[{epoch->opened.sampler_version(), epoch->columns}];
  if (draw == nullptr) {
    SUBSET_ASSIGN_OR_RETURN(
        sampling::PlanInput input,
        MakePlanInput(run->settings(), epoch->opened, *epoch->sampler, epoch->columns));
    const RunSnapshot snapshot = run->Snapshot(epoch->sampler->spec.ScoreColumns());
    input.columns.scores = snapshot.views();
    SUBSET_ASSIGN_OR_RETURN(draw, sampling::ScoreDraw::Build(input));
  }
  epoch->live_traits = draw->traits();
  run->SetDraw(epoch->number(), draw);
  return absl::OkStatus();
}

}  // namespace

absl::Status LoadPlans(Store* store, const Catalog& catalog, std::vector<std::string>* orphans) {
  std::map<Uid, StoredPlan> stored;
  for (const auto& run : catalog.Runs()) {
    for (const auto& epoch : run->Epochs()) {
      if (epoch->opened.plan_uid() != 0) {
        stored[epoch->opened.plan_uid()].size = epoch->opened.plan_bytes();
      }
    }
  }
  SUBSET_RETURN_IF_ERROR(store->ReadImages(
      "plan/", [&](absl::string_view name, absl::string_view bytes) -> absl::Status {
        const std::optional<ImageName> parsed = ParseImageName(name);
        if (!parsed.has_value()) {
          return absl::DataLossError(
              absl::StrCat("image \"", name, "\" has a name this version does not know"));
        }
        const auto plan = stored.find(parsed->owner);
        if (plan == stored.end()) {
          orphans->emplace_back(name);
        } else {
          // Known ahead: a plan of a large dataset is not copied again and again while it grows.
          plan->second.bytes.reserve(plan->second.size);
          absl::StrAppend(&plan->second.bytes, bytes);
        }
        return absl::OkStatus();
      }));
  for (const auto& run : catalog.Runs()) {
    std::map<Definition, std::shared_ptr<sampling::ScoreDraw>> draws;
    const std::vector<std::shared_ptr<Epoch>> epochs = run->MutableEpochs();
    for (auto epoch = epochs.rbegin(); epoch != epochs.rend(); ++epoch) {
      const absl::Status loaded = (*epoch)->live() ? LoadLiveDraw(run.get(), epoch->get(), &draws)
                                                   : LoadPlan(*run, stored, epoch->get());
      if (!loaded.ok()) {
        return absl::DataLossError(absl::StrCat("epoch ", (*epoch)->number(), " of run \"",
                                                run->settings().name(), "\": ", loaded.message()));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace subset
