// An epoch that is handed in: checks what comes and keeps it until it is whole.

#ifndef SUBSET_ENGINE_PROVIDE_H_
#define SUBSET_ENGINE_PROVIDE_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "sampling/provided.h"

namespace subset {

// Most bytes of indices and expected counts in one chunk message.
inline constexpr uint64_t kMaxProvidedChunkBytes = 1 << 20;

// What was handed in, whole and valid.
struct ProvidedContent {
  sampling::ProvidedEpoch epoch;
  uint64_t hash = 0;  // XXH3-64 of its indices (u32), then its expected counts; never 0
};

// Checks a header by itself. Fails with kInvalidArgument naming the field.
absl::Status ValidateHeader(const v1::ProvideEpochRequest::Header& header);

// One thread at a time. Must not outlive the engine.
class ProvisionInProgress : public EpochProvision {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<v1::Epoch>)>;
  using Open = std::function<void(std::shared_ptr<const ProvidedContent>, Done)>;

  // `header` is valid. `open` opens the epoch.
  ProvisionInProgress(v1::ProvideEpochRequest::Header header, uint64_t num_samples, Open open);

  absl::Status Append(const v1::ProvideEpochRequest::Chunk& chunk) override;
  void Commit(Done done) override;

 private:
  absl::Status Take(const v1::ProvideEpochRequest::Chunk& chunk);

  const v1::ProvideEpochRequest::Header header_;
  const uint64_t num_samples_;
  const Open open_;
  sampling::ProvidedEpoch epoch_;
  absl::Status failed_;  // the first error: nothing after it counts
};

}  // namespace subset

#endif  // SUBSET_ENGINE_PROVIDE_H_
