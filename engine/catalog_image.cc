// Catalog to and from its image.

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/catalog.h"
#include "engine/spec_proto.h"

namespace subset {
namespace {

// Versions of one sampler, by number.
using Versions = std::map<uint64_t, std::shared_ptr<const SamplerVersion>>;

// Into `versions`, which has the older ones.
absl::Status RestoreSampler(const v1::Sampler& saved, Versions* versions) {
  auto sampler = std::make_shared<SamplerVersion>();
  sampler->proto = saved;
  absl::StatusOr<sampling::SamplerSpec> spec = SpecFromProto(saved.spec());
  if (!spec.ok()) {
    return absl::DataLossError(absl::StrCat("image \"catalog\": sampler \"", saved.name(),
                                            "\": ", spec.status().message()));
  }
  sampler->spec = *std::move(spec);
  if (!versions->empty()) {
    sampler->before =
        VersionBefore(versions->rbegin()->second, saved.from_epoch(), saved.from_step());
  }
  (*versions)[saved.version()] = std::move(sampler);
  return absl::OkStatus();
}

absl::Status Dangling(absl::string_view what, Uid uid) {
  return absl::DataLossError(
      absl::StrCat("image \"catalog\" refers to ", what, " ", uid, ", which it does not hold"));
}

}  // namespace

log::v1::Catalog Catalog::Save() const {
  log::v1::Catalog saved;
  ReaderLock lock(&mu_);
  saved.set_incarnation(incarnation_);
  saved.set_next_uid(next_uid_);
  std::map<Uid, log::v1::DatasetState*> datasets;
  for (const auto& [uid, dataset] : datasets_) {
    log::v1::DatasetState* state = saved.add_datasets();
    datasets[uid] = state;
    *state->mutable_dataset() = dataset->proto;
    state->mutable_dataset()->clear_columns();
    for (const auto& [name, column] : dataset->columns) *state->add_columns() = column->stored();
  }
  std::map<Uid, log::v1::SamplerState*> samplers;
  for (const auto& [uid, sampler] : samplers_) {
    log::v1::SamplerState* state = saved.add_samplers();
    samplers[uid] = state;
    *state->mutable_sampler() = sampler->proto;
  }
  std::map<const void*, bool> seen;  // what is shared is saved once
  for (const auto& [uid, newest] : samplers_) {
    for (auto older = newest->before.get(); older != nullptr; older = older->before.get()) {
      *samplers[uid]->add_older() = older->proto;
      seen[older] = true;
    }
  }
  for (const auto& [uid, run] : runs_) {
    log::v1::RunState* state = saved.add_runs();
    run->Save(state);
    for (log::v1::EpochState& epoch : *state->mutable_epochs()) {
      epoch.set_live_steps_gone(run->live_draws().StepsGone(epoch.opened().epoch()));
    }
    const Uid dataset = run->settings().dataset_uid();
    for (const auto& epoch : run->Epochs()) {
      for (const auto& [name, column] : epoch->columns) {
        if (seen[column.get()]) continue;
        seen[column.get()] = true;
        const auto& current = datasets_.at(dataset)->columns.at(name);
        if (current != column) *datasets[dataset]->add_replaced() = column->stored();
      }
      const SamplerVersion* sampler = epoch->sampler.get();
      const Uid sampler_uid = sampler->proto.uid();
      if (!seen[sampler] &&
          sampler->proto.version() != samplers_.at(sampler_uid)->proto.version()) {
        *samplers[sampler_uid]->add_older() = sampler->proto;
      }
      seen[sampler] = true;
    }
  }
  return saved;
}

absl::Status Catalog::Restore(uint64_t sequence, const log::v1::Catalog& saved) {
  WriterLock lock(&mu_);
  sequence_ = sequence;
  incarnation_ = saved.incarnation();
  next_uid_ = saved.next_uid();
  Shared shared;
  for (const log::v1::DatasetState& state : saved.datasets()) {
    auto dataset = std::make_shared<Dataset>();
    dataset->proto = state.dataset();
    const uint64_t num_samples = dataset->num_samples();
    for (const log::v1::StoredColumn& stored : state.columns()) {
      const auto column = std::make_shared<StoredColumn>(stored, num_samples, nullptr);
      dataset->columns[stored.column().name()] = column;
      shared.columns[{stored.import_uid(), stored.column().name()}] = column;
    }
    for (const log::v1::StoredColumn& stored : state.replaced()) {
      shared.columns[{stored.import_uid(), stored.column().name()}] =
          std::make_shared<StoredColumn>(stored, num_samples, nullptr);
    }
    dataset->Describe();
    dataset_names_[dataset->name()] = dataset->uid();
    datasets_[dataset->uid()] = std::move(dataset);
  }
  for (const log::v1::SamplerState& state : saved.samplers()) {
    const Uid uid = state.sampler().uid();
    std::map<uint64_t, const v1::Sampler*> saved_versions;
    for (const v1::Sampler& older : state.older()) saved_versions[older.version()] = &older;
    saved_versions[state.sampler().version()] = &state.sampler();
    Versions versions;
    for (const auto& [version, sampler] : saved_versions) {
      SUBSET_RETURN_IF_ERROR(RestoreSampler(*sampler, &versions));
    }
    samplers_[uid] = versions.at(state.sampler().version());
    for (const auto& [version, sampler] : versions) shared.samplers[{uid, version}] = sampler;
    sampler_names_[state.sampler().name()] = uid;
  }
  for (const log::v1::RunState& state : saved.runs()) {
    SUBSET_RETURN_IF_ERROR(RestoreRun(state, shared));
  }
  return absl::OkStatus();
}

absl::Status Catalog::RestoreRun(const log::v1::RunState& state, const Shared& shared) {
  const v1::Run& settings = state.run();
  if (datasets_.count(settings.dataset_uid()) == 0) {
    return Dangling("dataset", settings.dataset_uid());
  }
  const auto run =
      std::make_shared<Run>(settings, FindScores(settings.uid(), settings.num_samples()));
  SUBSET_RETURN_IF_ERROR(
      run->Restore(state, [&](Uid table) { return FindScores(table, settings.num_samples()); }));
  for (const log::v1::EpochState& saved : state.epochs()) {
    auto epoch = std::make_shared<Epoch>();
    epoch->opened = saved.opened();
    epoch->open_time_micros = saved.open_time_micros();
    const auto sampler =
        shared.samplers.find({settings.sampler_uid(), saved.opened().sampler_version()});
    if (sampler == shared.samplers.end()) {
      return Dangling("a version of sampler", settings.sampler_uid());
    }
    epoch->sampler = sampler->second;
    std::map<std::string, Uid> columns(saved.columns().begin(), saved.columns().end());
    if (saved.column_import_uid() != 0) {
      columns[epoch->sampler->spec.proportion.column] = saved.column_import_uid();
    }
    for (const auto& [name, import_uid] : columns) {
      const auto column = shared.columns.find({import_uid, name});
      if (column == shared.columns.end()) return Dangling("a column of import", import_uid);
      epoch->columns[name] = column->second;
    }
    run->RestoreEpoch(std::move(epoch), saved);
  }
  SUBSET_RETURN_IF_ERROR(run->RestoreLearned(state.learned_shares()));
  run_names_[settings.name()] = settings.uid();
  runs_[settings.uid()] = run;
  return absl::OkStatus();
}

}  // namespace subset
