#include "engine/catalog.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/image_names.h"

namespace subset {

uint64_t Catalog::sequence() const {
  ReaderLock lock(&mu_);
  return sequence_;
}

uint64_t Catalog::incarnation() const {
  ReaderLock lock(&mu_);
  return incarnation_;
}

namespace {

template <typename T>
std::shared_ptr<T> FindByUid(const std::map<Uid, std::shared_ptr<T>>& entries, Uid uid) {
  const auto it = entries.find(uid);
  return it == entries.end() ? nullptr : it->second;
}

template <typename T>
std::shared_ptr<T> FindByName(const std::map<std::string, Uid>& names,
                              const std::map<Uid, std::shared_ptr<T>>& entries,
                              absl::string_view name) {
  const auto it = names.find(std::string(name));
  return it == names.end() ? nullptr : FindByUid(entries, it->second);
}

template <typename T>
std::vector<std::shared_ptr<T>> AllByName(const std::map<std::string, Uid>& names,
                                          const std::map<Uid, std::shared_ptr<T>>& entries) {
  std::vector<std::shared_ptr<T>> all;
  for (const auto& [name, uid] : names) all.push_back(entries.at(uid));
  return all;
}

}  // namespace

std::shared_ptr<const Dataset> Catalog::FindDataset(absl::string_view name) const {
  ReaderLock lock(&mu_);
  return FindByName(dataset_names_, datasets_, name);
}
std::shared_ptr<const Dataset> Catalog::FindDataset(Uid uid) const {
  ReaderLock lock(&mu_);
  return FindByUid(datasets_, uid);
}
std::shared_ptr<const SamplerVersion> Catalog::FindSampler(absl::string_view name) const {
  ReaderLock lock(&mu_);
  return FindByName(sampler_names_, samplers_, name);
}
std::shared_ptr<const SamplerVersion> Catalog::FindSampler(Uid uid) const {
  ReaderLock lock(&mu_);
  return FindByUid(samplers_, uid);
}
std::shared_ptr<Run> Catalog::FindRun(Uid uid) const {
  ReaderLock lock(&mu_);
  return FindByUid(runs_, uid);
}
std::shared_ptr<Run> Catalog::FindRun(absl::string_view name) const {
  ReaderLock lock(&mu_);
  return FindByName(run_names_, runs_, name);
}

std::vector<std::shared_ptr<const Dataset>> Catalog::Datasets() const {
  ReaderLock lock(&mu_);
  return AllByName(dataset_names_, datasets_);
}
std::vector<std::shared_ptr<const SamplerVersion>> Catalog::Samplers() const {
  ReaderLock lock(&mu_);
  return AllByName(sampler_names_, samplers_);
}
std::vector<std::shared_ptr<Run>> Catalog::Runs() const {
  ReaderLock lock(&mu_);
  return AllByName(run_names_, runs_);
}

Outcome Catalog::Apply(uint64_t sequence, const Record& record, Attachments attachments) {
  {
    WriterLock lock(&mu_);
    sequence_ = sequence;
  }
  switch (record.body_case()) {
    case Record::kServerStarted: {
      WriterLock lock(&mu_);
      ++incarnation_;
      return {};
    }
    case Record::kDatasetCommitted:
      return CommitDataset(record, std::move(attachments));
    case Record::kDatasetDeleted:
      return DeleteDataset(record.dataset_deleted());
    case Record::kSamplerCommitted:
      return CommitSampler(record);
    case Record::kSamplerDeleted:
      return DeleteSampler(record.sampler_deleted());
    case Record::kRunCreated:
      return CreateRun(sequence, record);
    case Record::kRunDeleted:
      return DeleteRun(record.run_deleted());
    case Record::kEpochOpened:
      return OpenEpoch(record, std::move(attachments));
    case Record::kSessionOpened:
      return OpenSession(sequence, record.session_opened());
    case Record::kFeedbackReported:
      return ReportFeedback(sequence, record.feedback_reported());
    case Record::kBatchDrawn:
      return DrawBatch(sequence, record.batch_drawn());
    case Record::kPositionsAcknowledged:
      return AcknowledgePositions(record.positions_acknowledged());
    case Record::kParkedReleased:
      return ReleaseParked(record.parked_released());
    case Record::kRunCommitted:
      return CommitRun(sequence, record);
    case Record::kRunRolledBack:
      return RollBackRun(sequence, record.run_rolled_back());
    case Record::BODY_NOT_SET:
      break;
  }
  Outcome outcome;
  outcome.status = absl::FailedPreconditionError(
      absl::StrCat("log record ", sequence, " is of a kind this version does not know"));
  return outcome;
}

}  // namespace subset
