#include "engine/lease_terms.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"

namespace subset {
namespace {

constexpr absl::Duration kDefaultLeaseTime = absl::Seconds(60);
constexpr absl::Duration kMinLeaseTime = absl::Milliseconds(100);
constexpr absl::Duration kMaxLeaseTime = absl::Hours(24);
constexpr size_t kMaxWorkerBytes = 128;

}  // namespace

google::protobuf::Duration DurationProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(
      static_cast<int32_t>(absl::IDivDuration(duration, absl::Nanoseconds(1), &duration)));
  return proto;
}

absl::StatusOr<absl::Duration> LeaseTimeOf(bool given, const google::protobuf::Duration& time,
                                           absl::string_view field) {
  if (!given) return kDefaultLeaseTime;
  const absl::Duration lease_time = absl::Seconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  if (lease_time >= kMinLeaseTime && lease_time <= kMaxLeaseTime) return lease_time;
  return InvalidField(
      field, absl::StrCat(time.seconds(), " s ", time.nanos(), " ns is outside [100 ms, 24 h]"));
}

absl::Status ValidateWorker(absl::string_view field, const std::string& worker, bool leased) {
  if (worker.size() <= kMaxWorkerBytes && !(leased && worker.empty())) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("has ", worker.size(), " bytes, outside [",
                                          leased ? 1 : 0, ", ", kMaxWorkerBytes, "]"));
}

absl::StatusOr<LeaseTerms> LeaseTermsOf(const v1::GetBatchRequest::Leased& leased,
                                        uint32_t global_batch_size) {
  LeaseTerms terms;
  SUBSET_RETURN_IF_ERROR(ValidateWorker("leased.worker", leased.worker(), /*leased=*/true));
  terms.worker = leased.worker();
  terms.batch_size = leased.batch_size() == 0 ? global_batch_size : leased.batch_size();
  if (terms.batch_size > kMaxBatchSize) {
    return InvalidField("leased.batch_size",
                        absl::StrCat(leased.batch_size(), " is outside [0, ", kMaxBatchSize, "]"));
  }
  SUBSET_ASSIGN_OR_RETURN(terms.lease_time, LeaseTimeOf(leased.has_lease_time(),
                                                        leased.lease_time(), "leased.lease_time"));
  return terms;
}

}  // namespace subset
