// Forgetting events (Toneva et al. 2019) of one sample in one float of a score column.
//
// An event is a presentation answered wrongly right after one answered correctly. The state is a
// whole number below 2^24, which a float holds exactly; from the top bit: never answered correctly
// (1 bit), events (11), presentations (11), the last answer was correct (1). NaN: never presented,
// so unscored. Both counts stop at 2,047. Samples are told apart by one of the two numbers below,
// never by the packed state, in which more presentations would count as more forgotten.

#ifndef SUBSET_SAMPLING_FORGETTING_H_
#define SUBSET_SAMPLING_FORGETTING_H_

#include <cstdint>
#include <optional>

namespace subset::sampling {

// The score column that the states are kept in.
inline constexpr char kForgettingColumn[] = "forgetting";

struct ForgettingState {
  bool never_learned = true;
  uint32_t events = 0;
  uint32_t presentations = 0;
  bool last_correct = false;
};

inline constexpr uint32_t kMaxForgettingCount = 2047;

// Returns the packed state; NaN where nothing was presented.
float PackForgetting(const ForgettingState& state);

// Returns nullopt for NaN and for floats that PackForgetting never gives.
std::optional<ForgettingState> UnpackForgetting(float packed);

// Returns the packed state after one more answer. What cannot be unpacked counts as never
// presented.
float FoldForgetting(float packed, bool correct);

// The number of events to order and to filter by: one above every count where never learned, NaN
// where never presented.
double ForgettingRank(float packed);

// The number of events to weigh by: presentations + 1 where never learned, so finite and above any
// count that as many presentations can give; NaN where never presented.
double ForgettingWeight(float packed);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_FORGETTING_H_
