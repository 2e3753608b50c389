// Random operations against a plain model of what should be, with folds, failed writes and crashes
// at random points.

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "engine/catalog.h"
#include "engine/recovery.h"
#include "engine/session.h"
#include "engine/spec_proto.h"
#include "sampling/plan.h"
#include "sampling/strata.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

constexpr uint64_t kSamples = 66000;  // two chunks
constexpr uint32_t kBatch = 512;
constexpr size_t kKeptEpochs = 3;

struct ModelEpoch {
  uint64_t sampler_version = 0;
  std::vector<uint32_t> draws;  // by position
  std::vector<bool> acknowledged;
};

struct ModelRun {
  v1::Run proto;
  std::string sampler;
  std::map<std::string, std::vector<float>> scores;
  uint64_t records = 0;
  std::map<uint64_t, ModelEpoch> epochs;
  // session -> sequence -> content
  std::map<uint64_t, std::map<uint64_t, std::string>> sessions;
};

// Everything of one moment; a copy is a checkpoint.
struct Model {
  std::vector<uint8_t> labels = std::vector<uint8_t>(kSamples);
  std::map<std::string, v1::Sampler> samplers;
  std::map<std::string, ModelRun> runs;
};

struct Expected {
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string reason;
  bool duplicate = false;
  uint32_t applied = 0;
  uint32_t already = 0;
};

class Simulation {
 public:
  explicit Simulation(uint32_t seed) : random_(seed) {
    for (uint64_t i = 0; i < kSamples; ++i) model_.labels[i] = static_cast<uint8_t>(i % 5);
    EXPECT_OK(Import(model_.labels));
    const std::map<std::string, std::map<std::string, double>> presets = {
        {"uniform", {{"fraction", 0.1}}},
        {"class_balanced", {{"fraction", 0.1}}},
        {"importance", {{"fraction", 0.1}}},
        {"infobatch", {{"total_epochs", 50}}}};
    for (const auto& [preset, parameters] : presets) {
      const std::string name = "d/" + preset.substr(0, 5);
      const auto sampler = t_.CreateSampler(name, preset, parameters);
      EXPECT_OK(sampler);
      model_.samplers[name] = *sampler;
    }
    Checkpoint();
  }

  void Step() {
    const int choice = static_cast<int>(random_() % 100);
    if (choice < 6) {
      CreateRun();
    } else if (choice < 12) {
      OpenSession();
    } else if (choice < 60) {
      Report();
    } else if (choice < 75) {
      OpenEpoch();
    } else if (choice < 80) {
      CheckDraws();
    } else if (choice < 83) {
      ReplaceLabels();
    } else if (choice < 86) {
      UpdateSampler();
    } else if (choice < 87) {
      DeleteRun();
    } else if (choice < 91) {
      FoldNow();
    } else if (choice < 95) {
      FailAReport();
    } else {
      CrashAndCompare();
    }
  }

  void CrashAndCompare() {
    const int kind = static_cast<int>(random_() % 4);
    if (kind == 0) {
      t_.engine.reset();  // a clean end: all becomes durable
      Checkpoint();
      t_.disk.Crash();
    } else {
      t_.disk.Crash(kind == 1 ? 0 : kind == 2 ? 1000000 : random_() % 4);
      t_.engine.reset();
    }
    CompareScores();
    t_.Reopen();
    CompareRuns();
  }

 private:
  size_t Below(size_t n) { return random_() % n; }

  ModelRun* AnyRun() {
    if (model_.runs.empty()) return nullptr;
    return &std::next(model_.runs.begin(), static_cast<long>(Below(model_.runs.size())))->second;
  }

  // What is so now is on disk.
  void Checkpoint() { possible_ = {model_}; }
  // What is so now may be lost, but only with all that came after.
  void Unsynced() { possible_.push_back(model_); }

  absl::StatusOr<v1::Dataset> Import(const std::vector<uint8_t>& labels) {
    return t_.Import("d", kSamples, {{ColumnOf("label", v1::COLUMN_TYPE_UINT8), Encode(labels)}});
  }

