#include "tests/engine/model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/session.h"
#include "engine/spec_proto.h"
#include "sampling/plan.h"
#include "sampling/strata.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

uint64_t CountTrue(const std::vector<bool>& flags) {
  return static_cast<uint64_t>(std::count(flags.begin(), flags.end(), true));
}

bool AllTrue(const std::vector<bool>& flags, uint64_t size) {
  const auto end = flags.begin() + static_cast<long>(size);
  return std::all_of(flags.begin(), end, [](bool flag) { return flag; });
}

// Whether the run remembers the messages that the model says.
bool SameSessions(const ModelRun& model, const Run& run) {
  log::v1::RunState state;
  run.Save(&state);
  std::map<uint64_t, std::vector<uint64_t>> remembered, expected;  // sequences by session
  for (const log::v1::SessionState& session : state.sessions()) {
    std::vector<uint64_t>& sequences = remembered[session.session_id()];
    for (const auto& seen : session.window()) sequences.push_back(seen.sequence());
  }
  for (const auto& [session, messages] : model.sessions) {
    std::vector<uint64_t>& sequences = expected[session];
    for (const auto& [sequence, content] : messages) {
      if (sequence + kSessionWindow > messages.rbegin()->first) sequences.push_back(sequence);
    }
  }
  return remembered == expected;
}

}  // namespace

uint64_t ModelRun::NumNeeded(const ModelEpoch& epoch) const {
  const uint64_t positions = epoch.draws.size();
  return proto.drop_last() ? positions / kModelBatch * kModelBatch : positions;
}

bool ModelRun::Complete(const ModelEpoch& epoch) const {
  return AllTrue(epoch.acknowledged, NumNeeded(epoch));
}

bool ModelRun::IsAcknowledged(uint64_t epoch, Block block) const {
  const auto it = epochs.find(epoch);
  if (it == epochs.end()) return false;
  const auto begin = it->second.acknowledged.begin();
  return std::all_of(begin + static_cast<long>(block.begin), begin + static_cast<long>(block.end),
                     [](bool acknowledged) { return acknowledged; });
}

Expected ModelRun::Claim(uint64_t epoch, uint64_t begin, uint64_t items,
                         std::optional<uint64_t> named_generation) {
  if (named_generation.has_value() && *named_generation != generation) {
    return Expected::Refused("GENERATION_PASSED");
  }
  const auto it = epochs.find(epoch);
  if (it == epochs.end()) return Expected::Refused("EPOCH_NOT_OPEN");
  Expected expected;
  const auto from = it->second.acknowledged.begin() + static_cast<long>(begin);
  const auto to = from + static_cast<long>(items);
  const auto known = static_cast<uint64_t>(std::count(from, to, true));
  if (known == items) {
    expected.already = items;
  } else if (known > 0) {
    return Expected::Refused("PARTLY_ACKNOWLEDGED");
  } else {
    std::fill(from, to, true);
    expected.applied = items;
  }
  return expected;
}

Expected ModelRun::Report(const v1::ReportFeedbackRequest& message) {
  Expected expected;
  const auto session = sessions.find(message.session_id());
  if (session == sessions.end()) return Expected::Refused("SEQ_EXPIRED");
  v1::ReportFeedbackRequest content = message;
  content.clear_durability();
  const std::string bytes = content.SerializeAsString();
  const auto& window = session->second;
  const uint64_t last = window.empty() ? 0 : window.rbegin()->first;
  if (message.sequence() + kSessionWindow <= last) return Expected::Refused("SEQ_EXPIRED");
  const auto seen = window.find(message.sequence());
  if (seen != window.end()) {
    expected.duplicate = seen->second == bytes;
    if (!expected.duplicate) expected.code = absl::StatusCode::kInvalidArgument;
    return expected;
  }
  ModelRun changed = *this;
  for (const v1::Feedback& feedback : message.feedback()) {
    const auto indices = Decode<uint32_t>(feedback.indices());
    if (feedback.has_position()) {
      const Expected claimed =
          changed.Claim(feedback.epoch(), feedback.position(), indices.size(), std::nullopt);
      if (claimed.code != absl::StatusCode::kOk) return claimed;
      expected.already += claimed.already;
      if (claimed.already > 0) continue;
    }
    for (const v1::FloatColumn& column : feedback.values()) {
      auto& values = changed.scores.try_emplace(column.name(), kModelSamples, NAN).first->second;
      const auto reported = Decode<float>(column.values());
      for (size_t i = 0; i < indices.size(); ++i) values[indices[i]] = reported[i];
    }
    expected.applied += indices.size();
  }
  if (expected.applied > 0) ++changed.records;
  changed.sessions[message.session_id()][message.sequence()] = bytes;
  *this = std::move(changed);
  return expected;
}

