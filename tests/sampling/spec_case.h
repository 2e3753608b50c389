// A spec with the columns its plans are built from.

#ifndef SUBSET_TESTS_SAMPLING_SPEC_CASE_H_
#define SUBSET_TESTS_SAMPLING_SPEC_CASE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sampling/inner_draw.h"
#include "tests/sampling/plan_testing.h"

namespace subset::sampling {

// An input whose columns live as long as it.
class Case {
 public:
  explicit Case(Preference::Kind kind, std::vector<float> scores) : n_(scores.size()) {
    input.spec.preference.kind = kind;
    input.spec.guard.unscored = Guard::Unscored::kMean;
    input.num_samples = n_;
    Report("loss", std::move(scores));
  }
  void Report(const std::string& name, std::vector<float> values) {
    reported_[name] = std::make_unique<Scores>(std::move(values));
    input.columns.scores[name] = reported_[name]->view();
  }
  void SetColumn(const std::string& name, std::vector<double> values) {
    columns_[name] = std::move(values);
    chunks_[name].clear();
    for (uint64_t i = 0; i < n_; i += kChunkSamples) {
      chunks_[name].push_back(&columns_[name][i]);
    }
    input.columns.dataset[name] = {ColumnView::Type::kFloat64, chunks_[name]};
  }
  void Stratify(const std::vector<uint16_t>& labels) { input.strata = *StrataOf(labels); }

  Preference& preference() { return input.spec.preference; }
  Guard& guard() { return input.spec.guard; }
  Population population() const { return {n_, input.strata}; }

  // By sample.
  std::vector<double> Inner() const {
    const InnerDraw inner = InnerProbabilities(input, population());
    std::vector<double> a(n_);
    for (uint64_t slot = 0; slot < population().size(); ++slot) {
      a[population().sample(slot)] = inner.probabilities[slot];
    }
    return a;
  }

  PlanInput input;

 private:
  uint64_t n_;
  std::map<std::string, std::unique_ptr<Scores>> reported_;
  std::map<std::string, std::vector<double>> columns_;
  std::map<std::string, std::vector<const void*>> chunks_;
};

}  // namespace subset::sampling

#endif  // SUBSET_TESTS_SAMPLING_SPEC_CASE_H_
