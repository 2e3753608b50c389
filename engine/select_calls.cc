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
  if (!request.pool().has_assigned() && !request.pool().has_positions()) {
    return done(InvalidField("pool.address", "is not set: either assigned or positions"));
  }
  auto rule = ReadSelectRule(request);
  if (!rule.ok()) return done(rule.status());
  v1::GetBatchRequest address = request.pool();
  address.set_omit_probabilities(true);
  auto pool = std::make_shared<v1::Batch>();
  GetBatch(address, pool.get(), std::move(cancelled),
           [request, rule = *rule, seed = (*run)->settings().seed(), pool,
            done = std::move(done)](const absl::Status& drawn) mutable {
             if (!drawn.ok()) return done(drawn);
             done(SelectFrom(*pool, request, rule, seed));
           });
}

}  // namespace subset
