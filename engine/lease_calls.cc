// The engine's calls about leases and acknowledgements.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/lease_terms.h"
#include "engine/local_engine.h"

namespace subset {
namespace {

constexpr size_t kMaxListed = 1000;
constexpr size_t kMaxReasonBytes = 1024;
// A call that finds the last blocks acknowledged at this moment is told to ask again.
constexpr absl::Duration kSettleRetry = absl::Milliseconds(10);

absl::Status EpochComplete(const Epoch& epoch, uint64_t parked) {
  std::string message = absl::StrCat("epoch ", epoch.number(), " is complete");
  if (parked > 0) {
    absl::StrAppend(&message, " but for ", parked, " parked positions: see ListLeases");
  }
  return WithReason(absl::OutOfRangeError(message), "EPOCH_END");
}

void FillLease(const LeaseBook::Lease& held, Uid run, uint64_t incarnation, uint64_t generation,
               absl::Duration expires_in, v1::Lease* lease) {
  lease->set_run_uid(run);
  lease->set_incarnation(incarnation);
  lease->set_id(held.id);
  lease->set_generation(generation);
  *lease->mutable_expires_in() = DurationProto(expires_in);
}

absl::Status ValidateAcknowledgements(const v1::AcknowledgeRequest& request) {
  const int entries = request.acknowledgements_size();
  if (entries == 0 || entries > kMaxLeasesPerCall) {
    return InvalidField("acknowledgements", absl::StrCat("has ", entries, " entries, outside [1, ",
                                                         kMaxLeasesPerCall, "]"));
  }
  if (!v1::Durability_IsValid(request.durability())) {
    return InvalidField("durability", absl::StrCat(static_cast<int>(request.durability()),
                                                   " is not a value this version knows"));
  }
  for (int i = 0; i < entries; ++i) {
    const v1::Acknowledgement& entry = request.acknowledgements(i);
    const std::string path = absl::StrCat("acknowledgements[", i, "]");
    if (entry.num_positions() == 0 || entry.num_positions() > kMaxBatchSize) {
      return InvalidField(
          absl::StrCat(path, ".num_positions"),
          absl::StrCat(entry.num_positions(), " is outside [1, ", kMaxBatchSize, "]"));
    }
    SUBSET_RETURN_IF_ERROR(
        ValidateWorker(absl::StrCat(path, ".worker"), entry.worker(), entry.has_lease()));
    if (entry.failed().size() > kMaxReasonBytes) {
      return InvalidField(
          absl::StrCat(path, ".failed"),
          absl::StrCat("has ", entry.failed().size(), " bytes; at most ", kMaxReasonBytes));
    }
    if (!entry.failed().empty() && !entry.has_lease()) {
      return InvalidField(absl::StrCat(path, ".lease"),
                          "is not set: only a leased block can fail and be delivered again");
    }
  }
  return absl::OkStatus();
}

}  // namespace

void LocalEngine::ServeLeased(const std::shared_ptr<Run>& run,
                              const std::shared_ptr<const Epoch>& epoch,
                              const v1::GetBatchRequest& request, v1::Batch* reply,
                              BatchDone done) {
  const uint32_t global_batch_size = run->settings().global_batch_size();
  auto terms = LeaseTermsOf(request.leased(), global_batch_size);
  if (!terms.ok()) return done(terms.status());
  LeaseBook::Request wanted;
  wanted.epoch = epoch->number();
  wanted.worker = std::move(terms->worker);
  wanted.batch_size = terms->batch_size;
  wanted.lease_time = terms->lease_time;
  if (epoch->live()) {
    // A block must not wait for its redelivery longer than its draw is kept.
    wanted.window =
        std::max<uint64_t>(1, epoch->opened.keep_live_batches() / 2) * global_batch_size;
  }
  const auto seed = [&] {
    LeaseBook::Seed start = run->DeliverySeed(epoch->number());
    // What an earlier server delivered nobody knows any more.
    const bool ours = epoch->opened.score_version().incarnation() == incarnation_;
    start.first_attempt = ours ? 1 : 2;
    return start;
  };
  absl::Duration retry_after;
  const std::optional<LeaseBook::Lease> lease =
      run->leases().Grant(wanted, options_.clock->Monotonic(), seed, &retry_after);
  if (!lease.has_value()) {
    uint64_t parked = 0;
    if (retry_after == absl::ZeroDuration()) {
      if (run->Settled(epoch->number(), &parked)) return done(EpochComplete(*epoch, parked));
      retry_after = kSettleRetry;
    }
    reply->set_epoch(epoch->number());
    reply->clear_indices();
    *reply->mutable_retry_after() = DurationProto(retry_after);
    return done(absl::OkStatus());
  }
  BatchAddress address;
  address.position = lease->block.begin;
  address.count = static_cast<uint32_t>(lease->block.size());
  address.global_samples = address.count;
  ServeRange(run, epoch, address, request, reply,
             [this, run, reply, lease = *lease, lease_time = terms->lease_time,
              done = std::move(done)](absl::Status status) mutable {
               if (!status.ok()) {
                 run->leases().Undo(lease.id);
                 return done(std::move(status));
               }
               reply->set_attempt(lease.attempt);
               FillLease(lease, run->uid(), incarnation_, reply->generation(), lease_time,
                         reply->mutable_lease());
               done(absl::OkStatus());
             });
}

absl::Status LocalEngine::CheckLease(Run& run, const std::string& path, const v1::Lease& lease,
                                     const std::string& worker, uint64_t epoch, Block block,
                                     uint32_t* attempt) const {
  if (lease.run_uid() != run.uid()) {
    return WithReason(
        WithField(absl::PermissionDeniedError(absl::StrCat(
                      path, ".lease is of run ", lease.run_uid(), ", not of run ", run.uid())),
                  absl::StrCat(path, ".lease")),
        "LEASE_FOREIGN");
  }
  // The fold says of these what they are: too old, or known already.
  if (lease.generation() != run.generation() || run.IsAcknowledged(epoch, block)) {
    return absl::OkStatus();
  }
  const absl::StatusOr<uint32_t> checked =
      run.leases().Check(lease, incarnation_, worker, epoch, block, options_.clock->Monotonic());
  if (!checked.ok()) return WithField(checked.status(), absl::StrCat(path, ".lease"));
  if (*checked > 0) *attempt = *checked;
  return absl::OkStatus();
}

absl::Status LocalEngine::CheckLeases(Run& run, log::v1::FeedbackReported* reported) const {
  for (int i = 0; i < reported->feedback_size(); ++i) {
    v1::Feedback& entry = *reported->mutable_feedback(i);
    if (!entry.has_lease()) continue;
    const uint64_t items = entry.indices().size() / sizeof(uint32_t);
    uint32_t attempt = entry.attempt();
    SUBSET_RETURN_IF_ERROR(CheckLease(run, absl::StrCat("feedback[", i, "]"), entry.lease(),
                                      entry.worker(), entry.epoch(),
                                      {entry.position(), entry.position() + items}, &attempt));
    entry.set_attempt(attempt);
    entry.mutable_lease()->clear_expires_in();
  }
  return absl::OkStatus();
}

void LocalEngine::Acknowledge(const v1::AcknowledgeRequest& request,
                              Done<v1::AcknowledgeResponse> done) {
  const auto run = RequireRun(request.run_uid());
  if (!run.ok()) return done(run.status());
  const absl::Status valid = ValidateAcknowledgements(request);
  if (!valid.ok()) return done(valid);
  log::v1::Record record = NewRecord();
  auto* acknowledged = record.mutable_positions_acknowledged();
  acknowledged->set_run_uid(request.run_uid());
  *acknowledged->mutable_acknowledgements() = request.acknowledgements();
  for (int i = 0; i < acknowledged->acknowledgements_size(); ++i) {
    v1::Acknowledgement& entry = *acknowledged->mutable_acknowledgements(i);
    if (!entry.has_lease()) continue;
    uint32_t attempt = entry.attempt();
    const absl::Status held = CheckLease(
        **run, absl::StrCat("acknowledgements[", i, "]"), entry.lease(), entry.worker(),
        entry.epoch(), {entry.position(), entry.position() + entry.num_positions()}, &attempt);
    if (!held.ok()) return done(held);
    entry.set_attempt(attempt);
    entry.mutable_lease()->clear_expires_in();
  }
  const v1::Durability durability = request.durability() == v1::DURABILITY_APPLIED
                                        ? v1::DURABILITY_APPLIED
                                        : v1::DURABILITY_DURABLE;
  Submit(
      std::move(record), /*sync=*/durability == v1::DURABILITY_DURABLE, {},
      [durability, done = std::move(done)](Outcome outcome) mutable {
        if (!outcome.status.ok()) return done(outcome.status);
        const AcknowledgedOutcome& folded = outcome.acknowledged;
        v1::AcknowledgeResponse response;
        response.set_durability(durability);
        response.set_acknowledged_positions(folded.acknowledged_positions);
        response.set_failed_positions(folded.failed_positions);
        response.set_parked_positions(folded.parked_positions);
        response.set_duplicate(
            folded.acknowledged_positions + folded.failed_positions + folded.parked_positions == 0);
        done(std::move(response));
      });
}

absl::StatusOr<v1::RenewLeasesResponse> LocalEngine::RenewLeases(
    const v1::RenewLeasesRequest& request) {
  SUBSET_ASSIGN_OR_RETURN(const auto run, RequireRun(request.run_uid()));
  if (request.leases_size() > kMaxLeasesPerCall) {
    return InvalidField("leases", absl::StrCat("has ", request.leases_size(), " entries; at most ",
                                               kMaxLeasesPerCall));
  }
  SUBSET_RETURN_IF_ERROR(ValidateWorker("worker", request.worker(), /*leased=*/true));
  SUBSET_ASSIGN_OR_RETURN(
      const absl::Duration lease_time,
      LeaseTimeOf(request.has_lease_time(), request.lease_time(), "lease_time"));
  for (int i = 0; i < request.leases_size(); ++i) {
    if (request.leases(i).run_uid() == run->uid()) continue;
    const std::string path = absl::StrCat("leases[", i, "]");
    return WithReason(WithField(absl::PermissionDeniedError(
                                    absl::StrCat(path, " is of run ", request.leases(i).run_uid(),
                                                 ", not of run ", run->uid())),
                                path),
                      "LEASE_FOREIGN");
  }
  SUBSET_ASSIGN_OR_RETURN(std::vector<v1::Lease> lost,
                          run->leases().Renew(request.leases(), incarnation_, request.worker(),
                                              options_.clock->Monotonic(), lease_time));
  v1::RenewLeasesResponse response;
  *response.mutable_expires_in() = DurationProto(lease_time);
  for (v1::Lease& lease : lost) *response.add_lost() = std::move(lease);
  return response;
}

absl::StatusOr<v1::ListLeasesResponse> LocalEngine::ListLeases(
    const v1::ListLeasesRequest& request) {
  SUBSET_ASSIGN_OR_RETURN(const auto run, RequireRun(request.run_uid()));
  if (run->FindEpoch(request.epoch()) == nullptr) {
    return WithReason(WithField(absl::FailedPreconditionError(absl::StrCat(
                                    "epoch ", request.epoch(), " is not open, or no longer kept")),
                                "epoch"),
                      "EPOCH_NOT_OPEN");
  }
  v1::ListLeasesResponse response;
  const absl::Duration now = options_.clock->Monotonic();
  uint64_t total = 0;
  for (const LeaseBook::Lease& held :
       run->leases().List(request.epoch(), now, kMaxListed, &total)) {
    v1::LeasedBlock& block = *response.add_leased();
    FillLease(held, run->uid(), incarnation_, run->generation(), held.expires - now,
              block.mutable_lease());
    block.set_position(held.block.begin);
    block.set_num_positions(held.block.size());
    block.set_attempt(held.attempt);
    block.set_worker(held.worker);
  }
  response.set_num_leased(total);
  for (v1::FailedBlock& parked : run->Parked(request.epoch(), kMaxListed, &total)) {
    *response.add_parked() = std::move(parked);
  }
  response.set_num_parked(total);
  return response;
}

void LocalEngine::ReleaseParked(const v1::ReleaseParkedRequest& request,
                                Done<v1::ReleaseParkedResponse> done) {
  const auto run = RequireRun(request.run_uid());
  if (!run.ok()) return done(run.status());
  log::v1::Record record = NewRecord();
  auto* released = record.mutable_parked_released();
  released->set_run_uid(request.run_uid());
  released->set_epoch(request.epoch());
  if (request.has_position()) released->set_position(request.position());
  Submit(std::move(record), [done = std::move(done)](Outcome outcome) mutable {
    if (!outcome.status.ok()) return done(outcome.status);
    v1::ReleaseParkedResponse response;
    response.set_released_positions(outcome.released_positions);
    done(std::move(response));
  });
}

}  // namespace subset
