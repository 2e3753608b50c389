#include "engine/provide.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "engine/feedback.h"

#define XXH_INLINE_ALL
#include "xxhash.h"

namespace subset {
namespace {

uint64_t HashOf(const sampling::ProvidedEpoch& epoch) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, epoch.indices.data(), epoch.indices.size() * sizeof(uint32_t));
  XXH3_64bits_update(&state, epoch.expected.data(), epoch.expected.size() * sizeof(double));
  const uint64_t hash = XXH3_64bits_digest(&state);
  return hash == 0 ? 1 : hash;
}

// A sample is expected so often in an epoch, wherever it stands; but for the last digits, which
// vectorised arithmetic rounds by position. Catches q in place of q[indices]. O(positions log
// positions).
absl::Status CheckOneCountPerSample(const sampling::ProvidedEpoch& epoch) {
  if (epoch.expected.empty()) return absl::OkStatus();
  std::vector<uint32_t> order(epoch.indices.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return std::make_pair(epoch.indices[a], a) < std::make_pair(epoch.indices[b], b);
  });
  for (size_t k = 1; k < order.size(); ++k) {
    const uint32_t before = order[k - 1];
    const uint32_t position = order[k];
    if (epoch.indices[before] != epoch.indices[position]) continue;
    const double mu = epoch.expected[position];
    if (std::abs(mu - epoch.expected[before]) <= 1e-9 * mu) continue;
    return InvalidField(
        "chunk.expected",
        absl::StrCat("of position ", position, " is ", mu, ", but ", epoch.expected[before],
                     " of position ", before, ", where the same sample ", epoch.indices[position],
                     " stands: it is expected equally often"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateHeader(const v1::ProvideEpochRequest::Header& header) {
  if (header.epoch() >= uint64_t{1} << 32) {
    return InvalidField("header.epoch", absl::StrCat(header.epoch(), " is outside [0, 2^32)"));
  }
  if (header.num_positions() == 0 || header.num_positions() > kMaxSamples) {
    return InvalidField("header.num_positions",
                        absl::StrCat(header.num_positions(), " is outside [1, ", kMaxSamples, "]"));
  }
  if (header.index_width() != 0 && header.index_width() != 4 && header.index_width() != 8) {
    return InvalidField("header.index_width", absl::StrCat(header.index_width(), " is not 4 or 8"));
  }
  return absl::OkStatus();
}

ProvisionInProgress::ProvisionInProgress(v1::ProvideEpochRequest::Header header,
                                         uint64_t num_samples, Open open)
    : header_(std::move(header)), num_samples_(num_samples), open_(std::move(open)) {}

absl::Status ProvisionInProgress::Append(const v1::ProvideEpochRequest::Chunk& chunk) {
  if (failed_.ok()) failed_ = Take(chunk);
  return failed_;
}

absl::Status ProvisionInProgress::Take(const v1::ProvideEpochRequest::Chunk& chunk) {
  const uint64_t width = header_.index_width() == 8 ? sizeof(uint64_t) : sizeof(uint32_t);
  const uint64_t size = chunk.indices().size();
  const uint64_t known = epoch_.indices.size();
  if (chunk.first_position() != known) {
    return InvalidField("chunk.first_position", absl::StrCat(chunk.first_position(),
                                                             " is out of order: the epoch "
                                                             "continues at ",
                                                             known));
  }
  if (size == 0 || size % width != 0 || size + chunk.expected().size() > kMaxProvidedChunkBytes) {
    return InvalidField(
        "chunk.indices",
        absl::StrCat("has ", size, " bytes: not a multiple of ", width, " in [", width, ", ",
                     kMaxProvidedChunkBytes, "], expected counts included"));
  }
  const uint64_t count = size / width;
  if (count > header_.num_positions() - known) {
    return InvalidField("chunk.indices",
                        absl::StrCat("ends at position ", known + count, ", past the ",
                                     header_.num_positions(), " of the header"));
  }
  const uint64_t expected_bytes = header_.has_expected() ? count * sizeof(double) : 0;
  if (chunk.expected().size() != expected_bytes) {
    return InvalidField("chunk.expected", absl::StrCat("has ", chunk.expected().size(), " bytes; ",
                                                       count, " positions need ", expected_bytes));
  }
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t index = 0;
    std::memcpy(&index, chunk.indices().data() + i * width, width);
    if (index >= num_samples_) {
      return InvalidField("chunk.indices", absl::StrCat("of position ", known + i, " is ", index,
                                                        ", outside [0, ", num_samples_, ")"));
    }
    epoch_.indices.push_back(static_cast<uint32_t>(index));
  }
  const std::vector<double> expected = DecodeValues<double>(chunk.expected());
  for (size_t i = 0; i < expected.size(); ++i) {
    const double mu = expected[i];
    if (mu >= sampling::kLeastExpected && mu <= sampling::kLargestExpected) continue;
    return InvalidField("chunk.expected", absl::StrCat("of position ", known + i, " is ", mu,
                                                       ", outside [", sampling::kLeastExpected,
                                                       ", ", sampling::kLargestExpected, "]"));
  }
  epoch_.expected.insert(epoch_.expected.end(), expected.begin(), expected.end());
  return absl::OkStatus();
}

void ProvisionInProgress::Commit(Done done) {
  if (!failed_.ok()) return done(failed_);
  if (epoch_.indices.size() != header_.num_positions()) {
    failed_ =
        InvalidField("chunk", absl::StrCat("is truncated: the epoch has ", epoch_.indices.size(),
                                           " of ", header_.num_positions(), " positions"));
    return done(failed_);
  }
  failed_ = CheckOneCountPerSample(epoch_);
  if (!failed_.ok()) return done(failed_);
  failed_ = absl::FailedPreconditionError("this epoch was committed");
  auto content = std::make_shared<ProvidedContent>();
  content->epoch = std::move(epoch_);
  content->hash = HashOf(content->epoch);
  open_(std::move(content), std::move(done));
}

}  // namespace subset
