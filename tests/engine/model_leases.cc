#include "tests/engine/model_leases.h"

#include <algorithm>
#include <utility>

namespace subset {

ModelLeases::Next ModelLeases::Ask(const ModelRun& run, uint64_t epoch, uint64_t batch,
                                   uint64_t incarnation, absl::Duration now) {
  Expire(now);
  const ModelEpoch& of = run.epochs.at(epoch);
  std::vector<Position>& positions = epochs_[epoch];
  if (positions.empty()) {
    const bool before = delivered_before_.count(epoch) > 0 || of.incarnation != incarnation;
    positions.resize(run.NumNeeded(of));
    for (uint64_t i = 0; i < positions.size(); ++i) {
      positions[i].state = of.acknowledged[i] ? State::kAway : State::kFresh;
      positions[i].attempt = before ? 2 : 1;
    }
  }
  // Those to be delivered again first, whole: what one lease left over, side by side.
  for (const State wanted : {State::kWaiting, State::kFresh}) {
    const auto first = std::find_if(positions.begin(), positions.end(),
                                    [wanted](const Position& p) { return p.state == wanted; });
    if (first == positions.end()) continue;
    auto end = first;
    while (end != positions.end() && end->state == wanted && end->lease == first->lease &&
           (wanted == State::kWaiting || end - first < static_cast<long>(batch))) {
      ++end;
    }
    const Block block{static_cast<uint64_t>(first - positions.begin()),
                      static_cast<uint64_t>(end - positions.begin())};
    return {Grant{block, first->attempt}, false};
  }
  const bool others = std::any_of(positions.begin(), positions.end(), [](const Position& position) {
    return position.state == State::kHeld;
  });
  if (!others) {
    delivered_before_.insert(epoch);
    epochs_.erase(epoch);
  }
  return {std::nullopt, others};
}

void ModelLeases::Took(uint64_t id, uint64_t epoch, const Grant& grant, absl::Duration expires) {
  running_[id] = {epoch, grant, expires};
  for (uint64_t i = grant.block.begin; i < grant.block.end; ++i) {
    epochs_[epoch][i] = {State::kHeld, id, grant.attempt};
  }
}

void ModelLeases::Expire(absl::Duration now) {
  for (auto it = running_.begin(); it != running_.end();) {
    const auto& [id, lease] = *it;
    if (lease.expires > now) {
      ++it;
      continue;
    }
    const auto epoch = epochs_.find(lease.epoch);
    for (uint64_t i = lease.grant.block.begin; epoch != epochs_.end() && i < lease.grant.block.end;
         ++i) {
      Position& position = epoch->second[i];
      if (position.state == State::kHeld && position.lease == id) {
        position = {State::kWaiting, id, lease.grant.attempt + 1};
      }
    }
    it = running_.erase(it);
  }
}

bool ModelLeases::HeldByAnother(uint64_t epoch, Block block, uint64_t id, absl::Duration now) {
  Expire(now);
  const auto it = epochs_.find(epoch);
  if (it == epochs_.end()) return false;
  for (uint64_t i = block.begin; i < std::min<uint64_t>(block.end, it->second.size()); ++i) {
    if (it->second[i].state == State::kHeld && it->second[i].lease != id) return true;
  }
  return false;
}

void ModelLeases::Follow(const ModelRun& run) {
  for (auto it = epochs_.begin(); it != epochs_.end();) {
    const auto epoch = run.epochs.find(it->first);
    if (epoch == run.epochs.end()) {
      it = epochs_.erase(it);
      continue;
    }
    for (uint64_t i = 0; i < it->second.size(); ++i) {
      if (epoch->second.acknowledged[i]) it->second[i].state = State::kAway;
    }
    ++it;
  }
}

void ModelLeases::Reset() {
  for (const auto& [epoch, positions] : epochs_) delivered_before_.insert(epoch);
  epochs_.clear();
  running_.clear();
}

}  // namespace subset
