#include "engine/lease_book.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace subset {
namespace {

// A worker who is told to wait asks again at least and at most so often.
constexpr absl::Duration kMinRetry = absl::Milliseconds(10);
constexpr absl::Duration kMaxRetry = absl::Seconds(1);

// Takes `cut` out of the blocks.
void CutOut(Block cut, std::vector<Block>* blocks) {
  std::vector<Block> left;
  for (const Block& block : *blocks) {
    const Block before{block.begin, std::min(block.end, cut.begin)};
    const Block after{std::max(block.begin, cut.end), block.end};
    if (before.begin < before.end) left.push_back(before);
    if (after.begin < after.end) left.push_back(after);
  }
  *blocks = std::move(left);
}

}  // namespace

std::optional<LeaseBook::Lease> LeaseBook::Grant(const Request& request, absl::Duration now,
                                                 absl::FunctionRef<Seed()> seed,
                                                 absl::Duration* retry_after) {
  *retry_after = absl::ZeroDuration();
  MutexLock lock(&mu_);
  Expire(now);
  const auto [it, added] = epochs_.try_emplace(request.epoch);
  Deliveries& deliveries = it->second;
  if (added) {
    Seed start = seed();
    deliveries.end = start.end;
    deliveries.first_attempt = delivered_before_.count(request.epoch) > 0 ? 2 : start.first_attempt;
    deliveries.away = std::move(start.away);
    for (const Returned& returned : start.returned) {
      deliveries.waiting[returned.block.begin] = {returned.block.end, returned.attempt, 0};
    }
  }
  const std::optional<Returned> next = Next(request, deliveries);
  if (!next.has_value()) {
    if (deliveries.held.empty()) {
      delivered_before_.insert(request.epoch);
      epochs_.erase(it);  // seen anew by the next who asks
      return std::nullopt;
    }
    *retry_after = std::clamp(expiries_.begin()->first - now, kMinRetry, kMaxRetry);
    return std::nullopt;
  }
  Lease& lease = leases_[next_id_];
  lease.id = next_id_++;
  lease.epoch = request.epoch;
  lease.block = next->block;
  lease.attempt = next->attempt;
  lease.worker = request.worker;
  lease.expires = now + request.lease_time;
  lease.left = {lease.block};
  deliveries.held.emplace(lease.block.begin, lease.id);
  deliveries.longest = std::max(deliveries.longest, lease.block.size());
  expiries_.emplace(lease.expires, lease.id);
  return lease;
}

std::optional<LeaseBook::Returned> LeaseBook::Next(const Request& request, Deliveries& deliveries) {
  const auto waiting = deliveries.waiting.begin();
  if (waiting != deliveries.waiting.end()) {
    const Returned next{{waiting->first, waiting->second.end}, waiting->second.attempt};
    leases_.erase(waiting->second.lease);
    deliveries.waiting.erase(waiting);
    stats_.redelivered_samples += next.block.size();
    return next;
  }
  const uint64_t begin = deliveries.away.FirstGap(deliveries.cursor);
  if (begin >= deliveries.end) return std::nullopt;
  const uint64_t first_out = deliveries.held.empty() ? begin : deliveries.held.begin()->first;
  if (begin > first_out && begin - first_out >= request.window) return std::nullopt;
  const Block block =
      deliveries.away.Gaps(begin, std::min(deliveries.end, begin + request.batch_size)).front();
  deliveries.cursor = block.end;
  return Returned{block, deliveries.first_attempt};
}

void LeaseBook::Unhold(const Lease& lease) {
  expiries_.erase({lease.expires, lease.id});
  epochs_.at(lease.epoch).held.erase({lease.block.begin, lease.id});
}

void LeaseBook::End(Lease& lease, uint32_t next_attempt) {
  Unhold(lease);
  lease.expired = true;
  Deliveries& deliveries = epochs_.at(lease.epoch);
  for (const Block& left : lease.left) {
    deliveries.waiting[left.begin] = {left.end, next_attempt, lease.id};
  }
}

void LeaseBook::Expire(absl::Duration now) {
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    Lease& lease = leases_.at(expiries_.begin()->second);
    End(lease, lease.attempt + 1);
    ++stats_.expired;
  }
}

void LeaseBook::Undo(uint64_t id) {
  MutexLock lock(&mu_);
  const auto it = leases_.find(id);
  if (it == leases_.end() || it->second.expired) return;
  End(it->second, it->second.attempt);
}

