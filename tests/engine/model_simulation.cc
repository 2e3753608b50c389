#include "tests/engine/model_simulation.h"

#include <algorithm>
#include <utility>

#include "engine/catalog.h"
#include "engine/recovery.h"

namespace subset {

Simulation::Simulation(uint32_t seed) : random_(seed) {
  for (uint64_t i = 0; i < kModelSamples; ++i) model_.labels[i] = static_cast<uint8_t>(i % 5);
  EXPECT_OK(Import(model_.labels));
  const std::map<std::string, std::map<std::string, double>> presets = {
      {"uniform", {{"fraction", 0.1}}},
      {"class_balanced", {{"fraction", 0.1}}},
      {"importance", {{"fraction", 0.1}}},
      {"infobatch", {{"total_epochs", 50}}}};
  for (const auto& [preset, parameters] : presets) {
    const std::string name = "d/" + preset.substr(0, 5);
    const auto sampler = t_.CreateSampler(name, preset, parameters);
    EXPECT_OK(sampler);
    model_.samplers[name] = *sampler;
  }
  Checkpoint();
}

void Simulation::Step() {
  const int choice = static_cast<int>(random_() % 100);
  if (choice < 6) {
    CreateRun();
  } else if (choice < 12) {
    OpenSession();
  } else if (choice < 37) {
    Report();
  } else if (choice < 50) {
    Lease();
  } else if (choice < 63) {
    Acknowledge();
  } else if (choice < 66) {
    Commit();
  } else if (choice < 69) {
    Rollback();
  } else if (choice < 76) {
    OpenEpoch();
  } else if (choice < 80) {
    CheckDraws();
  } else if (choice < 83) {
    ReplaceLabels();
  } else if (choice < 86) {
    UpdateSampler();
  } else if (choice < 87) {
    DeleteRun();
  } else if (choice < 91) {
    FoldNow();
  } else if (choice < 95) {
    FailAReport();
  } else {
    CrashAndCompare();
  }
}

void Simulation::CrashAndCompare() {
  const int kind = static_cast<int>(random_() % 4);
  if (kind == 0) {
    t_.engine.reset();  // a clean end: all becomes durable
    Checkpoint();
    t_.disk.Crash();
  } else {
    t_.disk.Crash(kind == 1 ? 0 : kind == 2 ? 1000000 : random_() % 4);
    t_.engine.reset();
  }
  TakeWhatSurvived();
  leases_.clear();
  t_.Reopen();
  incarnation_ = t_.engine->Stats().incarnation;
  CompareRuns();
}

ModelRun* Simulation::AnyRun() {
  if (model_.runs.empty()) return nullptr;
  return &std::next(model_.runs.begin(), static_cast<long>(Below(model_.runs.size())))->second;
}

void Simulation::Logged(v1::Durability durability) {
  if (durability == v1::DURABILITY_APPLIED) {
    Unsynced();
  } else {
    Checkpoint();
  }
}

absl::StatusOr<v1::Dataset> Simulation::Import(const std::vector<uint8_t>& labels) {
  return t_.Import("d", kModelSamples,
                   {{ColumnOf("label", v1::COLUMN_TYPE_UINT8), Encode(labels)}});
}

void Simulation::CreateRun() {
  if (model_.runs.size() >= 5) return;
  const auto sampler =
      std::next(model_.samplers.begin(), static_cast<long>(Below(model_.samplers.size())));
  const std::string name = absl::StrCat("run", names_++);
  const auto run = t_.CreateRun(name, sampler->first, kModelBatch, Below(2) == 0, Below(1000));
  ASSERT_OK(run);
  ModelRun& model = model_.runs[name];
  model.proto = *run;
  model.sampler = sampler->first;
  Checkpoint();
}

void Simulation::OpenSession() {
  ModelRun* run = AnyRun();
  if (run == nullptr) return;
  const auto session = t_.OpenSession(run->proto.uid());
  ASSERT_OK(session);
  run->sessions[*session];
  Checkpoint();
}

void Simulation::DeleteRun() {
  ModelRun* run = AnyRun();
  if (run == nullptr) return;
  const std::string name = run->proto.name();
  ASSERT_OK(t_.DeleteRun(name));
  model_.runs.erase(name);
  Checkpoint();
}

void Simulation::ReplaceLabels() {
  const size_t classes = 2 + Below(6);
  for (uint64_t i = 0; i < kModelSamples; ++i) {
    model_.labels[i] = static_cast<uint8_t>((i * 7 + i / 100) % classes);
  }
  ASSERT_OK(Import(model_.labels));
  Checkpoint();
}

void Simulation::UpdateSampler() {
  const double fraction = 0.05 + 0.01 * static_cast<double>(Below(5));
  const auto sampler = t_.UpdateSampler("d/impor", "importance", {{"fraction", fraction}});
  ASSERT_OK(sampler);
  model_.samplers["d/impor"] = *sampler;
  Checkpoint();
}

void Simulation::FoldNow() {
  ASSERT_OK(t_.engine->FoldNow());
  Checkpoint();
}

void Simulation::OpenEpoch() {
  ModelRun* run = AnyRun();
  if (run == nullptr) return;
  const uint64_t newest = run->epochs.empty() ? 0 : run->epochs.rbegin()->first;
  const uint64_t number = Below(6) == 0 ? Below(newest + 1) : newest + 1 + Below(2);
  const auto epoch = t_.OpenEpoch(run->proto.uid(), number, /*now=*/true);
  if (run->epochs.count(number) > 0) {
    ASSERT_OK(epoch);
    ASSERT_EQ(epoch->sampler_version(), run->epochs[number].sampler_version);
    return;
  }
  if (!run->epochs.empty() && number < newest) {
    ASSERT_THAT(epoch, ReasonIs("EPOCH_GONE"));
    return;
  }
  ASSERT_OK(epoch);
  const v1::Sampler& sampler = model_.samplers[run->sampler];
  const bool driven = !sampler.spec().preference().has_uniform();
  v1::Epoch::Opened opened = v1::Epoch::NOT_SCORE_DRIVEN;
  if (driven) opened = v1::Epoch::FIRST;
  if (driven && !run->epochs.empty()) {
    opened = run->Complete(run->epochs.rbegin()->second) ? v1::Epoch::FEEDBACK_COMPLETE
                                                         : v1::Epoch::EXPLICIT;
  }
  ASSERT_EQ(epoch->opened(), opened);
  ASSERT_EQ(epoch->sampler_version(), sampler.version());
  ASSERT_EQ(epoch->score_version().records(), run->records);
  ModelEpoch& model = run->epochs[number];
  model.sampler_version = sampler.version();
  model.incarnation = incarnation_;
  model.draws = PlanOf(model_, *run, number);
  model.acknowledged.assign(model.draws.size(), false);
  run->Evict();
  leases_[run->proto.uid()].Follow(*run);
  Checkpoint();
  ASSERT_EQ(t_.EpochIndices(run->proto.uid(), number), model.draws);
}

void Simulation::CheckDraws() {
  const ModelRun* run = AnyRun();
  if (run == nullptr || run->epochs.empty()) return;
  const auto epoch = std::next(run->epochs.begin(), static_cast<long>(Below(run->epochs.size())));
  const auto& draws = epoch->second.draws;
  const size_t position = Below(draws.size());
  const auto batch = t_.GetPositions(run->proto.uid(), epoch->first, position, 1 + Below(2000));
  ASSERT_OK(batch);
  const auto indices = Decode<uint32_t>(batch->indices());
  ASSERT_TRUE(
      std::equal(indices.begin(), indices.end(), draws.begin() + static_cast<long>(position)));
}

void Simulation::TakeWhatSurvived() {
  Catalog catalog;
  ASSERT_OK(Recover(t_.disk.Open().get(), &catalog));
  const auto survived = std::find_if(possible_.rbegin(), possible_.rend(), [&](const Model& model) {
    if (catalog.Runs().size() != model.runs.size()) return false;
    return std::all_of(model.runs.begin(), model.runs.end(), [&](const auto& run) {
      const auto recovered = catalog.FindRun(run.first);
      return recovered != nullptr && Same(run.second, *recovered);
    });
  });
  ASSERT_TRUE(survived != possible_.rend()) << "no prefix of what was applied";
  model_ = *survived;
  Checkpoint();
}

void Simulation::CompareRuns() {
  ASSERT_EQ(t_.engine->ListRuns({})->runs_size(), static_cast<int>(model_.runs.size()));
  for (const auto& [name, run] : model_.runs) {
    const auto described = t_.GetRun(name);
    ASSERT_OK(described);
    ASSERT_EQ(Describe(*described), Describe(run));
    for (const auto& [number, epoch] : run.epochs) {
      ASSERT_EQ(t_.EpochIndices(run.proto.uid(), number), epoch.draws);
    }
  }
}

}  // namespace subset
