#include "sampling/forgetting.h"

#include <algorithm>
#include <cmath>

namespace subset::sampling {
namespace {

constexpr int kPresentationsShift = 1;
constexpr int kEventsShift = 12;
constexpr int kNeverLearnedShift = 23;
constexpr float kEnd = 0x1p24f;

}  // namespace

float PackForgetting(const ForgettingState& state) {
  if (state.presentations == 0) return NAN;
  const uint32_t events = std::min(state.events, kMaxForgettingCount);
  const uint32_t presentations = std::min(state.presentations, kMaxForgettingCount);
  return static_cast<float>(uint32_t{state.never_learned} << kNeverLearnedShift |
                            events << kEventsShift | presentations << kPresentationsShift |
                            uint32_t{state.last_correct});
}

std::optional<ForgettingState> UnpackForgetting(float packed) {
  if (!(packed >= 0 && packed < kEnd)) return std::nullopt;
  const auto bits = static_cast<uint32_t>(packed);
  ForgettingState state;
  state.never_learned = bits >> kNeverLearnedShift != 0;
  state.events = bits >> kEventsShift & kMaxForgettingCount;
  state.presentations = bits >> kPresentationsShift & kMaxForgettingCount;
  state.last_correct = (bits & 1) != 0;
  if (static_cast<float>(bits) != packed || state.presentations == 0) return std::nullopt;
  if (state.never_learned && (state.events > 0 || state.last_correct)) return std::nullopt;
  return state;
}

float FoldForgetting(float packed, bool correct) {
  ForgettingState state = UnpackForgetting(packed).value_or(ForgettingState{});
  state.events += state.last_correct && !correct;  // nothing before the first counts as wrong
  state.presentations += 1;
  state.never_learned &= !correct;
  state.last_correct = correct;
  return PackForgetting(state);
}

double ForgettingRank(float packed) {
  const auto state = UnpackForgetting(packed);
  if (!state.has_value()) return NAN;
  return state->never_learned ? kMaxForgettingCount + 1 : state->events;
}

double ForgettingWeight(float packed) {
  const auto state = UnpackForgetting(packed);
  if (!state.has_value()) return NAN;
  return state->never_learned ? state->presentations + 1 : state->events;
}

}  // namespace subset::sampling
