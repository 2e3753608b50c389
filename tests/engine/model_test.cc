// Random operations against a plain model of what should be.

#include "tests/engine/model_simulation.h"

namespace subset {
namespace {

TEST(ModelTest, TheEngineIsItsModelThroughCrashesAndFolds) {
  constexpr uint32_t kSeeds = 12;
  constexpr int kSteps = 400;
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Simulation simulation(seed);
    for (int step = 0; step < kSteps && !::testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE(absl::StrCat("step ", step));
      simulation.Step();
    }
    if (::testing::Test::HasFailure()) return;
    simulation.CrashAndCompare();
  }
}

}  // namespace
}  // namespace subset
