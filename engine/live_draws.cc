#include "engine/live_draws.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace subset {
namespace {

absl::Status DrawGone(uint64_t epoch, uint64_t step, absl::string_view why) {
  return WithReason(absl::FailedPreconditionError(
                        absl::StrCat("live draw of epoch ", epoch, ", step ", step, " ", why)),
                    "DRAW_GONE");
}

}  // namespace

uint64_t LiveDraws::NextStep(uint64_t epoch) const {
  uint64_t next = 0;
  const auto gone = gone_.find(epoch);
  if (gone != gone_.end()) next = gone->second;
  const Key end{epoch + 1, 0};
  auto kept = kept_.lower_bound(end);
  if (kept != kept_.begin() && (--kept)->first.first == epoch) {
    next = std::max(next, kept->first.second + 1);
  }
  auto pending = pending_.lower_bound(end);
  if (pending != pending_.begin() && (--pending)->first.first == epoch) {
    next = std::max(next, pending->first.second + 1);
  }
  return next;
}

bool LiveDraws::Drawn(const Key& key) const {
  return kept_.count(key) > 0 || pending_.count(key) > 0;
}

absl::StatusOr<std::vector<uint64_t>> LiveDraws::Missing(const Steps& steps) const {
  const uint64_t next = NextStep(steps.epoch);
  const uint64_t last = steps.last < next ? steps.last : steps.last_drawn;
  if (last >= next + steps.keep) {
    return DrawGone(steps.epoch, steps.last,
                    absl::StrCat("is too far ahead: the next one is step ", next, ", and at most ",
                                 steps.keep, " are kept"));
  }
  const auto it = gone_.find(steps.epoch);
  const uint64_t gone = it == gone_.end() ? 0 : it->second;
  std::vector<uint64_t> missing;
  // A step that is missing though later ones are not was refused by the log: nobody got it.
  for (uint64_t step = std::min(steps.first, next); step <= last; ++step) {
    if (Drawn({steps.epoch, step})) continue;
    if (step < gone) {
      return DrawGone(steps.epoch, step,
                      absl::StrCat("is no longer kept: those before step ", gone, " are gone"));
    }
    missing.push_back(step);
  }
  return missing;
}

absl::Status LiveDraws::DrawMissing(const Steps& steps, Draw draw, Submit submit) {
  SUBSET_ASSIGN_OR_RETURN(const std::vector<uint64_t> missing, Missing(steps));
  if (missing.empty()) return absl::OkStatus();
  std::vector<Batch> batches = draw(missing);
  for (size_t i = 0; i < missing.size(); ++i) {
    SUBSET_RETURN_IF_ERROR(submit(missing[i], batches[i]));
    pending_[{steps.epoch, missing[i]}].batch = std::move(batches[i]);
  }
  return absl::OkStatus();
}

bool LiveDraws::Collect(const Steps& steps, const std::shared_ptr<Wait>& wait) {
  for (uint64_t step = steps.first; step <= steps.last; ++step) {
    const auto pending = pending_.find({steps.epoch, step});
    if (pending != pending_.end()) {
      wait->batches.push_back(pending->second.batch);
      pending->second.waits.push_back(wait);
      ++wait->pending;
    } else {
      wait->batches.push_back(kept_.at({steps.epoch, step}).batch);
    }
  }
  return wait->pending == 0;
}

void LiveDraws::Request(const Steps& steps, Draw draw, Submit submit, Done done) {
  auto wait = std::make_shared<Wait>();
  {
    MutexLock lock(&mu_);
    wait->status = DrawMissing(steps, draw, submit);
    if (wait->status.ok() && !Collect(steps, wait)) {
      wait->done = std::move(done);
      return;
    }
  }
  if (!wait->status.ok()) return done(wait->status);
  done(std::move(wait->batches));
}

void LiveDraws::Replay(const Steps& steps, Done done) {
  const auto nothing_is_drawn = [](const std::vector<uint64_t>& missing) {
    return std::vector<Batch>(missing.size());
  };
  Steps asked = steps;
  asked.last_drawn = steps.last;
  Request(
      asked, nothing_is_drawn,
      [&steps](uint64_t step, const Batch&) {
        return DrawGone(steps.epoch, std::max(step, steps.first),
                        "was not drawn: there is nothing to replay");
      },
      std::move(done));
}

void LiveDraws::Logged(uint64_t epoch, uint64_t step, const absl::Status& status) {
  std::vector<std::shared_ptr<Wait>> finished;
  {
    MutexLock lock(&mu_);
    const auto pending = pending_.find({epoch, step});
    if (pending == pending_.end()) return;
    for (std::shared_ptr<Wait>& wait : pending->second.waits) {
      if (!status.ok()) wait->status = status;
      if (--wait->pending == 0) finished.push_back(std::move(wait));
    }
    pending_.erase(pending);
  }
  for (const std::shared_ptr<Wait>& wait : finished) {
    if (wait->status.ok()) {
      wait->done(std::move(wait->batches));
    } else {
      wait->done(wait->status);
    }
  }
}

void LiveDraws::Fold(uint64_t sequence, uint64_t step, Batch batch, uint32_t keep) {
  MutexLock lock(&mu_);
  const Key key{batch->epoch(), step};
  if (!kept_.emplace(key, Kept{sequence, std::move(batch)}).second) return;
  order_.push_back(key);
  Evict(keep);
}

void LiveDraws::Evict(uint32_t keep) {
  while (order_.size() > keep) {
    const Key oldest = order_.front();
    order_.pop_front();
    kept_.erase(oldest);
    uint64_t& gone = gone_[oldest.first];
    gone = std::max(gone, oldest.second + 1);
  }
}

void LiveDraws::Load(uint64_t step, Kept kept) {
  MutexLock lock(&mu_);
  const Key key{kept.batch->epoch(), step};
  kept_[key] = std::move(kept);
}

void LiveDraws::Settle(uint32_t keep) {
  MutexLock lock(&mu_);
  std::vector<std::pair<uint64_t, Key>> logged;
  for (const auto& [key, kept] : kept_) logged.emplace_back(kept.sequence, key);
  std::sort(logged.begin(), logged.end());
  order_.clear();
  for (const auto& [sequence, key] : logged) order_.push_back(key);
  Evict(keep);
}

void LiveDraws::Drop(uint64_t epoch) {
  MutexLock lock(&mu_);
  gone_.erase(epoch);
  kept_.erase(kept_.lower_bound({epoch, 0}), kept_.lower_bound({epoch + 1, 0}));
  order_.erase(std::remove_if(order_.begin(), order_.end(),
                              [epoch](const Key& key) { return key.first == epoch; }),
               order_.end());
}

uint64_t LiveDraws::StepsGone(uint64_t epoch) const {
  MutexLock lock(&mu_);
  const auto gone = gone_.find(epoch);
  return gone == gone_.end() ? 0 : gone->second;
}

void LiveDraws::SetStepsGone(uint64_t epoch, uint64_t steps) {
  MutexLock lock(&mu_);
  if (steps > 0) gone_[epoch] = steps;
}

std::map<LiveDraws::Key, LiveDraws::Kept> LiveDraws::AllKept() const {
  MutexLock lock(&mu_);
  return kept_;
}

}  // namespace subset