  void CreateRun() {
    if (model_.runs.size() >= 5) return;
    const auto sampler =
        std::next(model_.samplers.begin(), static_cast<long>(Below(model_.samplers.size())));
    const std::string name = absl::StrCat("run", names_++);
    const auto run = t_.CreateRun(name, sampler->first, kBatch, Below(2) == 0, Below(1000));
    ASSERT_OK(run);
    ModelRun& model = model_.runs[name];
    model.proto = *run;
    model.sampler = sampler->first;
    Checkpoint();
  }

  void OpenSession() {
    ModelRun* run = AnyRun();
    if (run == nullptr) return;
    const auto session = t_.OpenSession(run->proto.uid());
    ASSERT_OK(session);
    run->sessions[*session];
    Checkpoint();
  }

  void DeleteRun() {
    ModelRun* run = AnyRun();
    if (run == nullptr) return;
    const std::string name = run->proto.name();
    ASSERT_OK(t_.DeleteRun(name));
    model_.runs.erase(name);
    Checkpoint();
  }

  void ReplaceLabels() {
    const size_t classes = 2 + Below(6);
    for (uint64_t i = 0; i < kSamples; ++i) {
      model_.labels[i] = static_cast<uint8_t>((i * 7 + i / 100) % classes);
    }
    ASSERT_OK(Import(model_.labels));
    Checkpoint();
  }

  void UpdateSampler() {
    const double fraction = 0.05 + 0.01 * static_cast<double>(Below(5));
    const auto sampler = t_.UpdateSampler("d/impor", "importance", {{"fraction", fraction}});
    ASSERT_OK(sampler);
    model_.samplers["d/impor"] = *sampler;
    Checkpoint();
  }

  void FoldNow() {
    ASSERT_OK(t_.engine->FoldNow());
    Checkpoint();
  }

  // A message about random samples of a random run, sometimes one that was sent before.
  void Report() {
    ModelRun* run = AnyRun();
    if (run == nullptr || run->sessions.empty()) return;
    const v1::ReportFeedbackRequest message = AnyMessage(*run);
    const Expected expected = Apply(run, message);
    const auto reply = t_.Report(message);
    ASSERT_EQ(reply.status().code(), expected.code) << reply.status() << " " << message.sequence();
    if (!reply.ok()) {
      if (!expected.reason.empty()) {
        ASSERT_THAT(reply, ReasonIs(expected.reason));
      }
    } else {
      ASSERT_EQ(reply->duplicate(), expected.duplicate);
      ASSERT_EQ(reply->applied_items(), expected.applied);
      ASSERT_EQ(reply->already_acknowledged_items(), expected.already);
      ASSERT_EQ(reply->score_version().records(), run->records);
      sent_.push_back(message);
    }
    // Refused messages are logged too: they sync what came before.
    if (message.durability() == v1::DURABILITY_APPLIED) {
      Unsynced();
    } else {
      Checkpoint();
    }
  }

  // A write that fails changes nothing.
  void FailAReport() {
    ModelRun* run = AnyRun();
    if (run == nullptr || run->sessions.empty()) return;
    v1::ReportFeedbackRequest message = AnyMessage(*run);
    t_.disk.FailWrites(1, absl::UnavailableError("I/O error"));
    const auto reply = t_.Report(message);
    t_.disk.Repair();
    ASSERT_THAT(reply, StatusIs(absl::StatusCode::kUnavailable));
  }

