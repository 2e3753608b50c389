#include "sampling/select.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "sampling/leaf.h"
#include "sampling/permutation.h"
#include "sampling/spec.h"

namespace subset::sampling {
namespace {

using Kind = SelectRule::Kind;

absl::Status CheckScores(const SelectRule& rule, absl::Span<const float> scores,
                         absl::Span<const float> history) {
  if (scores.empty()) return InvalidField("scores", "is empty: a pool holds at least 1 candidate");
  for (size_t i = 0; i < scores.size(); ++i) {
    const bool proportional = rule.kind == Kind::kProportional;
    if (std::isfinite(scores[i]) && (scores[i] >= 0 || !proportional)) continue;
    return InvalidField(
        absl::StrCat("scores[", i, "]"),
        absl::StrCat(scores[i], proportional ? " is outside [0, infinity)" : " is not finite"));
  }
  if (rule.count > scores.size()) {
    return InvalidField("select.count", absl::StrCat(rule.count, " is above the pool's ",
                                                     scores.size(), " candidates"));
  }
  if (history.empty()) return absl::OkStatus();
  if (rule.kind != Kind::kKeepProbability) {
    return InvalidField("history", "is set, but only KEEP_PROBABILITY compares with one");
  }
  for (size_t i = 0; i < history.size(); ++i) {
    if (!std::isfinite(history[i]) || (i > 0 && history[i] < history[i - 1])) {
      return InvalidField("history",
                          absl::StrCat("is not finite and rising at ", i, ": ", history[i]));
    }
  }
  return absl::OkStatus();
}

// One pool: its scores and the bits that its key gives.
class Pool {
 public:
  Pool(const SelectRule& rule, const PhiloxKey& key, absl::Span<const float> scores)
      : rule_(rule), key_(key), scores_(scores), size_(static_cast<double>(scores.size())) {}

  Selection Top() const;
  Selection Proportional() const;
  Selection KeepProbability(absl::Span<const float> history) const;
  Selection KeepFraction() const;

 private:
  // Places by rising score, equal ones by a keyed hash.
  std::vector<uint32_t> Ranked() const;

