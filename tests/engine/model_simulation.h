// An engine and its model: random operations on both, with folds, failed writes and crashes at
// random points. Differences are failures of the test.

#ifndef SUBSET_TESTS_ENGINE_MODEL_SIMULATION_H_
#define SUBSET_TESTS_ENGINE_MODEL_SIMULATION_H_

#include <deque>
#include <map>
#include <random>
#include <vector>

#include "tests/engine/engine_testing.h"
#include "tests/engine/model.h"
#include "tests/engine/model_leases.h"

namespace subset {

class Simulation {
 public:
  explicit Simulation(uint32_t seed);
  // One operation.
  void Step();
  // Ends the engine, cleanly or not, and compares what is found when it is opened again.
  void CrashAndCompare();

 private:
  size_t Below(size_t n) { return random_() % n; }
  ModelRun* AnyRun();

  // What is so now is on disk.
  void Checkpoint() { possible_ = {model_}; }
  // What is so now may be lost, but only with all that came after.
  void Unsynced() { possible_.push_back(model_); }
  // What a record of this durability makes of those; refused messages are logged too.
  void Logged(v1::Durability durability);

  absl::StatusOr<v1::Dataset> Import(const std::vector<uint8_t>& labels);
  void CreateRun();
  void OpenSession();
  void DeleteRun();
  void ReplaceLabels();
  void UpdateSampler();
  void FoldNow();
  void OpenEpoch();
  void CheckDraws();
  // Reads the state back as recovery does, and takes for the model the one that survived, of those
  // that were possible.
  void TakeWhatSurvived();
  void CompareRuns();

  // model_accounting.cc
  // A message about random samples of a random run, sometimes one that was sent before.
  void Report();
  // A write that fails changes nothing.
  void FailAReport();
  v1::ReportFeedbackRequest AnyMessage(const ModelRun& run);
  void AddEntry(const ModelRun& run, v1::Feedback* feedback);
  // Time passes, and a worker takes the next block of some epoch.
  void Lease();
  // A block that was granted at some time, or part of it, with its lease or without.
  void Acknowledge();
  void Commit();
  void Rollback();
  static void CheckStatus(const absl::Status& status, const Expected& expected);

  std::mt19937 random_;
  TestEngine t_;
  Model model_;
  std::vector<Model> possible_;  // what a crash may leave, oldest first
  std::vector<v1::ReportFeedbackRequest> sent_;
  std::map<Uid, ModelLeases> leases_;           // by run, of this incarnation
  std::deque<v1::AcknowledgeRequest> granted_;  // of leases, newest last
  uint64_t incarnation_ = 1;
  int names_ = 0;
};

}  // namespace subset

#endif  // SUBSET_TESTS_ENGINE_MODEL_SIMULATION_H_
