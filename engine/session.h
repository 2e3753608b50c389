// A client's feedback session: what makes a message count once however often it is sent.

#ifndef SUBSET_ENGINE_SESSION_H_
#define SUBSET_ENGINE_SESSION_H_

#include <cstdint>
#include <map>

#include "subset/log/v1/image.pb.h"

namespace subset {

// Sequences at or below (highest applied) - kSessionWindow are expired.
inline constexpr uint64_t kSessionWindow = 1024;

// Sessions of a run that are kept; when one more opens, the least recently used goes.
inline constexpr size_t kMaxSessions = 1024;

// Not thread-safe.
class Session {
 public:
  enum class Verdict { kNew, kDuplicate, kOtherContent, kExpired };

  Session() = default;
  explicit Session(const log::v1::SessionState& state);

  // Says what a message with this sequence is, by what was applied before. O(log window).
  Verdict Judge(uint64_t sequence, uint64_t content_hash) const;

  // Notes an applied message; Judge said kNew.
  void Note(uint64_t sequence, uint64_t content_hash);

  // The log sequence of the record that used the session last.
  uint64_t last_used() const { return last_used_; }
  void set_last_used(uint64_t log_sequence) { last_used_ = log_sequence; }

  void Save(log::v1::SessionState* state) const;

 private:
  uint64_t high_water_ = 0;
  uint64_t last_used_ = 0;
  std::map<uint64_t, uint64_t> window_;  // sequence -> content hash
};

}  // namespace subset

#endif  // SUBSET_ENGINE_SESSION_H_