  v1::ReportFeedbackRequest AnyMessage(const ModelRun& run) {
    if (!sent_.empty() && Below(6) == 0) {
      v1::ReportFeedbackRequest again = sent_[Below(sent_.size())];
      if (again.run_uid() == run.proto.uid()) {
        if (Below(4) == 0) again.mutable_feedback(0)->set_step(again.feedback(0).step() + 1);
        return again;
      }
    }
    v1::ReportFeedbackRequest message;
    message.set_run_uid(run.proto.uid());
    const auto session =
        std::next(run.sessions.begin(), static_cast<long>(Below(run.sessions.size())));
    message.set_session_id(Below(50) == 0 ? 999999 : session->first);
    const uint64_t last = session->second.empty() ? 0 : session->second.rbegin()->first;
    const size_t jump = Below(20);
    message.set_sequence(jump == 0 ? last + 1500 : jump == 1 ? 1 + Below(last + 1) : last + 1);
    if (Below(3) == 0) message.set_durability(v1::DURABILITY_APPLIED);
    const size_t entries = 1 + Below(3);
    for (size_t i = 0; i < entries; ++i) AddEntry(run, message.add_feedback());
    return message;
  }

  void AddEntry(const ModelRun& run, v1::Feedback* feedback) {
    const size_t items = 1 + Below(64);
    std::vector<uint32_t> indices(items);
    for (uint32_t& index : indices) index = static_cast<uint32_t>(Below(kSamples));
    if (!run.epochs.empty() && Below(4) != 0) {
      const auto epoch = std::next(run.epochs.begin(), static_cast<long>(Below(run.epochs.size())));
      const size_t positions = epoch->second.draws.size();
      // Aligned ranges meet each other exactly; others partly.
      const size_t position = Below(3) == 0 ? Below(positions) : Below(positions) / 64 * 64;
      feedback->set_epoch(Below(40) == 0 ? epoch->first + 100 : epoch->first);
      feedback->set_position(position);
      const size_t count = std::min<size_t>(Below(5) == 0 ? items : 64, positions - position);
      indices.assign(epoch->second.draws.begin() + static_cast<long>(position),
                     epoch->second.draws.begin() + static_cast<long>(position + count));
    }
    feedback->set_indices(Encode(indices));
    for (const char* name : {"loss", "margin"}) {
      if (name == std::string("margin") && Below(3) != 0) continue;
      v1::FloatColumn* column = feedback->add_values();
      column->set_name(name);
      std::vector<float> values(indices.size());
      for (float& value : values) value = static_cast<float>(Below(1000)) / 100;
      column->set_values(Encode(values));
    }
  }

  // What the message should do, done to the model.
  Expected Apply(ModelRun* run, const v1::ReportFeedbackRequest& message) {
    Expected expected;
    const auto session = run->sessions.find(message.session_id());
    v1::ReportFeedbackRequest content = message;
    content.clear_durability();
    const std::string bytes = content.SerializeAsString();
    if (session != run->sessions.end()) {
      auto& window = session->second;
      const uint64_t last = window.empty() ? 0 : window.rbegin()->first;
      if (message.sequence() + kSessionWindow <= last) {
        expected = {absl::StatusCode::kFailedPrecondition, "SEQ_EXPIRED", false, 0, 0};
        return expected;
      }
      const auto seen = window.find(message.sequence());
      if (seen != window.end()) {
        expected.duplicate = seen->second == bytes;
        if (!expected.duplicate) expected.code = absl::StatusCode::kInvalidArgument;
        return expected;
      }
    } else {
      expected = {absl::StatusCode::kFailedPrecondition, "SEQ_EXPIRED", false, 0, 0};
      return expected;
    }
    ModelRun changed = *run;
    for (const v1::Feedback& feedback : message.feedback()) {
      const auto indices = Decode<uint32_t>(feedback.indices());
      if (feedback.has_position()) {
        const auto epoch = changed.epochs.find(feedback.epoch());
        if (epoch == changed.epochs.end()) {
          return {absl::StatusCode::kFailedPrecondition, "EPOCH_NOT_OPEN", false, 0, 0};
        }
        const auto begin =
            epoch->second.acknowledged.begin() + static_cast<long>(feedback.position());
        const auto end = begin + static_cast<long>(indices.size());
        const auto known = static_cast<size_t>(std::count(begin, end, true));
        if (known == indices.size()) {
          expected.already += known;
          continue;
        }
        if (known > 0) {
          return {absl::StatusCode::kFailedPrecondition, "PARTLY_ACKNOWLEDGED", false, 0, 0};
        }
        std::fill(begin, end, true);
      }
      for (const v1::FloatColumn& column : feedback.values()) {
        auto& scores = changed.scores.try_emplace(column.name(), kSamples, NAN).first->second;
        const auto values = Decode<float>(column.values());
        for (size_t i = 0; i < indices.size(); ++i) scores[indices[i]] = values[i];
      }
      expected.applied += indices.size();
    }
    if (expected.applied > 0) ++changed.records;
    changed.sessions[message.session_id()][message.sequence()] = bytes;
    *run = std::move(changed);
    return expected;
  }

