// What a worker may ask of a lease.

#ifndef SUBSET_ENGINE_LEASE_TERMS_H_
#define SUBSET_ENGINE_LEASE_TERMS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "subset/v1/training.pb.h"

namespace subset {

// Of RenewLeases and Acknowledge.
inline constexpr int kMaxLeasesPerCall = 1024;

struct LeaseTerms {
  std::string worker;
  uint32_t batch_size = 0;  // of a block not delivered before
  absl::Duration lease_time;
};

// Returns the terms, with defaults filled in. Fails with kInvalidArgument.
absl::StatusOr<LeaseTerms> LeaseTermsOf(const v1::GetBatchRequest::Leased& leased,
                                        uint32_t global_batch_size);

// Returns the time a lease lasts: 60 s if it is not given. Fails with kInvalidArgument.
absl::StatusOr<absl::Duration> LeaseTimeOf(bool given, const google::protobuf::Duration& time,
                                           absl::string_view field);

// Checks a worker's name, which may be empty where there is no lease.
absl::Status ValidateWorker(absl::string_view field, const std::string& worker, bool leased);

google::protobuf::Duration DurationProto(absl::Duration duration);

}  // namespace subset

#endif  // SUBSET_ENGINE_LEASE_TERMS_H_
