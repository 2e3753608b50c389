#include "engine/session.h"

#include <algorithm>

namespace subset {

Session::Session(const log::v1::SessionState& state)
    : high_water_(state.high_water()), last_used_(state.last_used()) {
  for (const auto& seen : state.window()) window_.emplace(seen.sequence(), seen.content_hash());
}

Session::Verdict Session::Judge(uint64_t sequence, uint64_t content_hash) const {
  if (high_water_ >= kSessionWindow && sequence <= high_water_ - kSessionWindow) {
    return Verdict::kExpired;
  }
  const auto it = window_.find(sequence);
  if (it == window_.end()) return Verdict::kNew;
  return it->second == content_hash ? Verdict::kDuplicate : Verdict::kOtherContent;
}

void Session::Note(uint64_t sequence, uint64_t content_hash) {
  window_.emplace(sequence, content_hash);
  high_water_ = std::max(high_water_, sequence);
  if (high_water_ < kSessionWindow) return;
  window_.erase(window_.begin(), window_.upper_bound(high_water_ - kSessionWindow));
}

void Session::Save(log::v1::SessionState* state) const {
  state->set_high_water(high_water_);
  state->set_last_used(last_used_);
  for (const auto& [sequence, hash] : window_) {
    auto* seen = state->add_window();
    seen->set_sequence(sequence);
    seen->set_content_hash(hash);
  }
}

}  // namespace subset