std::optional<uint64_t> LeaseBook::Overlapping(const Deliveries& deliveries, Block block) const {
  // No block is longer than the longest: those that start before that cannot reach here.
  const uint64_t from = block.begin - std::min(block.begin, deliveries.longest);
  for (auto it = deliveries.held.lower_bound({from, 0});
       it != deliveries.held.end() && it->first < block.end; ++it) {
    for (const Block& left : leases_.at(it->second).left) {
      if (left.begin < block.end && left.end > block.begin) return it->second;
    }
  }
  return std::nullopt;
}

absl::Status LeaseBook::CheckKnown(const v1::Lease& lease, uint64_t incarnation,
                                   const std::string& worker) const {
  const bool granted = lease.incarnation() > 0 && lease.id() > 0 &&
                       (lease.incarnation() < incarnation ||
                        (lease.incarnation() == incarnation && lease.id() < next_id_));
  if (!granted) {
    return WithReason(absl::NotFoundError(absl::StrCat("lease (incarnation ", lease.incarnation(),
                                                       ", id ", lease.id(), ") was never granted")),
                      "LEASE_UNKNOWN");
  }
  const auto it = lease.incarnation() == incarnation ? leases_.find(lease.id()) : leases_.end();
  if (it == leases_.end() || it->second.worker == worker) return absl::OkStatus();
  return WithReason(
      absl::PermissionDeniedError(absl::StrCat("lease ", lease.id(), " is worker \"",
                                               it->second.worker, "\"'s, not \"", worker, "\"'s")),
      "LEASE_FOREIGN");
}

absl::StatusOr<uint32_t> LeaseBook::Check(const v1::Lease& lease, uint64_t incarnation,
                                          const std::string& worker, uint64_t epoch, Block block,
                                          absl::Duration now) {
  MutexLock lock(&mu_);
  Expire(now);
  SUBSET_RETURN_IF_ERROR(CheckKnown(lease, incarnation, worker));
  const auto it = lease.incarnation() == incarnation ? leases_.find(lease.id()) : leases_.end();
  if (it != leases_.end()) {
    const Lease& known = it->second;
    if (epoch != known.epoch || block.begin < known.block.begin || block.end > known.block.end) {
      return InvalidField("position",
                          absl::StrCat("[", block.begin, ", ", block.end, ") of epoch ", epoch,
                                       " is outside the lease's block: [", known.block.begin, ", ",
                                       known.block.end, ") of epoch ", known.epoch));
    }
    if (known.expired) ++stats_.late_acknowledgements;
    return known.attempt;
  }
  const auto deliveries = epochs_.find(epoch);
  const auto other =
      deliveries == epochs_.end() ? std::nullopt : Overlapping(deliveries->second, block);
  if (!other.has_value()) {
    ++stats_.late_acknowledgements;
    return 0;
  }
  const Lease& now_with = leases_.at(*other);
  return WithReason(absl::FailedPreconditionError(absl::StrCat(
                        "lease ", lease.id(), " expired, and its block is with worker \"",
                        now_with.worker, "\" now, attempt ", now_with.attempt)),
                    "LEASE_EXPIRED");
}

void LeaseBook::TakeBack(Lease& lease) {
  Deliveries& deliveries = epochs_.at(lease.epoch);
  lease.left.clear();
  auto it = deliveries.waiting.lower_bound(lease.block.begin);
  while (it != deliveries.waiting.end() && it->first < lease.block.end) {
    const auto here = it++;
    if (here->second.lease != lease.id) continue;
    lease.left.push_back({here->first, here->second.end});
    deliveries.waiting.erase(here);
  }
  deliveries.held.emplace(lease.block.begin, lease.id);
  lease.expired = false;
}

absl::StatusOr<std::vector<v1::Lease>> LeaseBook::Renew(
    const google::protobuf::RepeatedPtrField<v1::Lease>& leases, uint64_t incarnation,
    const std::string& worker, absl::Duration now, absl::Duration lease_time) {
  std::vector<v1::Lease> lost;
  MutexLock lock(&mu_);
  Expire(now);
  for (int i = 0; i < leases.size(); ++i) {
    const absl::Status known = CheckKnown(leases[i], incarnation, worker);
    if (!known.ok()) return WithField(known, absl::StrCat("leases[", i, "]"));
  }
  for (const v1::Lease& lease : leases) {
    const auto it = lease.incarnation() == incarnation ? leases_.find(lease.id()) : leases_.end();
    if (it == leases_.end()) {
      lost.push_back(lease);
      continue;
    }
    Lease& renewed = it->second;
    if (renewed.expired) TakeBack(renewed);
    expiries_.erase({renewed.expires, renewed.id});
    renewed.expires = now + lease_time;
    expiries_.emplace(renewed.expires, renewed.id);
  }
  return lost;
}