Expected ModelRun::Acknowledge(const v1::Acknowledgement& entry) {
  std::optional<uint64_t> named;
  if (entry.has_lease()) {
    named = entry.lease().generation();
  } else if (entry.has_generation()) {
    named = entry.generation();
  }
  Expected expected = Claim(entry.epoch(), entry.position(), entry.num_positions(), named);
  expected.duplicate = expected.code == absl::StatusCode::kOk && expected.applied == 0;
  return expected;
}

void ModelRun::Commit(const std::string& id, bool keep_scores) {
  commits.erase(std::remove_if(commits.begin(), commits.end(),
                               [&id](const ModelCommit& each) { return each.id == id; }),
                commits.end());
  if (keep_scores) {
    for (ModelCommit& each : commits) each.scores = nullptr;
  }
  ModelCommit commit;
  commit.id = id;
  commit.generation = generation;
  commit.records = records;
  for (const auto& [number, epoch] : epochs) {
    commit.acknowledged[number] = epoch.acknowledged;
    commit.newest_epoch = number;
    commit.acknowledged_positions = CountTrue(epoch.acknowledged);
  }
  if (keep_scores) commit.scores = std::make_shared<ModelScores>(scores);
  commits.push_back(std::move(commit));
  if (commits.size() > kMaxCommits) commits.pop_front();
}

Expected ModelRun::Rollback(const std::string& id, bool revert_scores,
                            std::optional<uint64_t> named) {
  Expected expected;
  if (named.has_value() && *named != generation) {
    if (*named + 1 != generation || rolled_back_to_ != id) {
      return Expected::Refused("GENERATION_PASSED");
    }
    expected.duplicate = true;
    return expected;
  }
  const auto commit =
      std::find_if(commits.begin(), commits.end(), [&id](const auto& c) { return c.id == id; });
  if (commit == commits.end()) return Expected::Refused("CHECKPOINT_GONE");
  if (revert_scores && commit->scores == nullptr) return Expected::Refused("SCORES_GONE");
  for (auto& [number, epoch] : epochs) {
    const auto then = commit->acknowledged.find(number);
    std::vector<bool> acknowledged(epoch.draws.size());
    if (then != commit->acknowledged.end()) acknowledged = then->second;
    expected.applied += CountTrue(epoch.acknowledged) - CountTrue(acknowledged);
    epoch.acknowledged = std::move(acknowledged);
  }
  if (revert_scores) {
    // A column stays, all of it unscored, where the commit has none.
    for (auto& [column, values] : scores) {
      const auto kept = commit->scores->find(column);
      values =
          kept != commit->scores->end() ? kept->second : std::vector<float>(kModelSamples, NAN);
    }
    ++records;
  }
  commits.erase(std::next(commit), commits.end());
  ++generation;
  rolled_back_to_ = id;
  return expected;
}

bool ModelRun::Needs(const ModelCommit& commit, uint64_t number) const {
  const auto then = commit.acknowledged.find(number);
  if (then != commit.acknowledged.end()) {
    return !AllTrue(then->second, NumNeeded(epochs.at(number)));
  }
  return !commit.newest_epoch.has_value() || number > *commit.newest_epoch;
}

void ModelRun::Evict() {
  while (epochs.size() > kModelKeptEpochs) {
    const uint64_t oldest = epochs.begin()->first;
    const bool needed = !commits.empty() && Needs(commits.back(), oldest);
    if (needed && epochs.size() <= kModelKeptEpochs + kMaxEpochsForCommit) return;
    std::deque<ModelCommit> left;
    for (const ModelCommit& commit : commits) {
      if (!Needs(commit, oldest)) left.push_back(commit);
    }
    commits = std::move(left);
    epochs.erase(oldest);
  }
}