  uint64_t PositionsToReport(const ModelRun& run, const ModelEpoch& epoch) {
    return run.proto.drop_last() ? epoch.draws.size() / kBatch * kBatch : epoch.draws.size();
  }

  void OpenEpoch() {
    ModelRun* run = AnyRun();
    if (run == nullptr) return;
    const uint64_t newest = run->epochs.empty() ? 0 : run->epochs.rbegin()->first;
    const uint64_t number = Below(6) == 0 ? Below(newest + 1) : newest + 1 + Below(2);
    const auto epoch = t_.OpenEpoch(run->proto.uid(), number, /*now=*/true);
    if (run->epochs.count(number) > 0) {
      ASSERT_OK(epoch);
      ASSERT_EQ(epoch->sampler_version(), run->epochs[number].sampler_version);
      return;
    }
    if (!run->epochs.empty() && number < newest) {
      ASSERT_THAT(epoch, ReasonIs("EPOCH_GONE"));
      return;
    }
    ASSERT_OK(epoch);
    const v1::Sampler& sampler = model_.samplers[run->sampler];
    const bool driven = !sampler.spec().preference().has_uniform();
    v1::Epoch::Opened opened = v1::Epoch::NOT_SCORE_DRIVEN;
    if (driven) opened = v1::Epoch::FIRST;
    if (driven && !run->epochs.empty()) {
      const ModelEpoch& before = run->epochs.rbegin()->second;
      const auto end =
          before.acknowledged.begin() + static_cast<long>(PositionsToReport(*run, before));
      opened = std::all_of(before.acknowledged.begin(), end, [](bool done) { return done; })
                   ? v1::Epoch::FEEDBACK_COMPLETE
                   : v1::Epoch::EXPLICIT;
    }
    ASSERT_EQ(epoch->opened(), opened);
    ASSERT_EQ(epoch->sampler_version(), sampler.version());
    ASSERT_EQ(epoch->score_version().records(), run->records);
    ModelEpoch& model = run->epochs[number];
    model.sampler_version = sampler.version();
    model.draws = Plan(*run, sampler, number);
    model.acknowledged.assign(model.draws.size(), false);
    if (run->epochs.size() > kKeptEpochs) run->epochs.erase(run->epochs.begin());
    Checkpoint();
    ASSERT_EQ(t_.EpochIndices(run->proto.uid(), number), model.draws);
  }

  // What the plan of an epoch opened now is, from the model's labels and scores.
  std::vector<uint32_t> Plan(const ModelRun& run, const v1::Sampler& sampler, uint64_t epoch) {
    sampling::PlanInput input;
    input.spec = *SpecFromProto(sampler.spec());
    input.key = {run.proto.seed(), sampler.version(), epoch};
    input.num_samples = kSamples;
    std::vector<const void*> labels;
    std::vector<const float*> chunks;
    const auto scores = run.scores.find("loss");
    for (uint64_t at = 0; at < kSamples; at += sampling::kChunkSamples) {
      labels.push_back(model_.labels.data() + at);
      if (scores != run.scores.end()) chunks.push_back(scores->second.data() + at);
    }
    if (!input.spec.proportion.column.empty()) {
      input.strata = *sampling::BuildStrata(
          {sampling::ColumnView::Type::kUint8, absl::MakeConstSpan(labels)}, kSamples);
    }
    input.columns.scores["loss"].chunks = absl::MakeConstSpan(chunks);
    const auto plan = *sampling::BuildPlan(input);
    std::vector<uint32_t> draws(plan->traits().num_positions);
    plan->Draw(0, absl::MakeSpan(draws), {}, {});
    return draws;
  }

