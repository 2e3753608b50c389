// Catalog's fold of datasets and samplers.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/catalog.h"
#include "engine/image_names.h"
#include "engine/spec_proto.h"
#include "google/protobuf/util/message_differencer.h"

namespace subset {
namespace {

absl::Status AlreadyExists(absl::string_view kind, absl::string_view name, absl::string_view why) {
  return WithReason(absl::AlreadyExistsError(absl::StrCat(kind, " \"", name, "\" exists", why)),
                    "ALREADY_EXISTS");
}

absl::Status InUse(absl::string_view kind, absl::string_view name, size_t runs) {
  return WithReason(
      absl::FailedPreconditionError(absl::StrCat(kind, " \"", name, "\" is used by ", runs,
                                                 " run(s); set force to delete them too")),
      "IN_USE");
}

void SetCreateTime(int64_t micros, google::protobuf::Timestamp* time) {
  time->set_seconds(micros / 1000000);
  time->set_nanos(static_cast<int32_t>(micros % 1000000) * 1000);
}

// Of one sampler, each from another epoch on.
constexpr size_t kMaxVersions = 64;

size_t NumVersions(const SamplerVersion* newest) {
  size_t n = 0;
  for (; newest != nullptr; newest = newest->before.get()) ++n;
  return n;
}

// Whether a version is in force wherever one that is committed now would be.
bool BeginsBy(const v1::Sampler& existing, const log::v1::SamplerCommitted& committed) {
  const auto by = [](uint64_t begin, uint64_t other) {
    return begin == 0 || (other > 0 && begin <= other);
  };
  return by(existing.from_epoch(), committed.from_epoch()) &&
         by(existing.from_step(), committed.from_step());
}

bool SameColumn(const v1::Column& a, const v1::Column& b) {
  return a.type() == b.type() && a.sha256() == b.sha256();
}

}  // namespace

Outcome Catalog::CommitDataset(const Record& record, Attachments attachments) {
  const log::v1::DatasetCommitted& committed = record.dataset_committed();
  Outcome outcome;
  outcome.garbage = {ImportPrefix(committed.import_uid())};  // unless it is taken
  WriterLock lock(&mu_);
  const auto name = dataset_names_.find(committed.name());
  auto dataset = std::make_shared<Dataset>();
  if (name == dataset_names_.end()) {
    dataset->proto.set_name(committed.name());
    dataset->proto.set_uid(next_uid_);
    dataset->proto.set_num_samples(committed.num_samples());
    SetCreateTime(record.time_micros(), dataset->proto.mutable_create_time());
  } else {
    const std::shared_ptr<const Dataset> existing = datasets_.at(name->second);
    if (committed.create_only()) {
      outcome.status = AlreadyExists("dataset", committed.name(), "");
      return outcome;
    }
    if (existing->num_samples() != committed.num_samples()) {
      outcome.status = WithReason(
          WithField(absl::FailedPreconditionError(absl::StrCat(
                        "num_samples ", committed.num_samples(), " differs from the ",
                        existing->num_samples(), " of dataset \"", committed.name(), "\"")),
                    "num_samples"),
          "NUM_SAMPLES_DIFFER");
      return outcome;
    }
    outcome.status = existing->CheckKinds(committed.columns(), "columns");
    if (!outcome.status.ok()) return outcome;
    const bool same = std::all_of(
        committed.columns().begin(), committed.columns().end(), [&](const v1::Column& column) {
          const auto it = existing->columns.find(column.name());
          return it != existing->columns.end() && SameColumn(it->second->column(), column);
        });
    if (same) {
      outcome.dataset = existing;
      return outcome;
    }
    *dataset = *existing;
  }
  const bool created = name == dataset_names_.end();
  dataset->proto.set_columns_version(dataset->proto.columns_version() + 1);
  std::vector<std::shared_ptr<StoredColumn>> replaced;
  for (const v1::Column& column : committed.columns()) {
    log::v1::StoredColumn stored;
    *stored.mutable_column() = column;
    stored.set_import_uid(committed.import_uid());
    stored.set_columns_version(dataset->proto.columns_version());
    std::shared_ptr<StoredColumn>& entry = dataset->columns[column.name()];
    if (entry != nullptr) replaced.push_back(std::move(entry));
    const auto values = attachments.columns.find(column.name());
    entry = std::make_shared<StoredColumn>(
        std::move(stored), dataset->num_samples(),
        values == attachments.columns.end() ? nullptr : values->second);
  }
  dataset->Describe();
  outcome.garbage.clear();
  outcome.dataset = dataset;
  datasets_[dataset->uid()] = dataset;
  if (created) dataset_names_[committed.name()] = next_uid_++;
  for (const auto& column : replaced) CollectColumn(*column, dataset->uid(), &outcome.garbage);
  return outcome;
}

Outcome Catalog::DeleteDataset(const log::v1::DatasetDeleted& deleted) {
  Outcome outcome;
  WriterLock lock(&mu_);
  const auto it = datasets_.find(deleted.uid());
  if (it == datasets_.end()) {
    outcome.status = NotFound("dataset", absl::StrCat(deleted.uid()));
    return outcome;
  }
  const std::shared_ptr<const Dataset> dataset = it->second;
  std::vector<Uid> samplers;
  size_t runs = 0;
  for (const auto& [uid, sampler] : samplers_) {
    if (sampler->proto.dataset_uid() != deleted.uid()) continue;
    samplers.push_back(uid);
    runs += RunsOf(uid).size();
  }
  if (runs > 0 && !deleted.force()) {
    outcome.status = InUse("dataset", dataset->name(), runs);
    return outcome;
  }
  for (const Uid uid : samplers) RemoveSampler(uid, &outcome);
  dataset_names_.erase(dataset->name());
  datasets_.erase(deleted.uid());
  for (const auto& [name, column] : dataset->columns) {
    outcome.garbage.push_back(ImportColumnPrefix(column->import_uid(), name));
  }
  outcome.dataset = dataset;
  return outcome;
}

Outcome Catalog::CommitSampler(const Record& record) {
  const log::v1::SamplerCommitted& committed = record.sampler_committed();
  Outcome outcome;
  WriterLock lock(&mu_);
  if (datasets_.count(committed.dataset_uid()) == 0) {
    outcome.status = NotFound("dataset", absl::StrCat(committed.dataset_uid()));
    return outcome;
  }
  const auto name = sampler_names_.find(committed.name());
  const bool exists = name != sampler_names_.end();
  if (committed.update() && !exists) {
    outcome.status = NotFound("sampler", committed.name());
    return outcome;
  }
  auto sampler = std::make_shared<SamplerVersion>();
  if (exists) {
    const std::shared_ptr<const SamplerVersion> existing = samplers_.at(name->second);
    // The same definition again changes nothing, so that a call may be repeated.
    const bool in_force = !committed.update() || BeginsBy(existing->proto, committed);
    if (in_force && google::protobuf::util::MessageDifferencer::Equals(existing->proto.spec(),
                                                                       committed.spec())) {
      outcome.sampler = existing;
      return outcome;
    }
    if (!committed.update()) {
      outcome.status = AlreadyExists("sampler", committed.name(), " with another definition");
      return outcome;
    }
    sampler->before = VersionBefore(existing, committed.from_epoch(), committed.from_step());
    outcome.status = CheckBegin(committed, existing->proto.uid(), sampler->before.get());
    if (!outcome.status.ok()) return outcome;
    sampler->proto = existing->proto;
    sampler->proto.set_from_epoch(committed.from_epoch());
    sampler->proto.set_from_step(committed.from_step());
  } else {
    sampler->proto.set_uid(next_uid_);
    sampler->proto.set_name(committed.name());
    sampler->proto.set_dataset_uid(committed.dataset_uid());
    SetCreateTime(record.time_micros(), sampler->proto.mutable_create_time());
  }
  absl::StatusOr<sampling::SamplerSpec> spec = SpecFromProto(committed.spec());
  if (!spec.ok()) {
    outcome.status = spec.status();
    return outcome;
  }
  sampler->spec = *std::move(spec);
  sampler->proto.set_version(sampler->proto.version() + 1);
  sampler->proto.set_preset(committed.preset());
  *sampler->proto.mutable_spec() = committed.spec();
  if (!exists) sampler_names_[committed.name()] = next_uid_++;
  samplers_[sampler->proto.uid()] = sampler;
  outcome.sampler = std::move(sampler);
  return outcome;
}

absl::Status Catalog::CheckBegin(const log::v1::SamplerCommitted& committed, Uid sampler,
                                 const SamplerVersion* before) const {
  const uint64_t from_epoch = committed.from_epoch();
  const uint64_t from_step = committed.from_step();
  if (from_epoch == 0 && from_step == 0) return absl::OkStatus();
  const auto taken = [](absl::string_view field, std::string what) {
    return WithReason(WithField(absl::FailedPreconditionError(std::move(what)), field),
                      "EPOCH_OPEN");
  };
  for (const Uid uid : RunsOf(sampler)) {
    const Run& run = *runs_.at(uid);
    const RunProgress progress = run.Progress();
    if (!progress.any_epoch) continue;
    if (from_epoch > 0 && progress.newest_epoch >= from_epoch) {
      return taken("from_epoch", absl::StrCat("from_epoch ", from_epoch, " is not ahead of run \"",
                                              run.settings().name(), "\", whose epoch ",
                                              progress.newest_epoch, " is open"));
    }
    if (from_step > 0 && progress.newest_first_step >= from_step) {
      return taken("from_step", absl::StrCat("from_step ", from_step, " is not ahead of run \"",
                                             run.settings().name(), "\", whose epoch ",
                                             progress.newest_epoch, ", which begins at step ",
                                             progress.newest_first_step, ", is open"));
    }
  }
  if (NumVersions(before) < kMaxVersions) return absl::OkStatus();
  return WithReason(absl::FailedPreconditionError(
                        absl::StrCat("sampler \"", committed.name(), "\" has ", kMaxVersions,
                                     " versions that wait for each other; one without from_epoch "
                                     "and from_step replaces them")),
                    "TOO_MANY_VERSIONS");
}

Outcome Catalog::DeleteSampler(const log::v1::SamplerDeleted& deleted) {
  Outcome outcome;
  WriterLock lock(&mu_);
  const auto it = samplers_.find(deleted.uid());
  if (it == samplers_.end()) {
    outcome.status = NotFound("sampler", absl::StrCat(deleted.uid()));
    return outcome;
  }
  const size_t runs = RunsOf(deleted.uid()).size();
  if (runs > 0 && !deleted.force()) {
    outcome.status = InUse("sampler", it->second->proto.name(), runs);
    return outcome;
  }
  outcome.sampler = it->second;
  RemoveSampler(deleted.uid(), &outcome);
  return outcome;
}

void Catalog::RemoveSampler(Uid uid, Outcome* outcome) {
  for (const Uid run : RunsOf(uid)) RemoveRun(run, outcome);
  const auto it = samplers_.find(uid);
  sampler_names_.erase(it->second->proto.name());
  samplers_.erase(it);
}

std::vector<Uid> Catalog::RunsOf(Uid sampler) const {
  std::vector<Uid> runs;
  for (const auto& [uid, run] : runs_) {
    if (run->settings().sampler_uid() == sampler) runs.push_back(uid);
  }
  return runs;
}

}  // namespace subset
