// What the engine should do, in the plainest way: arrays by position and by sample, copied whole
// where something must be remembered. An operation is done to the model first and says what the
// engine should answer.

#ifndef SUBSET_TESTS_ENGINE_MODEL_H_
#define SUBSET_TESTS_ENGINE_MODEL_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/position_set.h"
#include "engine/run.h"
#include "subset/v1/sampler.pb.h"
#include "subset/v1/training.pb.h"

namespace subset {

constexpr uint64_t kModelSamples = 66000;  // two chunks
constexpr uint32_t kModelBatch = 512;
constexpr size_t kModelKeptEpochs = 3;

// What an operation should be answered.
struct Expected {
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string reason;
  bool duplicate = false;
  uint64_t applied = 0;  // items, or positions
  uint64_t already = 0;

  static Expected Refused(const std::string& reason) {
    return {absl::StatusCode::kFailedPrecondition, reason, false, 0, 0};
  }
};

using ModelScores = std::map<std::string, std::vector<float>>;  // by column; NaN: unscored

struct ModelEpoch {
  uint64_t sampler_version = 0;
  uint64_t incarnation = 0;     // of the server that opened it
  std::vector<uint32_t> draws;  // by position
  std::vector<bool> acknowledged;
};

struct ModelCommit {
  std::string id;
  uint64_t generation = 0;
  uint64_t records = 0;
  std::map<uint64_t, std::vector<bool>> acknowledged;  // by epoch, of those then kept
  std::optional<uint64_t> newest_epoch;
  uint64_t acknowledged_positions = 0;        // of that one
  std::shared_ptr<const ModelScores> scores;  // null: not kept
};

struct ModelRun {
  v1::Run proto;  // as created
  std::string sampler;
  ModelScores scores;
  uint64_t records = 0;
  std::map<uint64_t, ModelEpoch> epochs;
  std::map<uint64_t, std::map<uint64_t, std::string>> sessions;  // content by session, sequence
  uint64_t generation = 0;
  std::deque<ModelCommit> commits;  // oldest first

  // Positions to be acknowledged.
  uint64_t NumNeeded(const ModelEpoch& epoch) const;
  bool Complete(const ModelEpoch& epoch) const;
  bool IsAcknowledged(uint64_t epoch, Block block) const;

  Expected Report(const v1::ReportFeedbackRequest& message);
  // What the log decides; the right to a lease is checked before.
  Expected Acknowledge(const v1::Acknowledgement& entry);
  void Commit(const std::string& id, bool keep_scores);
  // `applied` counts the positions that are returned.
  Expected Rollback(const std::string& id, bool revert_scores, std::optional<uint64_t> generation);
  // After an epoch was added: the oldest go, and the commits that need them.
  void Evict();

 private:
  // Acknowledges [begin, begin + items), or says why not; kOk with `already` where all of it was.
  Expected Claim(uint64_t epoch, uint64_t begin, uint64_t items,
                 std::optional<uint64_t> generation);
  bool Needs(const ModelCommit& commit, uint64_t epoch) const;

  std::string rolled_back_to_;
};

// Everything of one moment that a crash may leave.
struct Model {
  std::vector<uint8_t> labels = std::vector<uint8_t>(kModelSamples);
  std::map<std::string, v1::Sampler> samplers;
  std::map<std::string, ModelRun> runs;
};

// What the plan of an epoch of the run that opens now is.
std::vector<uint32_t> PlanOf(const Model& model, const ModelRun& run, uint64_t epoch);

// Whether a run is as the model says: its description, its scores, its acknowledged positions.
std::string Describe(const ModelRun& run);
std::string Describe(const v1::Run& run);
bool Same(const ModelRun& model, const Run& run);

}  // namespace subset

#endif  // SUBSET_TESTS_ENGINE_MODEL_H_