  void CheckDraws() {
    const ModelRun* run = AnyRun();
    if (run == nullptr || run->epochs.empty()) return;
    const auto epoch = std::next(run->epochs.begin(), static_cast<long>(Below(run->epochs.size())));
    const auto& draws = epoch->second.draws;
    const size_t position = Below(draws.size());
    const auto batch = t_.GetPositions(run->proto.uid(), epoch->first, position, 1 + Below(2000));
    ASSERT_OK(batch);
    const auto indices = Decode<uint32_t>(batch->indices());
    ASSERT_TRUE(
        std::equal(indices.begin(), indices.end(), draws.begin() + static_cast<long>(position)));
  }

  // Reads the scores back as recovery does, and takes for the model the state that survived: one of
  // those that were possible.
  void CompareScores() {
    Catalog catalog;
    ASSERT_OK(Recover(t_.disk.Open().get(), &catalog));
    const auto survived =
        std::find_if(possible_.rbegin(), possible_.rend(),
                     [&](const Model& model) { return SameScores(model, catalog); });
    ASSERT_TRUE(survived != possible_.rend()) << "no prefix of what was applied";
    model_ = *survived;
    Checkpoint();
  }

  static bool SameScores(const Model& model, const Catalog& catalog) {
    if (catalog.Runs().size() != model.runs.size()) return false;
    for (const auto& [name, run] : model.runs) {
      const auto recovered = catalog.FindRun(name);
      if (recovered == nullptr || recovered->records() != run.records) return false;
      if (recovered->num_score_columns() != run.scores.size()) return false;
      for (const auto& [column, scores] : run.scores) {
        const RunSnapshot snapshot = recovered->Snapshot({column});
        const auto view = snapshot.scores.at(column).view();
        for (uint64_t i = 0; i < kSamples; ++i) {
          const bool same = view[i] == scores[i] || (std::isnan(view[i]) && std::isnan(scores[i]));
          if (!same) return false;
        }
      }
    }
    return true;
  }

  void CompareRuns() {
    ASSERT_EQ(t_.engine->ListRuns({})->runs_size(), static_cast<int>(model_.runs.size()));
    for (const auto& [name, run] : model_.runs) {
      const auto described = t_.GetRun(name);
      ASSERT_OK(described);
      ASSERT_EQ(described->uid(), run.proto.uid());
      ASSERT_EQ(described->score_version().records(), run.records);
      const auto scores = run.scores.find("loss");
      const auto scored = scores == run.scores.end()
                              ? 0
                              : std::count_if(scores->second.begin(), scores->second.end(),
                                              [](float score) { return !std::isnan(score); });
      ASSERT_EQ(described->scored_samples(), static_cast<uint64_t>(scored));
      ASSERT_EQ(described->epochs_size(), static_cast<int>(run.epochs.size()));
      for (const v1::Epoch& epoch : described->epochs()) {
        const auto model = run.epochs.find(epoch.epoch());
        ASSERT_TRUE(model != run.epochs.end());
        const auto& acknowledged = model->second.acknowledged;
        ASSERT_EQ(
            epoch.acknowledged_positions(),
            static_cast<uint64_t>(std::count(acknowledged.begin(), acknowledged.end(), true)));
        ASSERT_EQ(t_.EpochIndices(run.proto.uid(), epoch.epoch()), model->second.draws);
      }
    }
  }

  std::mt19937 random_;
  TestEngine t_;
  Model model_;
  std::vector<Model> possible_;  // what a crash may leave, oldest first
  std::vector<v1::ReportFeedbackRequest> sent_;
  int names_ = 0;
};

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
