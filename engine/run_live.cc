// Run's live epochs: what their draws are built from, kept up to date with, and give.

#include <algorithm>
#include <utility>

#include "engine/run.h"

namespace subset {

RunSnapshot Run::SnapshotAndNote(const std::set<std::string>& scores, const std::string& noted) {
  WriterLock lock(&mu_);
  noting_ = noted;
  noted_samples_.clear();
  noted_values_.clear();
  return TakeSnapshot(scores);
}

void Run::StopNoting() {
  WriterLock lock(&mu_);
  noting_.clear();
  noted_samples_ = {};
  noted_values_ = {};
}

std::vector<LiveDraws::Batch> Run::DrawLive(const Epoch& epoch, const std::vector<uint64_t>& steps,
                                            uint64_t incarnation) const {
  const sampling::StreamKey key{settings_.seed(), epoch.opened.sampler_version(), epoch.number()};
  const uint64_t global_batch_size = settings_.global_batch_size();
  std::vector<LiveDraws::Batch> batches;
  ReaderLock lock(&mu_);
  const auto it = epochs_.find(epoch.number());
  for (const uint64_t step : steps) {
    const uint64_t position = step * global_batch_size;
    const size_t count = std::min(global_batch_size, epoch.num_positions() - position);
    std::vector<uint32_t> indices(count);
    std::vector<double> probabilities(count);
    std::vector<float> weights(count);
    // An epoch that went in between has no draw; what is drawn for it is not logged either.
    if (it != epochs_.end()) {
      it->second.draw->Draw(key, position, absl::MakeSpan(indices), absl::MakeSpan(probabilities),
                            absl::MakeSpan(weights));
    }
    auto batch = std::make_shared<log::v1::BatchDrawn>();
    batch->set_run_uid(uid());
    batch->set_epoch(epoch.number());
    batch->set_position(position);
    batch->mutable_score_version()->set_incarnation(incarnation);
    batch->mutable_score_version()->set_records(records_);
    batch->set_indices(indices.data(), count * sizeof(uint32_t));
    batch->set_probabilities(probabilities.data(), count * sizeof(double));
    batch->set_weights(weights.data(), count * sizeof(float));
    batches.push_back(std::move(batch));
  }
  return batches;
}

void Run::RebuildDraws() {
  std::map<sampling::ScoreDraw*, std::shared_ptr<sampling::ScoreDraw>> rebuilt;
  for (auto& [number, entry] : epochs_) {
    if (entry.draw == nullptr) continue;
    std::shared_ptr<sampling::ScoreDraw>& draw = rebuilt[entry.draw.get()];
    if (draw == nullptr) {
      draw = entry.draw;
      RunSnapshot snapshot;
      for (const std::string& column : entry.epoch->sampler->spec.ScoreColumns()) {
        snapshot.scores[column] = scores_->Snapshot(column);
      }
      auto input = MakePlanInput(settings_, entry.epoch->opened, *entry.epoch->sampler,
                                 entry.epoch->columns);
      if (!input.ok()) continue;  // it was built from the same before
      input->columns.scores = snapshot.views();
      auto built = sampling::ScoreDraw::Build(*input);
      if (built.ok()) draw = *std::move(built);
    }
    entry.draw = draw;
  }
}

void Run::SetDraw(uint64_t epoch, std::shared_ptr<sampling::ScoreDraw> draw) {
  WriterLock lock(&mu_);
  epochs_.at(epoch).draw = std::move(draw);
}

}  // namespace subset
