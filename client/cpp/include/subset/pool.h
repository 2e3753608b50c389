// Pool then select: a batch is a pool, which the caller scores with its current model; the server
// keeps of it what the sampler's rule says.
//
//   SUBSET_ASSIGN_OR_RETURN(subset::v1::Batch batch, client->GetBatch(address));
//   SUBSET_RETURN_IF_ERROR(pool.Decode(batch));
//   std::vector<float> scores = Score(pool.indices());
//   SUBSET_ASSIGN_OR_RETURN(batch, client->Select(subset::SelectFrom(address, scores)));
//   SUBSET_RETURN_IF_ERROR(chosen.Decode(batch));
//   Train(chosen.indices(), chosen.WeightVector());
//   SUBSET_ASSIGN_OR_RETURN(auto report, subset::LossFeedback(pool, pool.step(), scores));

#ifndef SUBSET_POOL_H_
#define SUBSET_POOL_H_

#include "absl/types/span.h"
#include "subset/v1/training.pb.h"

namespace subset {

// Returns the request to choose from the pool at `address` (not a leased one), given a score for
// each of its samples in its order, by the rule of its sampler; set `rule` for another.
v1::SelectRequest SelectFrom(const v1::GetBatchRequest& address, absl::Span<const float> scores);

}  // namespace subset

#endif  // SUBSET_POOL_H_
