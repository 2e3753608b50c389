// Samples of which every choice has something to read.

#ifndef SUBSET_TESTS_SAMPLING_PRODUCT_SAMPLES_H_
#define SUBSET_TESTS_SAMPLING_PRODUCT_SAMPLES_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "sampling/plan.h"
#include "tests/sampling/plan_testing.h"
#include "tests/sampling/spec_case.h"

namespace subset::sampling {

// Columns of n samples in three labels, some of them with nothing known.
class ProductSamples {
 public:
  // zeros: every score is.
  ProductSamples(uint64_t n, bool zeros) : c(Preference::Kind::kUniform, Losses(n, zeros)) {
    std::mt19937_64 random(n);
    std::vector<double> quality, dialect, il, not2;
    std::vector<float> steps;
    for (uint64_t i = 0; i < n; ++i) {
      labels.push_back(static_cast<uint16_t>(i % 7 == 0 ? 2 : i % 2));
      quality.push_back(static_cast<double>(random() % 100) / 100);
      il.push_back(random() % 4 == 0 ? std::nan("") : static_cast<double>(random() % 10) / 10);
      not2.push_back(labels.back() == 2 ? 0 : 1);
      steps.push_back(random() % 3 == 0 ? kNan : static_cast<float>(random() % 20));
      dialects_.push_back(static_cast<uint16_t>(random() % 3));
    }
    std::vector<std::vector<uint32_t>> sets(n);
    for (auto& set : sets) {
      for (const uint32_t label : {0, 2, 5}) {
        if (random() % (1 + label) == 0) set.push_back(label);
      }
    }
    classes_ = std::make_unique<LabelSets>(sets);
    c.input.columns.label_sets["classes"] = classes_->view();
    c.SetColumn("quality", quality);
    c.SetColumn("il", il);
    c.SetColumn("not2", not2);
    c.Report("loss.step", steps);
    c.Stratify(labels);
    for (uint64_t i = 0; i < n; i += kChunkSamples) {
      label_chunks_.push_back(&labels[i]);
      dialect_chunks_.push_back(&dialects_[i]);
    }
    c.input.columns.dataset["label"] = {ColumnView::Type::kUint16, label_chunks_};
    c.input.columns.dataset["dialect"] = {ColumnView::Type::kUint16, dialect_chunks_};
    ProvidedEpoch provided;
    for (uint64_t i = n; i > 0; --i) provided.indices.push_back(static_cast<uint32_t>(i - 1));
    provided.expected.assign(provided.indices.size(), 1);
    c.input.provided = std::make_shared<ProvidedEpoch>(provided);
    c.input.batch_size = 8;
    c.input.key = {5, 2, 1};
  }

  Case c;
  std::vector<uint16_t> labels;

 private:
  static constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  static std::vector<float> Losses(uint64_t n, bool zeros) {
    std::mt19937_64 random(7 * n);
    std::vector<float> losses;
    for (uint64_t i = 0; i < n; ++i) {
      const uint64_t kind = random() % 6;
      const float loss = static_cast<float>(random() % 300) / 100;
      losses.push_back(kind == 0 ? kNan : zeros || kind == 1 ? 0 : loss);
    }
    return losses;
  }
  std::vector<uint16_t> dialects_;
  std::vector<const void*> label_chunks_;
  std::vector<const void*> dialect_chunks_;
  std::unique_ptr<LabelSets> classes_;
};

}  // namespace subset::sampling

#endif  // SUBSET_TESTS_SAMPLING_PRODUCT_SAMPLES_H_
