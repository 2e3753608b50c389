// Who should have which block of a run's epochs, position by position. Dies with its server.

#ifndef SUBSET_TESTS_ENGINE_MODEL_LEASES_H_
#define SUBSET_TESTS_ENGINE_MODEL_LEASES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "engine/position_set.h"
#include "tests/engine/model.h"

namespace subset {

class ModelLeases {
 public:
  struct Grant {
    Block block;
    uint32_t attempt = 0;
  };
  struct Next {
    std::optional<Grant> grant;
    bool others = false;  // nothing to grant, but others have some
  };

  // The block that goes to who asks for one of `batch` positions; to whom, Took says.
  Next Ask(const ModelRun& run, uint64_t epoch, uint64_t batch, uint64_t incarnation,
           absl::Duration now);
  void Took(uint64_t id, uint64_t epoch, const Grant& grant, absl::Duration expires);

  // Whether some of the block is held by another lease than `id`.
  bool HeldByAnother(uint64_t epoch, Block block, uint64_t id, absl::Duration now);

  // What is acknowledged, or no epoch any more, is with nobody.
  void Follow(const ModelRun& run);
  // A rollback: every lease ends.
  void Reset();

 private:
  enum class State { kFresh, kHeld, kWaiting, kAway };
  struct Position {
    State state = State::kFresh;
    uint64_t lease = 0;    // that holds it, or held it last
    uint32_t attempt = 0;  // of its next delivery
  };
  struct Lease {
    uint64_t epoch = 0;
    Grant grant;
    absl::Duration expires;
  };

  void Expire(absl::Duration now);

  std::map<uint64_t, std::vector<Position>> epochs_;
  std::set<uint64_t> delivered_before_;
  std::map<uint64_t, Lease> running_;
};

}  // namespace subset

#endif  // SUBSET_TESTS_ENGINE_MODEL_LEASES_H_
