#include "sampling/repeat_cap.h"

#include <algorithm>
#include <cstdint>

#include "sampling/merge_parts.h"
#include "sampling/parts.h"

namespace subset::sampling {
namespace {

struct Cut {
  uint64_t capped = 0;
  double free = 0;  // sum of the others
};

// Cuts off what is above the cap.
Cut CutOff(double cap, const Executor* executor, absl::Span<double> q) {
  return MergeParts(
      executor, q.size(),
      [&](uint64_t first, uint64_t last) {
        Cut cut;
        for (double& value : q.subspan(first, last - first)) {
          const bool above = value >= cap;
          cut.capped += above ? 1 : 0;
          cut.free += above ? 0 : value;
          value = std::min(value, cap);
        }
        return cut;
      },
      [](const Cut& part, Cut* all) {
        all->capped += part.capped;
        all->free += part.free;
      });
}

// Calls change(&q_i) for those below the cap.
template <typename F>
void ForEachBelow(double cap, const Executor* executor, absl::Span<double> q, F change) {
  ForEachPart(executor, q.size(), [&](size_t, uint64_t first, uint64_t last) {
    for (double& value : q.subspan(first, last - first)) {
      if (value < cap) change(&value);
    }
  });
}

}  // namespace

void CapRepeats(double cap, const Executor* executor, absl::Span<double> q) {
  // Those above the cap only ever grow in number: each round scales what the capped ones left to
  // the others. An entry at the cap is capped for good.
  uint64_t before = 0;
  while (true) {
    const Cut cut = CutOff(cap, executor, q);
    const double left = std::max(0.0, 1 - cap * static_cast<double>(cut.capped));
    if (cut.free == 0) {
      const double rest = left / std::max(1.0, static_cast<double>(q.size() - cut.capped));
      ForEachBelow(cap, executor, q, [&](double* value) { *value = std::min(cap, rest); });
      return;
    }
    if (cut.capped == before) return;
    before = cut.capped;
    const double scale = left / cut.free;
    ForEachBelow(cap, executor, q, [scale](double* value) { *value *= scale; });
  }
}

}  // namespace subset::sampling
