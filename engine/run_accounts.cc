// Run's fold of acknowledgements without values, and what it tells of its epochs' accounts.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/run.h"

namespace subset {
namespace {

absl::Status NotOpen(const std::string& path, uint64_t epoch) {
  return WithReason(WithField(absl::FailedPreconditionError(absl::StrCat(
                                  path, " ", epoch, " is not open, or no longer kept")),
                              path),
                    "EPOCH_NOT_OPEN");
}

}  // namespace

absl::StatusOr<Run::Part> Run::DecidePositions(const Named& named,
                                               std::map<uint64_t, PositionSet>* claimed) const {
  if (named.generation.has_value() && *named.generation != generation()) {
    const std::string path = absl::StrCat(named.path, ".generation");
    return WithReason(WithField(absl::FailedPreconditionError(absl::StrCat(
                                    path, " ", *named.generation, " is not the run's, ",
                                    generation(), ": a rollback came between")),
                                path),
                      "GENERATION_PASSED");
  }
  const auto it = epochs_.find(named.epoch);
  if (it == epochs_.end()) return NotOpen(absl::StrCat(named.path, ".epoch"), named.epoch);
  const Entry& entry = it->second;
  const uint64_t begin = named.begin;
  const uint64_t positions = entry.epoch->num_positions();
  if (begin > positions || named.items > positions - begin) {
    return InvalidField(absl::StrCat(named.path, ".position"),
                        absl::StrCat(begin, " with ", named.items, " items is past the ", positions,
                                     " positions of epoch ", named.epoch));
  }
  const uint64_t end = begin + named.items;
  PositionSet& earlier = (*claimed)[named.epoch];
  const uint64_t known =
      entry.accounts.acknowledged().CountIn(begin, end) + earlier.CountIn(begin, end);
  if (known == named.items) return Part::kAlreadyAcknowledged;
  if (known > 0) {
    const std::string path = absl::StrCat(named.path, ".position");
    return WithReason(WithField(absl::FailedPreconditionError(absl::StrCat(
                                    path, ": ", known, " of the positions [", begin, ", ", end,
                                    ") of epoch ", named.epoch, " were acknowledged before, ",
                                    named.items - known, " were not")),
                                path),
                      "PARTLY_ACKNOWLEDGED");
  }
  earlier.Add(begin, end);
  return Part::kApply;
}

absl::StatusOr<AcknowledgedOutcome> Run::FoldAcknowledged(
    const log::v1::PositionsAcknowledged& record) {
  AcknowledgedOutcome outcome;
  // What the leases are told, once the lock is free.
  std::vector<std::pair<uint64_t, Block>> acknowledged;
  std::vector<std::pair<uint64_t, LeaseBook::Returned>> failed, parked;
  {
    WriterLock lock(&mu_);
    std::map<uint64_t, PositionSet> claimed;
    std::vector<Part> parts;
    for (int i = 0; i < record.acknowledgements_size(); ++i) {
      const v1::Acknowledgement& entry = record.acknowledgements(i);
      Named named{absl::StrCat("acknowledgements[", i, "]"),
                  entry.epoch(),
                  entry.position(),
                  entry.num_positions(),
                  {}};
      if (entry.has_lease()) {
        named.generation = entry.lease().generation();
      } else if (entry.has_generation()) {
        named.generation = entry.generation();
      }
      SUBSET_ASSIGN_OR_RETURN(const Part part, DecidePositions(named, &claimed));
      parts.push_back(part);
    }
    const bool complete_before = NewestComplete();
    for (int i = 0; i < record.acknowledgements_size(); ++i) {
      if (parts[i] == Part::kAlreadyAcknowledged) continue;
      const v1::Acknowledgement& entry = record.acknowledgements(i);
      const Block block{entry.position(), entry.position() + entry.num_positions()};
      EpochAccounts& accounts = epochs_.at(entry.epoch()).accounts;
      if (entry.failed().empty()) {
        accounts.Acknowledge(block, entry.attempt(), entry.worker());
        outcome.acknowledged_positions += block.size();
        acknowledged.emplace_back(entry.epoch(), block);
        continue;
      }
      const LeaseBook::Returned returned{block, entry.attempt() + 1};
      switch (accounts.Fail(block, entry)) {
        case EpochAccounts::Failed::kRepeated:
          break;
        case EpochAccounts::Failed::kToRedeliver:
          outcome.failed_positions += block.size();
          failed.emplace_back(entry.epoch(), returned);
          break;
        case EpochAccounts::Failed::kParked:
          outcome.parked_positions += block.size();
          parked.emplace_back(entry.epoch(), returned);
          break;
      }
    }
    outcome.epoch_complete = !complete_before && NewestComplete();
  }
  for (const auto& [epoch, block] : acknowledged) leases_.Acknowledged(epoch, block);
  for (const auto& [epoch, returned] : failed) leases_.Failed(epoch, returned, /*parked=*/false);
  for (const auto& [epoch, returned] : parked) leases_.Failed(epoch, returned, /*parked=*/true);
  return outcome;
}

absl::StatusOr<uint64_t> Run::FoldReleased(const log::v1::ParkedReleased& record) {
  std::map<uint64_t, EpochAccounts::Failure> released;
  {
    WriterLock lock(&mu_);
    const auto it = epochs_.find(record.epoch());
    if (it == epochs_.end()) return NotOpen("epoch", record.epoch());
    std::optional<uint64_t> position;
    if (record.has_position()) position = record.position();
    released = it->second.accounts.Release(position);
  }
  if (record.has_position() && released.empty()) {
    return WithReason(
        WithField(absl::NotFoundError(absl::StrCat("no parked block of epoch ", record.epoch(),
                                                   " starts at position ", record.position())),
                  "position"),
        "NOT_PARKED");
  }
  uint64_t positions = 0;
  for (const auto& [begin, failure] : released) {
    positions += failure.end - begin;
    leases_.Released(record.epoch(), {{begin, failure.end}, failure.failures + 1});
  }
  return positions;
}

uint64_t Run::NumNeeded(const Entry& entry) const {
  return NumPositionsToReport(entry.epoch->num_positions(), settings_);
}

bool Run::Settled(uint64_t epoch, uint64_t* parked_positions) const {
  ReaderLock lock(&mu_);
  const auto it = epochs_.find(epoch);
  if (it == epochs_.end()) return true;
  *parked_positions = it->second.accounts.parked_positions();
  return it->second.accounts.Settled(NumNeeded(it->second));
}

bool Run::IsAcknowledged(uint64_t epoch, Block block) const {
  ReaderLock lock(&mu_);
  const auto it = epochs_.find(epoch);
  return it != epochs_.end() &&
         it->second.accounts.acknowledged().CountIn(block.begin, block.end) == block.size();
}

LeaseBook::Seed Run::DeliverySeed(uint64_t epoch) const {
  LeaseBook::Seed seed;
  ReaderLock lock(&mu_);
  const auto it = epochs_.find(epoch);
  if (it == epochs_.end()) return seed;
  seed.end = NumNeeded(it->second);
  seed.away = it->second.accounts.acknowledged();
  for (const auto& [begin, failure] : it->second.accounts.failures()) {
    seed.away.Add(begin, failure.end);
    if (!failure.parked) seed.returned.push_back({{begin, failure.end}, failure.failures + 1});
  }
  return seed;
}

std::vector<v1::AcknowledgedBlock> Run::AuditOf(uint64_t epoch, Block block) const {
  ReaderLock lock(&mu_);
  const auto it = epochs_.find(epoch);
  if (it == epochs_.end()) return {};
  return it->second.accounts.AuditOf(block);
}

std::vector<v1::FailedBlock> Run::Parked(uint64_t epoch, size_t limit, uint64_t* total) const {
  std::vector<v1::FailedBlock> parked;
  *total = 0;
  ReaderLock lock(&mu_);
  const auto it = epochs_.find(epoch);
  if (it == epochs_.end()) return parked;
  for (const auto& [begin, failure] : it->second.accounts.failures()) {
    if (!failure.parked) continue;
    if (++*total > limit) continue;
    v1::FailedBlock& block = parked.emplace_back();
    block.set_position(begin);
    block.set_num_positions(failure.end - begin);
    block.set_failures(failure.failures);
    block.set_reason(failure.reason);
    block.set_worker(failure.worker);
  }
  return parked;
}

uint64_t Run::num_parked_blocks() const {
  uint64_t blocks = 0;
  ReaderLock lock(&mu_);
  for (const auto& [number, entry] : epochs_) blocks += entry.accounts.parked_blocks();
  return blocks;
}

}  // namespace subset
