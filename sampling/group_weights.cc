#include "sampling/group_weights.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "sampling/bytes.h"
#include "sampling/leaf.h"

namespace subset::sampling {
namespace {

constexpr uint32_t kForm = 0x47573031;
constexpr double kLog2E = 0x1.71547652b82fep+0;
constexpr double kLn2 = 0x1.62e42fefa39efp-1;
constexpr double kRewardScale = 10;

// 2^x_g over their sum.
std::vector<double> Softmax2(std::vector<double> x) {
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (double& value : x) {
    value = PortableExp2(value - largest);
    sum += value;
  }
  for (double& value : x) value /= sum;
  return x;
}

// e_t of ODM.
double Exploration(double groups, uint64_t t) {
  if (t == 0) return 1 / groups;
  const double log = PortableLog2(groups) * kLn2;
  return std::min(1 / groups, std::sqrt(log / (groups * static_cast<double>(t))));
}

}  // namespace

GroupWeights::GroupWeights(size_t groups)
    : log_weights_(groups, -PortableLog2(static_cast<double>(groups))),
      losses_(groups),
      rewards_(groups),
      sums_(groups) {}

void GroupWeights::UpdateExponentiated(const Proportion& proportion,
                                       absl::Span<const uint64_t> sizes) {
  const double scale = proportion.eta * kLog2E;
  for (size_t g = 0; g < groups(); ++g) {
    double loss = losses_[g];
    if (proportion.kind == Proportion::Kind::kGroupDro && sizes[g] > 0) {
      loss += proportion.adjustment / std::sqrt(static_cast<double>(sizes[g]));
    }
    log_weights_[g] += scale * loss;
  }
  // Normalised: log2 q <- log2 q - log2 sum q.
  const double largest = *std::max_element(log_weights_.begin(), log_weights_.end());
  double sum = 0;
  for (const double weight : log_weights_) sum += PortableExp2(weight - largest);
  const double log_sum = largest + PortableLog2(sum);
  const bool smoothed = proportion.kind == Proportion::Kind::kDoremi && proportion.epsilon > 0;
  for (double& weight : log_weights_) {
    weight -= log_sum;
    if (!smoothed) continue;
    weight = PortableLog2((1 - proportion.epsilon) * PortableExp2(weight) +
                          proportion.epsilon / static_cast<double>(groups()));
  }
}

void GroupWeights::Update(const Proportion& proportion, absl::Span<const double> losses,
                          absl::Span<const uint64_t> sizes) {
  const auto finite = [](double loss) { return std::isfinite(loss); };
  if (std::none_of(losses.begin(), losses.end(), finite)) return;
  const bool odm = proportion.kind == Proportion::Kind::kOdm;
  const std::vector<double> before = odm ? Shares(proportion.kind) : std::vector<double>();
  for (size_t g = 0; g < groups(); ++g) {
    if (!finite(losses[g])) continue;
    losses_[g] = losses[g];
    if (odm) rewards_[g] += losses[g] / kRewardScale / before[g];
  }
  if (!odm) UpdateExponentiated(proportion, sizes);
  ++batches_;
  const std::vector<double> shares = Shares(proportion.kind);
  for (size_t g = 0; g < groups(); ++g) sums_[g] += shares[g];
}

std::vector<double> GroupWeights::Shares(Proportion::Kind kind) const {
  if (kind != Proportion::Kind::kOdm) return Softmax2(log_weights_);
  const double count = static_cast<double>(groups());
  if (batches_ == 0) return std::vector<double>(groups(), 1 / count);
  const double now = Exploration(count, batches_);
  const double before = Exploration(count, batches_ - 1);
  std::vector<double> shares;
  for (const double reward : rewards_) shares.push_back(before * reward * kLog2E);
  shares = Softmax2(std::move(shares));
  for (double& share : shares) share = (1 - count * now) * share + now;
  return shares;
}

std::vector<double> GroupWeights::MeanShares() const {
  if (batches_ == 0) return std::vector<double>(groups(), 1 / static_cast<double>(groups()));
  std::vector<double> means;
  for (const double sum : sums_) means.push_back(sum / static_cast<double>(batches_));
  return means;
}

std::string GroupWeights::Serialize() const {
  ByteWriter writer;
  writer.Put(kForm);
  writer.Put(static_cast<uint32_t>(groups()));
  writer.Put(batches_);
  for (const auto* values : {&log_weights_, &losses_, &rewards_, &sums_}) {
    writer.PutArray(values->data(), values->size());
  }
  return writer.Finish();
}

absl::StatusOr<GroupWeights> GroupWeights::Parse(absl::string_view serialized, size_t groups) {
  ByteReader reader(serialized);
  const auto form = reader.Get<uint32_t>();
  const auto stored = reader.Get<uint32_t>();
  GroupWeights weights(groups);
  weights.batches_ = reader.Get<uint64_t>();
  for (auto* values :
       {&weights.log_weights_, &weights.losses_, &weights.rewards_, &weights.sums_}) {
    reader.GetArray(values->data(), groups);
  }
  if (!reader.ok() || form != kForm || stored != groups || reader.remaining() > 0) {
    return absl::DataLossError(absl::StrCat("stored group weights of ", serialized.size(),
                                            " bytes are damaged or not of ", groups, " groups"));
  }
  return weights;
}

}  // namespace subset::sampling