void LeaseBook::Resolve(Deliveries& deliveries, Block block) {
  const uint64_t from = block.begin - std::min(block.begin, deliveries.longest);
  std::vector<uint64_t> done;
  for (auto it = deliveries.held.lower_bound({from, 0});
       it != deliveries.held.end() && it->first < block.end; ++it) {
    Lease& lease = leases_.at(it->second);
    CutOut(block, &lease.left);
    if (lease.left.empty()) done.push_back(lease.id);
  }
  for (const uint64_t id : done) {
    Unhold(leases_.at(id));
    leases_.erase(id);
  }
  auto it = deliveries.waiting.upper_bound(block.begin);
  if (it != deliveries.waiting.begin() && std::prev(it)->second.end > block.begin) --it;
  while (it != deliveries.waiting.end() && it->first < block.end) {
    const auto [begin, waiting] = *it;
    it = deliveries.waiting.erase(it);
    if (begin < block.begin) {
      deliveries.waiting[begin] = {block.begin, waiting.attempt, waiting.lease};
    }
    if (waiting.end > block.end) deliveries.waiting[block.end] = waiting;
    if (begin >= block.begin && waiting.end <= block.end) leases_.erase(waiting.lease);
  }
  deliveries.away.Add(block.begin, block.end);
}

void LeaseBook::Acknowledged(uint64_t epoch, Block block) {
  MutexLock lock(&mu_);
  const auto it = epochs_.find(epoch);
  if (it != epochs_.end()) Resolve(it->second, block);
}

void LeaseBook::Failed(uint64_t epoch, const Returned& failed, bool parked) {
  MutexLock lock(&mu_);
  const auto it = epochs_.find(epoch);
  if (it == epochs_.end()) return;
  Resolve(it->second, failed.block);
  if (!parked) it->second.waiting[failed.block.begin] = {failed.block.end, failed.attempt, 0};
}

void LeaseBook::Released(uint64_t epoch, const Returned& released) {
  MutexLock lock(&mu_);
  const auto it = epochs_.find(epoch);
  if (it == epochs_.end()) return;
  it->second.waiting[released.block.begin] = {released.block.end, released.attempt, 0};
}

void LeaseBook::Drop(uint64_t epoch) {
  MutexLock lock(&mu_);
  delivered_before_.erase(epoch);
  if (epochs_.erase(epoch) == 0) return;
  for (auto it = leases_.begin(); it != leases_.end();) {
    const auto here = it++;
    if (here->second.epoch != epoch) continue;
    expiries_.erase({here->second.expires, here->first});
    leases_.erase(here);
  }
}

void LeaseBook::Reset() {
  MutexLock lock(&mu_);
  for (const auto& [epoch, deliveries] : epochs_) delivered_before_.insert(epoch);
  epochs_.clear();
  leases_.clear();
  expiries_.clear();
}

std::vector<LeaseBook::Lease> LeaseBook::List(uint64_t epoch, absl::Duration now, size_t limit,
                                              uint64_t* total) {
  std::vector<Lease> list;
  *total = 0;
  MutexLock lock(&mu_);
  Expire(now);
  const auto it = epochs_.find(epoch);
  if (it == epochs_.end()) return list;
  *total = it->second.held.size();
  for (const auto& [begin, id] : it->second.held) {
    if (list.size() == limit) break;
    list.push_back(leases_.at(id));
  }
  return list;
}

uint64_t LeaseBook::LeasedPositions(uint64_t epoch) const {
  MutexLock lock(&mu_);
  const auto it = epochs_.find(epoch);
  if (it == epochs_.end()) return 0;
  uint64_t positions = 0;
  for (const auto& [begin, id] : it->second.held) {
    for (const Block& left : leases_.at(id).left) positions += left.size();
  }
  return positions;
}

LeaseStats LeaseBook::Stats(absl::Duration now) {
  MutexLock lock(&mu_);
  Expire(now);
  LeaseStats stats = stats_;
  stats.active = expiries_.size();
  return stats;
}

}  // namespace subset
