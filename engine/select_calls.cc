// The engine's call for pool then select.

#include <memory>
#include <utility>

#include "base/error.h"
#include "engine/local_engine.h"
#include "engine/select_batch.h"

namespace subset {

void LocalEngine::Select(const v1::SelectRequest& request, Cancelled cancelled,
                         Done<v1::Batch> done) {
  const auto run = RequireRun(request.pool().run_uid());
  if (!run.ok()) return done(WithField(run.status(), "pool.run_uid"));
  if (request.pool().has_leased()) {
    return done(InvalidField("pool.leased",
                             "names no positions: give those of the block that was leased, as "
                             "positions {position, batch_size}; its lease acknowledges all of it"));
  }
  if (!request.pool().has_assigned() && !request.pool().has_positions()) {
    return done(InvalidField("pool.address", "is not set: either assigned or positions"));
  }
  const absl::Status valid = CheckSelect(request);
  if (!valid.ok()) return done(valid);
  v1::GetBatchRequest address = request.pool();
  address.set_omit_probabilities(true);
  auto pool = std::make_shared<v1::Batch>();
  GetBatch(address, pool.get(), std::move(cancelled),
           [request, run = *run, pool, done = std::move(done)](const absl::Status& drawn) mutable {
             if (!drawn.ok()) return done(drawn);
             const auto epoch = run->FindEpoch(pool->epoch());
             if (epoch == nullptr) {
               return done(WithReason(
                   absl::FailedPreconditionError("the epoch of the pool is no longer kept"),
                   "EPOCH_GONE"));
             }
             const v1::Run& settings = run->settings();
             const auto terms =
                 TermsOf(request, *epoch, pool->position(), settings.global_batch_size());
             if (!terms.ok()) return done(terms.status());
             done(SelectFrom(*pool, request, *terms, settings.seed()));
           });
}

}  // namespace subset
