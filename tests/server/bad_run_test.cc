#include <cmath>

#include "tests/server/bad_input.h"

namespace subset {
namespace {

TEST_F(BadInputTest, UnknownDatasetsSamplersAndRuns) {
  const auto missing = [](std::string what, std::function<grpc::Status()> call, std::string field,
                          std::string message) {
    return Refusal{std::move(what), std::move(call),  Code::NOT_FOUND,
                   "NOT_FOUND",     std::move(field), std::move(message)};
  };
  v1::Dataset dataset;
  v1::Sampler sampler;
  v1::Run run;
  Check({
      missing(
          "GetDataset",
          [&] {
            Context context;
            v1::GetDatasetRequest request;
            request.set_name("e");
            return serving_->datasets->GetDataset(&context, request, &dataset);
          },
          "", "dataset \"e\" does not exist"),
      missing(
          "DeleteDataset",
          [&] {
            Context context;
            v1::DeleteDatasetRequest request;
            v1::DeleteDatasetResponse response;
            request.set_name("e");
            return serving_->datasets->DeleteDataset(&context, request, &response);
          },
          "", "dataset \"e\" does not exist"),
      missing(
          "CreateSampler of an unknown dataset",
          [&] {
            return CreateSampler([](auto& r) {
              r.set_name("e/uniform");
              r.mutable_preset()->set_name("uniform");
            });
          },
          "", "dataset \"e\" does not exist"),
      missing(
          "CreateSampler with an unknown column",
          [&] {
            return CreateSampler([](auto& r) {
              r.set_name("d/balanced");
              r.mutable_preset()->set_name("class_balanced");
              r.mutable_preset()->set_column("labell");
            });
          },
          "preset.column", "did you mean \"label\"?"),
      missing(
          "UpdateSampler",
          [&] {
            Context context;
            v1::UpdateSamplerRequest request;
            request.set_name("d/unifrom");
            request.mutable_preset()->set_name("uniform");
            return serving_->samplers->UpdateSampler(&context, request, &sampler);
          },
          "", "did you mean \"d/uniform\"?"),
      missing(
          "GetSampler",
          [&] {
            Context context;
            v1::GetSamplerRequest request;
            request.set_name("d/none");
            return serving_->samplers->GetSampler(&context, request, &sampler);
          },
          "", "sampler \"d/none\" does not exist"),
      missing(
          "ListSamplers of an unknown dataset",
          [&] {
            Context context;
            v1::ListSamplersRequest request;
            v1::ListSamplersResponse response;
            request.set_dataset("e");
            return serving_->samplers->ListSamplers(&context, request, &response);
          },
          "", "dataset \"e\" does not exist"),
      missing(
          "DeleteSampler",
          [&] {
            Context context;
            v1::DeleteSamplerRequest request;
            v1::DeleteSamplerResponse response;
            request.set_name("d/none");
            return serving_->samplers->DeleteSampler(&context, request, &response);
          },
          "", "sampler \"d/none\" does not exist"),
      missing(
          "CreateRun with an unknown sampler",
          [&] {
            return CreateRun([](auto& r) {
              r.set_name("other");
              r.set_sampler("d/none");
            });
          },
          "sampler", "sampler \"d/none\" does not exist"),
      missing(
          "GetRun",
          [&] {
            Context context;
            v1::GetRunRequest request;
            request.set_name("none");
            return serving_->training->GetRun(&context, request, &run);
          },
          "", "run \"none\" does not exist"),
      missing(
          "DeleteRun",
          [&] {
            Context context;
            v1::DeleteRunRequest request;
            v1::DeleteRunResponse response;
            request.set_name("none");
            return serving_->training->DeleteRun(&context, request, &response);
          },
          "", "run \"none\" does not exist"),
      missing(
          "OpenEpoch", [&] { return OpenEpoch([](auto& r) { r.set_run_uid(999); }); }, "run_uid",
          "run \"999\" does not exist"),
      missing(
          "GetBatch", [&] { return GetBatch([](auto& r) { r.set_run_uid(999); }); }, "run_uid",
          "run \"999\" does not exist"),
      missing(
          "OpenSession",
          [&] {
            Context context;
            v1::OpenSessionRequest request;
            v1::OpenSessionResponse response;
            request.set_run_uid(999);
            return serving_->training->OpenSession(&context, request, &response);
          },
          "run_uid", "run \"999\" does not exist"),
      missing(
          "ReportFeedback", [&] { return Report([](auto& r) { r.set_run_uid(999); }); }, "run_uid",
          "run \"999\" does not exist"),
  });
}

TEST_F(BadInputTest, RunsEpochsAndBatches) {
  const auto batch = [this](std::function<void(v1::GetBatchRequest&)> change) {
    return [this, change] { return GetBatch(change); };
  };
  const auto size = [&](uint32_t n) {
    return batch([n](auto& r) { r.mutable_positions()->set_batch_size(n); });
  };
  const auto assigned = [&](uint64_t step, uint32_t rank, uint32_t world) {
    return batch([=](auto& r) {
      r.mutable_assigned()->set_step(step);
      r.mutable_assigned()->set_rank(rank);
      r.mutable_assigned()->set_world_size(world);
    });
  };
  const auto run = [this](std::function<void(v1::CreateRunRequest&)> change) {
    return [this, change] {
      return CreateRun([&](auto& r) {
        r.set_name("other");
        change(r);
      });
    };
  };
  Check({
      Invalid("a global batch of 0", run([](auto& r) { r.set_global_batch_size(0); }),
              "global_batch_size", "0 is outside [1, 65536]"),
      Invalid("a global batch of 65537", run([](auto& r) { r.set_global_batch_size(65537); }),
              "global_batch_size", "65537 is outside [1, 65536]"),
      Invalid("a rate of 0", run([](auto& r) { (*r.mutable_score_ema())["loss"] = 0; }),
              "score_ema[loss]", "0 is outside (0, 1]"),
      Invalid("a rate that is NaN",
              run([](auto& r) { (*r.mutable_score_ema())["loss"] = std::nan(""); }),
              "score_ema[loss]", "nan is outside (0, 1]"),
      Invalid("a smoothed column of no name",
              run([](auto& r) { (*r.mutable_score_ema())["Loss"] = 0.5; }), "score_ema[Loss]",
              "Loss"),
      Invalid("a negative timeout",
              run([](auto& r) { r.mutable_feedback_timeout()->set_seconds(-1); }),
              "feedback_timeout", "-1 s"),
      Invalid("a timeout of 25 hours",
              run([](auto& r) { r.mutable_feedback_timeout()->set_seconds(90000); }),
              "feedback_timeout", "90000 s"),
      Invalid("a sampler without a slash", run([](auto& r) { r.set_sampler("uniform"); }),
              "sampler", "dataset/sampler"),
      {"other settings under the name",
       [this] { return CreateRun([](auto& r) { r.set_seed(2); }); }, Code::ALREADY_EXISTS,
       "ALREADY_EXISTS", "", "seed"},
      Invalid(
          "epoch 2^32",
          [this] { return OpenEpoch([](auto& r) { r.set_epoch(uint64_t{1} << 32); }); }, "epoch",
          "4294967296 is outside"),
      Invalid("a batch of epoch 2^32", batch([](auto& r) { r.set_epoch(uint64_t{1} << 32); }),
              "epoch", "4294967296 is outside"),
      Invalid("no address", batch([](auto& r) { r.clear_positions(); }), "address", "is not set"),
      Invalid("a batch of 0", size(0), "positions.batch_size", "0 is outside [1, 65536]"),
      Invalid("a batch of 65537", size(65537), "positions.batch_size",
              "65537 is outside [1, 65536]"),
      Invalid("a batch of 2^31-1", size(0x7fffffff), "positions.batch_size",
              "2147483647 is outside [1, 65536]"),
      Invalid("a batch of 2^32-1", size(0xffffffff), "positions.batch_size",
              "4294967295 is outside [1, 65536]"),
      Invalid("a world of nobody", assigned(0, 0, 0), "assigned.world_size",
              "0 is outside [1, 65536]"),
      Invalid("a world of 65537", assigned(0, 0, 65537), "assigned.world_size",
              "65537 is outside [1, 65536]"),
      Invalid("a rank outside the world", assigned(0, 2, 2), "assigned.rank",
              "2 is outside [0, 2)"),
      Invalid("two batches for one reply", batch([](auto& r) { r.set_num_batches(2); }),
              "num_batches", "2 is outside [0, 1]"),
      {"a position past the end", batch([](auto& r) { r.mutable_positions()->set_position(1000); }),
       Code::OUT_OF_RANGE, "EPOCH_END", "positions.position", "1000 positions"},
      {"a position far past the end",
       batch([](auto& r) { r.mutable_positions()->set_position(~uint64_t{0}); }),
       Code::OUT_OF_RANGE, "EPOCH_END", "positions.position", "1000 positions"},
      {"a step past the end", assigned(125, 0, 2), Code::OUT_OF_RANGE, "EPOCH_END", "assigned.step",
       "125 steps"},
      Invalid(
          "a page of 1001",
          [this] {
            Context context;
            v1::ListRunsRequest request;
            v1::ListRunsResponse response;
            request.set_page_size(1001);
            return serving_->training->ListRuns(&context, request, &response);
          },
          "page_size", "1001 is outside [0, 1000]"),
      Invalid(
          "a forged page token",
          [this] {
            Context context;
            v1::ListDatasetsRequest request;
            v1::ListDatasetsResponse response;
            request.set_page_token("../../etc");
            return serving_->datasets->ListDatasets(&context, request, &response);
          },
          "page_token", "does not match"),
  });
  // An epoch that was passed over never opens.
  ASSERT_TRUE(OpenEpoch([](auto& r) { r.set_epoch(5); }).ok());
  Check({{"an epoch that was passed over",
          [this] { return OpenEpoch([](auto& r) { r.set_epoch(3); }); }, Code::FAILED_PRECONDITION,
          "EPOCH_GONE", "", "3"},
         {"a batch of it", batch([](auto& r) { r.set_epoch(3); }), Code::FAILED_PRECONDITION,
          "EPOCH_GONE", "", "3"}});
}

}  // namespace
}  // namespace subset
