#include "tests/server/bad_input.h"

#include <cmath>
#include <map>

namespace subset {
namespace {

TEST_F(BadInputTest, SamplerDefinitions) {
  const auto spec = [this](std::function<void(v1::SamplerSpec&)> change) {
    return [this, change] { return CreateSpec(change); };
  };
  const auto preset = [this](std::string name, std::map<std::string, double> parameters) {
    return [=] {
      return CreateSampler([&](auto& r) {
        r.set_name("d/other");
        r.mutable_preset()->set_name(name);
        for (const auto& [key, value] : parameters) {
          (*r.mutable_preset()->mutable_parameters())[key] = value;
        }
      });
    };
  };
  const double nan = std::nan("");
  Check({
      Invalid(
          "no definition", [this] { return CreateSampler([](auto& r) { r.set_name("d/other"); }); },
          "definition", "is not set"),
      Invalid(
          "no slash",
          [this] {
            return CreateSampler([](auto& r) {
              r.set_name("uniform");
              r.mutable_preset()->set_name("uniform");
            });
          },
          "name", "dataset/sampler"),
      Invalid("an unknown preset", preset("unifrom", {}), "preset.name", "uniform"),
      Invalid("an unknown parameter", preset("importance", {{"alhpa", 1}}),
              "preset.parameters[alhpa]", "alpha"),
      Invalid("a parameter outside its range", preset("importance", {{"alpha", -1}}),
              "preset.parameters[alpha]", "-1"),
      Invalid("a parameter that is NaN", preset("importance", {{"alpha", nan}}),
              "preset.parameters[alpha]", "nan"),
      Invalid("alpha 0",
              spec([](auto& s) { s.mutable_preference()->mutable_score_power()->set_alpha(0); }),
              "spec.preference.score_power.alpha", "0 is outside (0, 16]"),
      Invalid("alpha 1000",
              spec([](auto& s) { s.mutable_preference()->mutable_score_power()->set_alpha(1e3); }),
              "spec.preference.score_power.alpha", "1000 is outside (0, 16]"),
      Invalid("alpha NaN",
              spec([=](auto& s) { s.mutable_preference()->mutable_score_power()->set_alpha(nan); }),
              "spec.preference.score_power.alpha", "outside (0, 16]"),
      Invalid("ratio 1", spec([](auto& s) {
                auto* pruning = s.mutable_preference()->mutable_below_mean_pruning();
                pruning->set_ratio(1);
                pruning->set_delta(0.5);
                pruning->set_total_epochs(10);
              }),
              "spec.preference.below_mean_pruning.ratio", "1 is outside (0, 1)"),
      Invalid("fraction 2", spec([](auto& s) { s.mutable_draw()->set_fraction(2); }),
              "spec.draw.fraction", "2 is outside"),
      Invalid("floor 1.5", spec([](auto& s) { s.mutable_guard()->set_uniform_floor(1.5); }),
              "spec.guard.uniform_floor", "1.5 is outside"),
      Invalid("beta -1", spec([](auto& s) { s.mutable_weight()->set_beta(-1); }),
              "spec.weight.beta", "-1 is outside"),
      Invalid("EQUAL without a column",
              spec([](auto& s) { s.mutable_proportion()->set_kind(v1::Proportion::EQUAL); }),
              "spec.proportion.column", "is empty"),
      Invalid("a number of a kind not chosen",
              spec([](auto& s) { s.mutable_proportion()->set_temperature(5); }),
              "spec.proportion.temperature", "only TEMPERATURE reads it"),
      Invalid("strata three deep", spec([](auto& s) {
                s.mutable_proportion()->mutable_within()->mutable_within()->set_column("label");
              }),
              "spec.proportion.within.within", "strata nest once"),
      Invalid("a filter of nothing",
              spec([](auto& s) { s.mutable_eligible()->add_all()->mutable_range(); }),
              "spec.eligible.all[0].column", "either column or score"),
      Invalid("a filter without a test",
              spec([](auto& s) { s.mutable_eligible()->add_all()->set_score("loss"); }),
              "spec.eligible.all[0].test", "is not set"),
      Invalid("a bag without BOOTSTRAP",
              spec([](auto& s) { s.mutable_draw()->mutable_bootstrap()->set_bag(3); }),
              "spec.draw.bootstrap", "only BOOTSTRAP reads it"),
      Invalid("an unknown curve", spec([](auto& s) {
                (*s.mutable_schedules())["weight.beta"].add_points()->set_curve(
                    static_cast<v1::Schedule::Curve>(9));
              }),
              "spec.schedules[weight.beta].points[0].curve", "9 is not a value"),
      Invalid("an unknown kind of draw",
              spec([](auto& s) { s.mutable_draw()->set_kind(static_cast<v1::Draw::Kind>(77)); }),
              "spec.draw.kind", "77 is not a value"),
      Invalid("an unknown snapshot",
              spec([](auto& s) { s.set_snapshot(static_cast<v1::Snapshot>(-5)); }), "spec.snapshot",
              "-5 is not a value"),
      Invalid("scores that are never frozen anew",
              spec([](auto& s) { s.set_snapshot(v1::SNAPSHOT_EVERY_N); }), "spec.snapshot_every",
              "0 is outside [1, 1024]"),
      Invalid("a snapshot of 1025 batches", spec([](auto& s) {
                s.set_snapshot(v1::SNAPSHOT_EVERY_N);
                s.set_snapshot_every(1025);
              }),
              "spec.snapshot_every", "1025 is outside [1, 1024]"),
      Invalid("a number of batches that nothing reads",
              spec([](auto& s) { s.set_snapshot_every(3); }), "spec.snapshot_every",
              "3 is not 0: it is for EVERY_N only"),
      Invalid("shares that miss a stratum", spec([](auto& s) {
                s.mutable_proportion()->set_kind(v1::Proportion::EXPLICIT);
                s.mutable_proportion()->set_column("label");
                (*s.mutable_proportion()->mutable_shares())[2] = 1;
              }),
              "spec.proportion.shares", "misses 1"),
      Invalid("shares that name no stratum", spec([](auto& s) {
                s.mutable_proportion()->set_kind(v1::Proportion::EXPLICIT);
                s.mutable_proportion()->set_column("label");
                (*s.mutable_proportion()->mutable_shares())[1] = 0.5;
                (*s.mutable_proportion()->mutable_shares())[2] = 0.5;
              }),
              "spec.proportion.shares", "names 2"),
      Invalid("a filter that leaves nothing", spec([](auto& s) {
                auto* predicate = s.mutable_eligible()->add_all();
                predicate->set_column("label");
                predicate->mutable_in()->add_values(7);
              }),
              "spec.eligible", "leaves none of the 1000 samples"),
      Invalid("a test of label sets on labels", spec([](auto& s) {
                auto* predicate = s.mutable_eligible()->add_all();
                predicate->set_column("label");
                predicate->mutable_any_of()->add_values(7);
              }),
              "spec.eligible.all[0].column", "COLUMN_TYPE_LABEL_SET is needed"),
      Invalid("repeat factors of labels", spec([](auto& s) {
                s.mutable_preference()->set_column("label");
                s.mutable_preference()->mutable_repeat_factor()->set_threshold(0.1);
              }),
              "spec.preference.column", "COLUMN_TYPE_LABEL_SET is needed"),
      Invalid("threshold 0", spec([](auto& s) {
                s.mutable_preference()->set_column("classes");
                s.mutable_preference()->mutable_repeat_factor();
              }),
              "spec.preference.repeat_factor.threshold", "0 is outside (0, 1]"),
      {"a filter by a column that is not there", spec([](auto& s) {
         auto* predicate = s.mutable_eligible()->add_all();
         predicate->set_column("lable");
         predicate->mutable_in()->add_values(7);
       }),
       Code::NOT_FOUND, "NOT_FOUND", "spec.eligible.all[0].column", "did you mean \"label\"?"},
      {"another definition under the name",
       [this] {
         return CreateSampler([](auto& r) { r.mutable_preset()->set_name("importance"); });
       },
       Code::ALREADY_EXISTS, "ALREADY_EXISTS", "", "d/uniform"},
      {"deleting one that runs use",
       [this] {
         Context context;
         v1::DeleteSamplerRequest request;
         v1::DeleteSamplerResponse response;
         request.set_name("d/uniform");
         return serving_->samplers->DeleteSampler(&context, request, &response);
       },
       Code::FAILED_PRECONDITION, "IN_USE", "", "force"},
      {"deleting a dataset that runs use",
       [this] {
         Context context;
         v1::DeleteDatasetRequest request;
         v1::DeleteDatasetResponse response;
         request.set_name("d");
         return serving_->datasets->DeleteDataset(&context, request, &response);
       },
       Code::FAILED_PRECONDITION, "IN_USE", "", "force"},
  });
}

TEST_F(BadInputTest, PreviewsAndExplanations) {
  const auto preview = [this](std::function<void(v1::PreviewSamplerRequest&)> change) {
    return [this, change] {
      Context context;
      v1::PreviewSamplerRequest request;
      v1::PreviewSamplerResponse response;
      request.mutable_planned()->set_sampler("d/uniform");
      change(request);
      return serving_->samplers->PreviewSampler(&context, request, &response);
    };
  };
  Check({
      {"an unknown sampler",
       preview([](auto& r) { r.mutable_planned()->set_sampler("d/unifrom"); }), Code::NOT_FOUND,
       "NOT_FOUND", "", "did you mean"},
      Invalid("a definition that cannot work", preview([](auto& r) {
                r.mutable_planned()->mutable_spec()->mutable_weight()->set_beta(-1);
              }),
              "spec.weight.beta", "-1 is outside"),
      Invalid("a batch size beside a run's", preview([](auto& r) {
                r.mutable_planned()->set_run("r");
                r.mutable_planned()->set_global_batch_size(8);
              }),
              "planned.global_batch_size", "the run has its own"),
      Invalid("coverage after no epoch", preview([](auto& r) { r.add_coverage_epochs(0); }),
              "coverage_epochs[0]", "0 is outside [1, 65536]"),
      Invalid(
          "an index outside the dataset",
          [this] {
            Context context;
            v1::ExplainSampleRequest request;
            v1::ExplainSampleResponse response;
            request.mutable_planned()->set_sampler("d/uniform");
            request.set_index(kSamples);
            return serving_->samplers->ExplainSample(&context, request, &response);
          },
          "index", "1000 is outside [0, 1000)"),
  });
}

}  // namespace
}  // namespace subset
