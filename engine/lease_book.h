// Who has which block of a run's epochs now. In memory only: nothing about a grant is logged, and
// after a restart every lease has ended. Acknowledgements are the fold's (engine/run.h), which
// tells the book.

#ifndef SUBSET_ENGINE_LEASE_BOOK_H_
#define SUBSET_ENGINE_LEASE_BOOK_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "engine/position_set.h"
#include "subset/v1/training.pb.h"

namespace subset {

// Since start.
struct LeaseStats {
  uint64_t active = 0;
  uint64_t expired = 0;
  uint64_t late_acknowledgements = 0;
  uint64_t redelivered_samples = 0;
};

// Thread-safe. Each call costs O(log n) in the blocks that are out, plus those it meets. Times are
// of the monotonic clock; leases that have ended by `now` are found by every call that gets one.
class LeaseBook {
 public:
  struct Lease {
    uint64_t id = 0;
    uint64_t epoch = 0;
    Block block;
    uint32_t attempt = 0;
    std::string worker;
    absl::Duration expires;
    std::vector<Block> left;  // of the block: neither acknowledged nor failed
    bool expired = false;     // what is left waits for the next who asks
  };

  // A block to deliver again.
  struct Returned {
    Block block;
    uint32_t attempt = 0;  // of its next delivery
  };

  // What deliveries of an epoch start from.
  struct Seed {
    uint64_t end = 0;                // positions to deliver
    uint32_t first_attempt = 1;      // 2: blocks may have been delivered before
    PositionSet away;                // acknowledged, failed or parked
    std::vector<Returned> returned;  // failed
  };

  struct Request {
    uint64_t epoch = 0;
    std::string worker;
    uint64_t batch_size = 0;  // of a fresh block
    absl::Duration lease_time;
    // A fresh block starts less than this after the first one that is out.
    uint64_t window = std::numeric_limits<uint64_t>::max();
  };

  // Grants the next block: one to deliver again, whole, else a fresh one. Returns nullopt if all
  // that is left is with others, or nothing is left; then `*retry_after` says how long the first of
  // them may take, or is zero where nobody has any. `seed` is called for an epoch not seen before.
  std::optional<Lease> Grant(const Request& request, absl::Duration now,
                             absl::FunctionRef<Seed()> seed, absl::Duration* retry_after);

  // Ends a lease whose batch could not be served: its block waits for the next who asks.
  void Undo(uint64_t id);

  // Checks the right to acknowledge `block` of `epoch` by a lease of this run; `incarnation` is the
  // server's. Returns the attempt if it is known, else 0. An expired lease has the right while its
  // block is with nobody else; that is counted as late.
  // Fails with kNotFound (LEASE_UNKNOWN), kPermissionDenied (LEASE_FOREIGN), kInvalidArgument (not
  // in the lease's block), kFailedPrecondition (LEASE_EXPIRED).
  absl::StatusOr<uint32_t> Check(const v1::Lease& lease, uint64_t incarnation,
                                 const std::string& worker, uint64_t epoch, Block block,
                                 absl::Duration now);

  // Makes the leases last `lease_time` from now; returns those that are lost. All or nothing:
  // kNotFound, kPermissionDenied as Check.
  absl::StatusOr<std::vector<v1::Lease>> Renew(
      const google::protobuf::RepeatedPtrField<v1::Lease>& leases, uint64_t incarnation,
      const std::string& worker, absl::Duration now, absl::Duration lease_time);

  // Told by the fold. Epochs nobody leased from are left alone.
  void Acknowledged(uint64_t epoch, Block block);
  void Failed(uint64_t epoch, const Returned& failed, bool parked);
  void Released(uint64_t epoch, const Returned& released);
  void Drop(uint64_t epoch);
  // A rollback: every lease ends.
  void Reset();

  // Leases of the epoch by position, at most `limit`; `*total` of how many.
  std::vector<Lease> List(uint64_t epoch, absl::Duration now, size_t limit, uint64_t* total);
  uint64_t LeasedPositions(uint64_t epoch) const;
  LeaseStats Stats(absl::Duration now);

 private:
  struct Waiting {  // to be delivered again
    uint64_t end = 0;
    uint32_t attempt = 0;
    uint64_t lease = 0;  // the expired one; 0: none
  };
  struct Deliveries {
    uint64_t end = 0;
    uint32_t first_attempt = 1;
    uint64_t cursor = 0;                  // fresh blocks start at or after it
    PositionSet away;                     // acknowledged, or failed at some time: not fresh
    std::map<uint64_t, Waiting> waiting;  // by first position
    std::set<std::pair<uint64_t, uint64_t>> held;  // first position, lease
    uint64_t longest = 0;                          // of the blocks granted
  };

  void Expire(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void End(Lease& lease, uint32_t next_attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes the lease off those that run.
  void Unhold(const Lease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::optional<Returned> Next(const Request& request, Deliveries& deliveries)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::optional<uint64_t> Overlapping(const Deliveries& deliveries, Block block) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Leases and waiting blocks lose what they have of the block.
  void Resolve(Deliveries& deliveries, Block block) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Makes an expired lease hold again what of it waits.
  void TakeBack(Lease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status CheckKnown(const v1::Lease& lease, uint64_t incarnation,
                          const std::string& worker) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<uint64_t, Lease> leases_ ABSL_GUARDED_BY(mu_);  // by id; the expired ones too
  std::set<std::pair<absl::Duration, uint64_t>> expiries_ ABSL_GUARDED_BY(mu_);
  std::map<uint64_t, Deliveries> epochs_ ABSL_GUARDED_BY(mu_);
  std::set<uint64_t> delivered_before_ ABSL_GUARDED_BY(mu_);  // epochs, before a Reset
  LeaseStats stats_ ABSL_GUARDED_BY(mu_);
};

}  // namespace subset

#endif  // SUBSET_ENGINE_LEASE_BOOK_H_
