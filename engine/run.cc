#include "engine/run.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/status_macros.h"

namespace subset {

Run::Run(v1::Run settings, std::unique_ptr<ScoreTable> scores)
    : settings_(std::move(settings)), scores_(std::move(scores)) {
  if (scores_ == nullptr) scores_ = std::make_unique<ScoreTable>(settings_.num_samples());
}

std::shared_ptr<const Epoch> Run::FindEpoch(uint64_t epoch) const {
  ReaderLock lock(&mu_);
  const auto it = epochs_.find(epoch);
  return it == epochs_.end() ? nullptr : it->second.epoch;
}

std::shared_ptr<const Epoch> Run::NewestEpoch() const {
  ReaderLock lock(&mu_);
  return epochs_.empty() ? nullptr : epochs_.rbegin()->second.epoch;
}

std::vector<std::shared_ptr<const Epoch>> Run::Epochs() const {
  ReaderLock lock(&mu_);
  std::vector<std::shared_ptr<const Epoch>> epochs;
  for (const auto& [number, entry] : epochs_) epochs.push_back(entry.epoch);
  return epochs;
}

bool Run::NewestComplete() const {
  if (epochs_.empty()) return true;
  const Entry& newest = epochs_.rbegin()->second;
  return newest.accounts.Settled(NumNeeded(newest));
}

RunProgress Run::Progress() const {
  ReaderLock lock(&mu_);
  RunProgress progress;
  if (epochs_.empty()) return progress;
  progress.any_epoch = true;
  progress.newest_epoch = epochs_.rbegin()->first;
  progress.feedback_complete = NewestComplete();
  const log::v1::EpochOpened& newest = epochs_.rbegin()->second.epoch->opened;
  progress.newest_first_step = newest.first_step();
  progress.next_step = newest.first_step() + NumSteps(newest.num_positions(), settings_);
  progress.parked = epochs_.rbegin()->second.accounts.parked_positions() > 0;
  return progress;
}

uint64_t Run::records() const {
  ReaderLock lock(&mu_);
  return records_;
}

v1::Epoch Run::Describe(const Entry& entry) const {
  const log::v1::EpochOpened& opened = entry.epoch->opened;
  v1::Epoch proto;
  proto.set_epoch(opened.epoch());
  proto.set_sampler_version(opened.sampler_version());
  proto.set_columns_version(opened.columns_version());
  *proto.mutable_score_version() = opened.score_version();
  proto.set_opened(opened.opened());
  const int64_t micros = entry.epoch->open_time_micros;
  proto.mutable_open_time()->set_seconds(micros / 1000000);
  proto.mutable_open_time()->set_nanos(static_cast<int32_t>(micros % 1000000) * 1000);
  proto.set_num_positions(opened.num_positions());
  proto.set_num_steps(NumSteps(opened.num_positions(), settings_));
  proto.set_distinct_samples(opened.distinct_samples());
  proto.set_acknowledged_positions(entry.accounts.acknowledged().size());
  proto.set_parked_positions(entry.accounts.parked_positions());
  proto.set_effective_sample_ratio(opened.effective_sample_ratio());
  proto.set_fell_back_to_uniform(opened.fell_back_to_uniform());
  return proto;
}

v1::Run Run::Describe(const std::string& score, uint64_t incarnation) const {
  v1::Run proto = settings_;
  {
    ReaderLock lock(&mu_);
    proto.mutable_score_version()->set_incarnation(incarnation);
    proto.mutable_score_version()->set_records(records_);
    proto.set_scored_samples(scores_->scored(score));
    proto.set_generation(generation());
    for (const auto& [number, entry] : epochs_) *proto.add_epochs() = Describe(entry);
    for (const Commit& commit : commits_) *proto.add_checkpoints() = commit.checkpoint;
  }
  for (v1::Epoch& epoch : *proto.mutable_epochs()) {
    epoch.set_leased_positions(leases_.LeasedPositions(epoch.epoch()));
  }
  return proto;
}

v1::Epoch Run::DescribeEpoch(const Epoch& epoch) const {
  const uint64_t leased = leases_.LeasedPositions(epoch.number());
  ReaderLock lock(&mu_);
  const auto it = epochs_.find(epoch.number());
  Entry gone;
  if (it == epochs_.end()) gone.epoch = std::make_shared<Epoch>(epoch);
  v1::Epoch proto = Describe(it == epochs_.end() ? gone : it->second);
  proto.set_leased_positions(leased);
  return proto;
}

bool Run::HasScoreColumn(const std::string& column) const {
  ReaderLock lock(&mu_);
  return scores_->Has(column);
}

size_t Run::num_score_columns() const {
  ReaderLock lock(&mu_);
  return scores_->num_columns();
}

uint64_t Run::scored(const std::string& column) const {
  ReaderLock lock(&mu_);
  return scores_->scored(column);
}

uint64_t Run::score_memory_bytes() const {
  ReaderLock lock(&mu_);
  uint64_t bytes = scores_->memory_bytes();
  for (const Commit& commit : commits_) {
    if (commit.scores.uid != 0) bytes += commit.scores.table->memory_bytes();
  }
  return bytes;
}

std::map<std::string, sampling::ScoreView> RunSnapshot::views() const {
  std::map<std::string, sampling::ScoreView> views;
  for (const auto& [column, snapshot] : scores) views[column] = snapshot.view();
  return views;
}

RunSnapshot Run::TakeSnapshot(const std::set<std::string>& scores) const {
  RunSnapshot snapshot;
  for (const std::string& column : scores) snapshot.scores[column] = scores_->Snapshot(column);
  snapshot.records = records_;
  return snapshot;
}

RunSnapshot Run::Snapshot(const std::set<std::string>& scores) const {
  ReaderLock lock(&mu_);
  return TakeSnapshot(scores);
}

void Run::FoldSession(Uid session, uint64_t sequence) {
  WriterLock lock(&mu_);
  sessions_[session].set_last_used(sequence);
  if (sessions_.size() <= kMaxSessions) return;
  sessions_.erase(std::min_element(
      sessions_.begin(), sessions_.end(),
      [](const auto& a, const auto& b) { return a.second.last_used() < b.second.last_used(); }));
}

std::vector<std::shared_ptr<const Epoch>> Run::FoldEpoch(std::shared_ptr<Epoch> epoch,
                                                         std::shared_ptr<sampling::ScoreDraw> draw,
                                                         std::vector<Uid>* dropped) {
  std::vector<std::shared_ptr<const Epoch>> gone;
  {
    WriterLock lock(&mu_);
    if (draw != nullptr) {
      draw->Update(noted_samples_, noted_values_);
      noting_.clear();
      noted_samples_ = {};
      noted_values_ = {};
      // Stragglers of the same definition draw from the newest index: one is kept in memory.
      for (auto& [number, entry] : epochs_) {
        if (entry.draw != nullptr &&
            entry.epoch->opened.sampler_version() == epoch->opened.sampler_version() &&
            entry.epoch->columns == epoch->columns) {
          entry.draw = draw;
        }
      }
    }
    const uint32_t keep = std::max<uint32_t>(1, epoch->opened.keep_epochs());
    const uint64_t number = epoch->number();
    if (!epoch->sampler->spec.proportion.adaptive()) {
      learned_.reset();
    } else if (!learned_.has_value() || !learned_->Adopt(*epoch)) {
      learned_.emplace(*epoch);
    }
    SUBSET_CHECK(epochs_.empty() || epochs_.rbegin()->first < number);
    epochs_[number] = {std::move(epoch), {}, std::move(draw)};
    if (std::exchange(reverted_, false)) RebuildDraws();
    while (epochs_.size() > keep) {
      const auto& [oldest, entry] = *epochs_.begin();
      const bool needed = !commits_.empty() && Needs(commits_.back(), oldest, entry);
      if (needed && epochs_.size() <= keep + kMaxEpochsForCommit) break;
      gone.push_back(EvictOldest(dropped));
    }
  }
  for (const auto& old : gone) {
    live_draws_.Drop(old->number());
    leases_.Drop(old->number());
  }
  return gone;
}

void Run::Save(log::v1::RunState* state) const {
  ReaderLock lock(&mu_);
  *state->mutable_run() = settings_;
  state->set_records(records_);
  if (learned_.has_value()) state->set_learned_shares(learned_->Save());
  for (const auto& [uid, session] : sessions_) {
    auto* saved = state->add_sessions();
    saved->set_session_id(uid);
    session.Save(saved);
  }
  for (const auto& [number, entry] : epochs_) {
    auto* saved = state->add_epochs();
    *saved->mutable_opened() = entry.epoch->opened;
    saved->set_open_time_micros(entry.epoch->open_time_micros);
    for (const auto& [name, column] : entry.epoch->columns) {
      (*saved->mutable_columns())[name] = column->import_uid();
    }
    entry.accounts.Save(saved);
  }
  SaveCommits(state);
}

std::vector<ModifiedScores> Run::Modified() const {
  std::vector<ModifiedScores> modified;
  const auto add = [&modified](Uid uid, const ScoreTable& table) {
    std::vector<ModifiedChunk> chunks = table.Modified();
    if (!chunks.empty()) modified.push_back({uid, std::move(chunks)});
  };
  ReaderLock lock(&mu_);
  add(uid(), *scores_);
  for (const Commit& commit : commits_) {
    if (commit.scores.uid != 0) add(commit.scores.uid, *commit.scores.table);
  }
  return modified;
}

void Run::NoteImages(const ModifiedScores& written, uint64_t sequence) {
  WriterLock lock(&mu_);
  if (written.table == uid()) return scores_->NoteImages(written.chunks, sequence);
  for (Commit& commit : commits_) {
    if (commit.scores.uid == written.table)
      commit.scores.table->NoteImages(written.chunks, sequence);
  }
}

absl::Status Run::Restore(const log::v1::RunState& state,
                          absl::FunctionRef<std::unique_ptr<ScoreTable>(Uid)> find_scores) {
  WriterLock lock(&mu_);
  records_ = state.records();
  for (const auto& saved : state.sessions()) sessions_[saved.session_id()] = Session(saved);
  return RestoreCommits(state, find_scores);
}

void Run::RestoreEpoch(std::shared_ptr<Epoch> epoch, const log::v1::EpochState& state) {
  live_draws_.SetStepsGone(epoch->number(), state.live_steps_gone());
  WriterLock lock(&mu_);
  Entry& entry = epochs_[epoch->number()];
  entry.epoch = std::move(epoch);
  entry.accounts.Restore(state);
}

absl::Status Run::RestoreLearned(const std::string& weights) {
  if (weights.empty()) return absl::OkStatus();
  WriterLock lock(&mu_);
  if (epochs_.empty()) return absl::DataLossError("learned shares without an epoch");
  SUBSET_ASSIGN_OR_RETURN(learned_,
                          LearnedShares::Restore(*epochs_.rbegin()->second.epoch, weights));
  return absl::OkStatus();
}

std::vector<std::shared_ptr<Epoch>> Run::MutableEpochs() {
  ReaderLock lock(&mu_);
  std::vector<std::shared_ptr<Epoch>> epochs;
  for (const auto& [number, entry] : epochs_) epochs.push_back(entry.epoch);
  return epochs;
}

}  // namespace subset
