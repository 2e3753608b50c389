// Run's fold of reported values into score columns.

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/status_macros.h"
#include "engine/feedback.h"
#include "engine/run.h"
#include "sampling/forgetting.h"

namespace subset {

// A score is as old as the step it was drawn for: positions are known here, while a trainer may
// count its steps in any way it likes.
std::vector<float> Run::StepsOf(const v1::Feedback& feedback, size_t items) const {
  std::vector<float> steps(items, static_cast<float>(feedback.step()));
  if (!feedback.has_position()) return steps;
  const uint64_t first_step = epochs_.at(feedback.epoch()).epoch->opened.first_step();
  for (size_t i = 0; i < items; ++i) {
    steps[i] =
        static_cast<float>(first_step + (feedback.position() + i) / settings_.global_batch_size());
  }
  return steps;
}

bool Run::TracksSteps(const std::string& column) const {
  return std::any_of(epochs_.begin(), epochs_.end(), [&column](const auto& entry) {
    const std::set<std::string> read = entry.second.epoch->sampler->spec.ScoreColumns();
    return read.count(sampling::StepColumn(column)) > 0;
  });
}

std::vector<std::string> Run::Changes(const std::string& reported) const {
  std::vector<std::string> columns = {reported};
  if (reported == kCorrectColumn) columns.push_back(kForgettingColumn);
  if (TracksSteps(reported)) columns.push_back(sampling::StepColumn(reported));
  return columns;
}

std::vector<std::string> Run::ChangedBy(const std::string& reported) const {
  ReaderLock lock(&mu_);
  return Changes(reported);
}

void Run::ApplyColumn(uint64_t sequence, const std::string& column,
                      const std::vector<uint32_t>& samples, std::vector<float> values,
                      ScoreTable::Fold fold) {
  scores_->Apply(sequence, column, samples, absl::MakeSpan(values), fold);
  const bool noted = column == noting_;
  std::set<sampling::ScoreDraw*> draws;
  for (const auto& [number, entry] : epochs_) {
    if (entry.draw != nullptr && entry.epoch->sampler->spec.preference.score == column) {
      draws.insert(entry.draw.get());
    }
  }
  if (!noted && draws.empty()) return;
  // A column may hold negative values from before a sampler preferred it.
  for (float& value : values) value = std::max(value, 0.0f);
  for (sampling::ScoreDraw* draw : draws) draw->Update(samples, values);
  if (noted) {
    noted_samples_.insert(noted_samples_.end(), samples.begin(), samples.end());
    noted_values_.insert(noted_values_.end(), values.begin(), values.end());
  }
}

void Run::ApplyValues(uint64_t sequence, const v1::Feedback& feedback) {
  const std::vector<uint32_t> samples = DecodeValues<uint32_t>(feedback.indices());
  const auto newest = [](float, float reported) { return reported; };
  for (const v1::FloatColumn& column : feedback.values()) {
    std::vector<float> values = DecodeValues<float>(column.values());
    for (float& value : values) value += 0.0f;  // -0 becomes 0
    if (column.name() == kCorrectColumn) {
      ApplyColumn(sequence, kForgettingColumn, samples, values, [](float stored, float correct) {
        return sampling::FoldForgetting(stored, correct == 1);
      });
    }
    if (TracksSteps(column.name())) {
      ApplyColumn(sequence, sampling::StepColumn(column.name()), samples,
                  StepsOf(feedback, samples.size()), newest);
    }
    const auto ema = settings_.score_ema().find(column.name());
    if (ema == settings_.score_ema().end()) {
      ApplyColumn(sequence, column.name(), samples, std::move(values), newest);
      continue;
    }
    const double rate = ema->second;
    ApplyColumn(sequence, column.name(), samples, std::move(values),
                [rate](float stored, float reported) {
                  if (std::isnan(stored)) return reported;
                  return static_cast<float>((1 - rate) * stored + rate * reported);
                });
  }
}

absl::Status Run::NoteLearnedShares(const std::shared_ptr<const SamplerVersion>& sampler,
                                    const PinnedColumns& columns,
                                    log::v1::EpochOpened* opened) const {
  const sampling::Proportion& proportion = sampler->spec.proportion;
  if (!proportion.adaptive()) return absl::OkStatus();
  SUBSET_ASSIGN_OR_RETURN(const auto strata, columns.at(proportion.column)->Strata());
  for (size_t g = 0; g < strata->values.size(); ++g) opened->add_group_sizes(strata->count(g));
  ReaderLock lock(&mu_);
  const LearnedShares* learned = LearnedFor(sampler, *opened);
  if (learned == nullptr) return absl::OkStatus();
  for (const double share : learned->shares()) opened->add_learned_shares(share);
  return absl::OkStatus();
}

std::vector<double> Run::MeanLearnedShares(const std::shared_ptr<const SamplerVersion>& sampler,
                                           const log::v1::EpochOpened& opened) const {
  if (!sampler->spec.proportion.adaptive()) return {};
  ReaderLock lock(&mu_);
  const LearnedShares* learned = LearnedFor(sampler, opened);
  return learned == nullptr ? std::vector<double>() : learned->mean_shares();
}

const LearnedShares* Run::LearnedFor(const std::shared_ptr<const SamplerVersion>& sampler,
                                     const log::v1::EpochOpened& opened) const {
  if (!learned_.has_value()) return nullptr;
  Epoch epoch;
  epoch.sampler = sampler;
  epoch.opened = opened;
  return learned_->SameStrata(epoch) ? &*learned_ : nullptr;
}

void Run::ApplyGroupLosses(const log::v1::FeedbackReported& record,
                           const std::vector<Part>& parts) {
  const auto epoch = epochs_.find(record.group_epoch());
  if (!learned_.has_value() || epoch == epochs_.end()) return;
  if (record.group_losses_size() != record.feedback_size()) return;  // none were summed
  if (!learned_->SameStrata(*epoch->second.epoch)) return;
  for (int i = 0; i < record.feedback_size(); ++i) {
    if (parts[i] == Part::kApply) learned_->Update(record.group_losses(i));
  }
}

}  // namespace subset
