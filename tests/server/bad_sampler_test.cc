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
                s.mutable_preference()->mutable_below_mean_pruning()->set_ratio(1);
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

}  // namespace
}  // namespace subset
