#include "subset/pool.h"

namespace subset {

v1::SelectRequest SelectFrom(const v1::GetBatchRequest& address, absl::Span<const float> scores) {
  v1::SelectRequest request;
  *request.mutable_pool() = address;
  request.set_scores(scores.data(), scores.size() * sizeof(float));
  return request;
}

}  // namespace subset
