#include "engine/coverage.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace subset {
namespace {

using Bootstrap = sampling::Draw::BootstrapForm;
using Form = sampling::Draw::BlockForm;
using Kind = sampling::Draw::Kind;

// (1 - p)^n
double NeverIn(double n, double p) { return p < 1 ? std::exp(n * std::log1p(-p)) : 0; }

}  // namespace

Coverage::Coverage(const sampling::Draw& draw, uint64_t num_positions,
                   absl::Span<const double> counts)
    : draw_(draw), positions_(static_cast<double>(num_positions)), counts_(counts) {
  if (draw.kind != Kind::kBlocks || draw.blocks == Form::kFixed) return;
  const double sum = std::accumulate(counts.begin(), counts.end(), 0.0);
  const double reached = static_cast<double>(
      std::count_if(counts.begin(), counts.end(), [](double count) { return count > 0; }));
  const double length = std::min(static_cast<double>(draw.block_length), reached);
  blocks_ = std::max(1.0, std::round(sum / length));
  // A long one meets its own beginning.
  if (draw.blocks == Form::kStationary) block_share_ = 1 - NeverIn(reached, 1 / length);
}

double Coverage::Missed(double count, uint32_t epochs) const {
  switch (draw_.kind) {
    case Kind::kRounds:  // every sample is handed out before one comes again
      return std::max(0.0, 1 - count * epochs);
    case Kind::kBootstrap:  // the same bag in every epoch
      if (draw_.bootstrap == Bootstrap::kPoisson) return std::exp(-count);
      if (draw_.bootstrap == Bootstrap::kBayesian) return count > 0 ? 0 : 1;
      return NeverIn(positions_, count / positions_);
    case Kind::kWithReplacement:
      return NeverIn(epochs * positions_, count / positions_);
    case Kind::kBlocks:
      if (draw_.blocks == Form::kFixed) break;
      return NeverIn(epochs * blocks_, count / blocks_ * block_share_);
    default:
      break;
  }
  return NeverIn(epochs, count);
}

double Coverage::After(uint32_t epochs) const {
  double missed = 0;
  for (const double count : counts_) missed += Missed(count, epochs);
  return 1 - missed / static_cast<double>(counts_.size());
}

}  // namespace subset