  const SelectRule& rule_;
  const PhiloxKey key_;
  const absl::Span<const float> scores_;
  const double size_;
};

std::vector<uint32_t> Pool::Ranked() const {
  std::vector<uint64_t> hashes(scores_.size());
  for (size_t i = 0; i < hashes.size(); ++i) hashes[i] = BlockHigh(Philox(key_, i));
  std::vector<uint32_t> places(scores_.size());
  std::iota(places.begin(), places.end(), 0);
  std::sort(places.begin(), places.end(), [&](uint32_t a, uint32_t b) {
    if (scores_[a] != scores_[b]) return scores_[a] < scores_[b];
    return hashes[a] != hashes[b] ? hashes[a] < hashes[b] : a < b;
  });
  return places;
}

// kTop is kTopAndUniform without the second part.
Selection Pool::Top() const {
  std::vector<uint32_t> places = Ranked();
  std::reverse(places.begin(), places.end());
  const size_t top = rule_.count - rule_.uniform;
  const size_t others = places.size() - top;
  Selection selection;
  selection.unbiased = rule_.uniform > 0 || others == 0;
  selection.chosen.assign(places.begin(), places.begin() + top);
  selection.probabilities.assign(top, 1);
  if (rule_.uniform > 0) {
    const PhiloxBlock bits = Philox(key_, places.size(), 1);
    const Permutation order(others, {bits[0], bits[1]});
    for (size_t k = 0; k < rule_.uniform; ++k) {
      selection.chosen.push_back(places[top + order.At(k)]);
      selection.probabilities.push_back(static_cast<double>(rule_.uniform) /
                                        static_cast<double>(others));
    }
  }
  for (const double pi : selection.probabilities) {
    const double factor = selection.unbiased ? rule_.count / (size_ * pi) : 1;
    selection.factors.push_back(static_cast<float>(factor));
  }
  return selection;
}

Selection Pool::Proportional() const {
  const double largest = *std::max_element(scores_.begin(), scores_.end());
  std::vector<double> q(scores_.size());
  double total = 0;
  for (size_t i = 0; i < q.size(); ++i) {
    q[i] = largest > 0 ? PortablePow(scores_[i] / largest, rule_.alpha) : 1;
    total += q[i];
  }
  Selection selection;
  selection.unbiased = true;
  std::vector<double> cumulative(q.size());
  double sum = 0;
  for (size_t i = 0; i < q.size(); ++i) {
    q[i] = (1 - rule_.floor) * q[i] / total + rule_.floor / size_;
    selection.unbiased &= q[i] > 0;
    cumulative[i] = sum += q[i];
  }
  for (uint32_t k = 0; k < rule_.count; ++k) {
    // The first sum above the target: never one that equals the sum before it.
    const double target = UniformDouble(key_, k) * sum;
    const auto it = std::upper_bound(cumulative.begin(), cumulative.end(), target);
    const auto place = static_cast<uint32_t>(it - cumulative.begin());
    selection.chosen.push_back(place);
    selection.probabilities.push_back(q[place]);
    selection.factors.push_back(static_cast<float>(1 / (size_ * q[place])));
  }
  return selection;
}

Selection Pool::KeepProbability(absl::Span<const float> history) const {
  std::vector<float> sorted(history.begin(), history.end());
  if (sorted.empty()) {
    sorted.assign(scores_.begin(), scores_.end());
    std::sort(sorted.begin(), sorted.end());
  }
  Selection selection;
  selection.unbiased = true;
  for (size_t i = 0; i < scores_.size(); ++i) {
    const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), scores_[i]);
    const double twice_below =
        static_cast<double>((low - sorted.begin()) + (high - sorted.begin()));
    const double percentile = twice_below / (2 * static_cast<double>(sorted.size()));
    const double pi = std::max(rule_.least, PortablePow(percentile, rule_.beta));
    selection.unbiased &= pi > 0;
    if (UniformDouble(key_, i) >= pi) continue;
    selection.chosen.push_back(static_cast<uint32_t>(i));
    selection.probabilities.push_back(pi);
  }
  for (const double pi : selection.probabilities) {
    const double chosen = static_cast<double>(selection.chosen.size());
    selection.factors.push_back(static_cast<float>(chosen / (size_ * pi)));
  }
  return selection;
}

// Successive draws in proportion to w keep the smallest e / w, e ~ Exp(1); by logarithms, since w
// may underflow.
Selection Pool::KeepFraction() const {
  const double exponent = 1 / rule_.keep - 1;
  const std::vector<uint32_t> places = Ranked();
  std::vector<std::pair<double, uint32_t>> keys;
  for (size_t rank = 0; rank < places.size(); ++rank) {
    const double uniform = 1 - UniformDouble(key_, places[rank]);  // in (0, 1]
    const double percentile = (static_cast<double>(rank) + .5) / size_;
    keys.emplace_back(PortableLog2(-PortableLog2(uniform)) - exponent * PortableLog2(percentile),
                      places[rank]);
  }
  std::sort(keys.begin(), keys.end());
  keys.resize(std::max<uint64_t>(1, FloorFraction(rule_.keep, places.size())));
  Selection selection;
  selection.unbiased = keys.size() == places.size();
  for (const auto& [key, place] : keys) selection.chosen.push_back(place);
  selection.factors.assign(keys.size(), 1);
  return selection;
}

}  // namespace

absl::StatusOr<Selection> Select(const SelectRule& given, const StreamKey& key, uint64_t position,
                                 absl::Span<const float> scores, absl::Span<const float> history) {
  const SelectRule rule = RuleForPool(given, scores.size());
  SUBSET_RETURN_IF_ERROR(CheckScores(rule, scores, history));
  const Pool pool(rule, DeriveKey(key, Purpose::kSelect, position), scores);
  switch (rule.kind) {
    case Kind::kTop:
    case Kind::kTopAndUniform:
      return pool.Top();
    case Kind::kProportional:
      return pool.Proportional();
    case Kind::kKeepProbability:
      return pool.KeepProbability(history);
    case Kind::kKeepFraction:
      return pool.KeepFraction();
  }
  SUBSET_CHECK(false);
  return Selection{};
}

}  // namespace subset::sampling
