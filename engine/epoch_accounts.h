// The account of an epoch's positions: acknowledged, failed, parked, and by whom. Part of the fold.

#ifndef SUBSET_ENGINE_EPOCH_ACCOUNTS_H_
#define SUBSET_ENGINE_EPOCH_ACCOUNTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/position_set.h"
#include "subset/log/v1/image.pb.h"
#include "subset/v1/training.pb.h"

namespace subset {

// A block that failed so often is parked.
inline constexpr uint32_t kMaxAttempts = 5;

// Blocks of an epoch whose worker is remembered; neighbours of one worker and attempt are one.
inline constexpr size_t kMaxAudited = 65536;

// Not thread-safe. Operations cost O(log n) in the blocks known, plus those they meet.
class EpochAccounts {
 public:
  struct Failure {
    uint64_t end = 0;
    uint32_t failures = 0;
    bool parked = false;
    std::string reason;
    std::string worker;
    // The lease whose failure was counted last, so that a repeat is not.
    uint64_t incarnation = 0;
    uint64_t lease_id = 0;
  };
  enum class Failed { kRepeated, kToRedeliver, kParked };

  // Acknowledges the block, for good; what failed in it is forgotten. `worker` may be empty: then
  // nobody is remembered.
  void Acknowledge(Block block, uint32_t attempt, const std::string& worker);

  // Counts a failure of the block, none of which is acknowledged.
  Failed Fail(Block block, const v1::Acknowledgement& how);

  // Forgets the failures of the parked block at `position`, or of all; returns them as they were.
  std::map<uint64_t, Failure> Release(std::optional<uint64_t> position);

  // Takes back what is not in `acknowledged`; returns how many positions that were.
  uint64_t ReturnTo(const PositionSet& acknowledged);

  const PositionSet& acknowledged() const { return acknowledged_; }
  // Not acknowledged, by first position; apart.
  const std::map<uint64_t, Failure>& failures() const { return failures_; }
  uint64_t parked_positions() const { return parked_positions_; }
  size_t parked_blocks() const { return parked_blocks_; }

  // Whether each position below `needed` is acknowledged, or parked.
  bool Settled(uint64_t needed) const;

  // Who acknowledged what of the block.
  std::vector<v1::AcknowledgedBlock> AuditOf(Block block) const;

  void Save(log::v1::EpochState* state) const;
  void Restore(const log::v1::EpochState& state);

 private:
  struct Audit {
    uint64_t end = 0;
    uint32_t attempt = 0;
    std::string worker;
  };

  uint64_t ParkedIn(Block block) const;
  // Cuts the block out of the failures; what is left of them beside it stays. Returns those met.
  std::vector<Failure> CutFailures(Block block);
  void AddFailure(uint64_t begin, Failure failure);
  void EraseFailure(std::map<uint64_t, Failure>::iterator it);
  void NoteAudit(Block block, uint32_t attempt, const std::string& worker);

  PositionSet acknowledged_;
  std::map<uint64_t, Failure> failures_;
  uint64_t parked_positions_ = 0;
  size_t parked_blocks_ = 0;
  std::map<uint64_t, Audit> audit_;
};

// Intervals to and from an image, as pairs begin, end.
void SavePositions(const PositionSet& positions, google::protobuf::RepeatedField<uint64_t>* saved);
PositionSet RestorePositions(const google::protobuf::RepeatedField<uint64_t>& saved);

}  // namespace subset

#endif  // SUBSET_ENGINE_EPOCH_ACCOUNTS_H_