std::vector<uint32_t> PlanOf(const Model& model, const ModelRun& run, uint64_t epoch) {
  const v1::Sampler& sampler = model.samplers.at(run.sampler);
  sampling::PlanInput input;
  input.spec = *SpecFromProto(sampler.spec());
  input.key = {run.proto.seed(), sampler.version(), epoch};
  input.num_samples = kModelSamples;
  std::vector<const void*> labels;
  std::vector<const float*> chunks;
  const auto scores = run.scores.find("loss");
  for (uint64_t at = 0; at < kModelSamples; at += sampling::kChunkSamples) {
    labels.push_back(model.labels.data() + at);
    if (scores != run.scores.end()) chunks.push_back(scores->second.data() + at);
  }
  if (!input.spec.proportion.column.empty()) {
    input.strata = *sampling::BuildStrata(
        {sampling::ColumnView::Type::kUint8, absl::MakeConstSpan(labels)}, kModelSamples);
  }
  input.columns.scores["loss"].chunks = absl::MakeConstSpan(chunks);
  const auto plan = *sampling::BuildPlan(input);
  std::vector<uint32_t> draws(plan->traits().num_positions);
  plan->Draw(0, absl::MakeSpan(draws), {}, {});
  return draws;
}

std::string Describe(const ModelRun& run) {
  const auto scores = run.scores.find("loss");
  uint64_t scored = 0;
  if (scores != run.scores.end()) {
    for (const float score : scores->second) scored += std::isnan(score) ? 0 : 1;
  }
  std::string text = absl::StrCat("uid ", run.proto.uid(), " records ", run.records, " scored ",
                                  scored, " generation ", run.generation);
  for (const auto& [number, epoch] : run.epochs) {
    absl::StrAppend(&text, "\nepoch ", number, " acknowledged ", CountTrue(epoch.acknowledged));
  }
  for (const ModelCommit& commit : run.commits) {
    absl::StrAppend(&text, "\ncheckpoint ", commit.id, " generation ", commit.generation,
                    " records ", commit.records, " epoch ", commit.newest_epoch.value_or(0),
                    " acknowledged ", commit.acknowledged_positions, " scores ",
                    commit.scores != nullptr);
  }
  return text;
}

std::string Describe(const v1::Run& run) {
  std::string text =
      absl::StrCat("uid ", run.uid(), " records ", run.score_version().records(), " scored ",
                   run.scored_samples(), " generation ", run.generation());
  for (const v1::Epoch& epoch : run.epochs()) {
    absl::StrAppend(&text, "\nepoch ", epoch.epoch(), " acknowledged ",
                    epoch.acknowledged_positions());
  }
  for (const v1::Checkpoint& checkpoint : run.checkpoints()) {
    absl::StrAppend(&text, "\ncheckpoint ", checkpoint.checkpoint_id(), " generation ",
                    checkpoint.generation(), " records ", checkpoint.score_version().records(),
                    " epoch ", checkpoint.epoch(), " acknowledged ",
                    checkpoint.acknowledged_positions(), " scores ", checkpoint.scores_kept());
  }
  return text;
}

bool Same(const ModelRun& model, const Run& run) {
  if (Describe(model) != Describe(run.Describe("loss", 1))) return false;
  if (!SameSessions(model, run)) return false;
  if (run.num_score_columns() != model.scores.size()) return false;
  for (const auto& [column, scores] : model.scores) {
    const RunSnapshot snapshot = run.Snapshot({column});
    const auto view = snapshot.scores.at(column).view();
    for (uint64_t i = 0; i < kModelSamples; ++i) {
      const bool same = view[i] == scores[i] || (std::isnan(view[i]) && std::isnan(scores[i]));
      if (!same) return false;
    }
  }
  // As many are acknowledged, as described; so these are those.
  for (const auto& [number, epoch] : model.epochs) {
    for (uint64_t begin = 0; begin < epoch.acknowledged.size();) {
      uint64_t end = begin;
      while (end < epoch.acknowledged.size() && epoch.acknowledged[end]) ++end;
      if (begin < end && !run.IsAcknowledged(number, {begin, end})) return false;
      begin = end + 1;
    }
  }
  return true;
}

}  // namespace subset
