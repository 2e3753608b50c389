#include "subset/batch_view.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/base/config.h"
#include "absl/strings/str_cat.h"

#ifndef ABSL_IS_LITTLE_ENDIAN
#error "Arrays are read as they lie in memory, which must be little-endian."
#endif

namespace subset {
namespace {

// Returns false when `bytes` is not a whole number of T.
template <class T>
bool Copy(const std::string& bytes, std::vector<T>* values) {
  if (bytes.size() % sizeof(T) != 0) return false;
  values->resize(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values->data(), bytes.data(), bytes.size());
  return true;
}

absl::Status Malformed(const v1::Batch& batch, absl::string_view what) {
  return absl::InternalError(absl::StrCat("the server's batch at position ", batch.position(),
                                          " of epoch ", batch.epoch(), " is malformed: ", what));
}

}  // namespace

void BatchView::Clear() {
  indices_.clear();
  probabilities_.clear();
  weights_.clear();
  places_.clear();
  pool_samples_ = 0;
  constant_probability_ = constant_weight_ = false;
  padding_ = 0;
}

absl::Status BatchView::Decode(const v1::Batch& batch) {
  Clear();
  if (batch.index_width() == 4) {
    if (!Copy(batch.indices(), &narrow_indices_)) {
      return Malformed(batch, absl::StrCat(batch.indices().size(), " bytes of u32 indices"));
    }
    indices_.assign(narrow_indices_.begin(), narrow_indices_.end());
  } else if (batch.index_width() == 8) {
    if (!Copy(batch.indices(), &indices_)) {
      return Malformed(batch, absl::StrCat(batch.indices().size(), " bytes of u64 indices"));
    }
  } else {
    return Malformed(batch, absl::StrCat("index_width ", batch.index_width(), " is not 4 or 8"));
  }
  const size_t count = indices_.size();

  bool fits = Copy(batch.probabilities(), &probabilities_) && Copy(batch.weights(), &weights_);
  constant_probability_ = batch.has_probability();
  constant_weight_ = batch.has_weight();
  // One value or one per sample, never both; probabilities may be omitted, weights may not.
  fits = fits &&
         (probabilities_.empty() || (!constant_probability_ && probabilities_.size() == count));
  fits = fits && (constant_weight_ ? weights_.empty() : weights_.size() == count);
  fits = fits && batch.padding() <= count;
  pool_samples_ = batch.pool_samples();
  fits = fits && Copy(batch.places(), &places_) &&
         places_.size() == (pool_samples_ > 0 ? count : 0) &&
         std::all_of(places_.begin(), places_.end(),
                     [this](uint32_t place) { return place < pool_samples_; });
  if (!fits) {
    const absl::Status status =
        Malformed(batch, absl::StrCat(count, " indices, ", batch.probabilities().size(),
                                      " bytes of probabilities, ", batch.weights().size(),
                                      " bytes of weights, ", batch.places().size(),
                                      " bytes of places in a pool of ", batch.pool_samples(),
                                      ", padding ", batch.padding()));
    Clear();
    return status;
  }
  probability_ = batch.probability();
  weight_ = batch.weight();
  epoch_ = batch.epoch();
  position_ = batch.position();
  step_ = batch.step();
  attempt_ = batch.attempt();
  padding_ = batch.padding();
  global_samples_ = batch.global_samples();
  generation_ = batch.generation();
  probability_kind_ = batch.probability_kind();
  unbiased_over_ = batch.unbiased_over();
  leased_ = batch.has_lease();
  lease_ = batch.lease();
  return absl::OkStatus();
}

std::vector<float> BatchView::WeightVector() const {
  return constant_weight_ ? std::vector<float>(size(), weight_) : weights_;
}

}  // namespace subset
