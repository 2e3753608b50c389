#include "sampling/repeat_cap.h"

#include <algorithm>
#include <cstdint>

namespace subset::sampling {

void CapRepeats(double cap, absl::Span<double> q) {
  // Those above the cap only ever grow in number: each round scales what the capped ones left to
  // the others. An entry at the cap is capped for good.
  uint64_t capped = 0;
  while (true) {
    const uint64_t before = capped;
    double free = 0;
    capped = 0;
    for (double& value : q) {
      if (value >= cap) {
        value = cap;
        ++capped;
      } else {
        free += value;
      }
    }
    const double left = std::max(0.0, 1 - cap * static_cast<double>(capped));
    if (free == 0) {
      const double rest = left / std::max(1.0, static_cast<double>(q.size() - capped));
      for (double& value : q) {
        if (value < cap) value = std::min(cap, rest);
      }
      return;
    }
    if (capped == before) return;
    const double scale = left / free;
    for (double& value : q) {
      if (value < cap) value *= scale;
    }
  }
}

}  // namespace subset::sampling
