#include "server/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/health_client.h"
#include "tests/server/http_get.h"
#include "tests/server/serving.h"
#include "tests/testing/fake_engine.h"
#include "tests/testing/read_file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace subset {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kHealthServices[] = {"",
                                           "subset.v1.DatasetService",
                                           "subset.v1.SamplerService",
                                           "subset.v1.TrainingService",
                                           "liveness",
                                           "readiness"};

TEST(ServerTest, HealthIsServedForEveryNameAndNoOther) {
  FakeEngine engine;
  Serving serving(&engine);
  for (const char* service : kHealthServices) {
    EXPECT_EQ(CheckHealth(serving.channel.get(), service), Health::kServing) << service;
  }
  EXPECT_EQ(CheckHealth(serving.channel.get(), "nobody"), Health::kNoSuchService);
}

TEST(ServerTest, ADrainSaysNotServingFirstAndTakesCallsUntilItsDelayIsOver) {
  FakeEngine engine;
  engine.get_dataset = [](const v1::GetDatasetRequest&) { return v1::Dataset(); };
  ServerOptions options = LoopbackOptions();
  options.drain_delay = absl::Seconds(3);
  Serving serving(&engine, options);
  HealthWatch watch(serving.channel.get(), "readiness");
  ASSERT_EQ(watch.Next(), Health::kServing);
  std::thread drain([&] { serving.server->Drain(); });
  EXPECT_EQ(watch.Next(), Health::kNotServing);
  Context context;
  v1::Dataset dataset;
  EXPECT_TRUE(serving.datasets->GetDataset(&context, {}, &dataset).ok());
  EXPECT_EQ(CheckHealth(serving.channel.get(), "liveness"), Health::kNotServing);
  drain.join();
  EXPECT_TRUE(engine.stopped_waiting);
}

TEST(ServerTest, CallsInFlightMayFinishAfterADrainHasBegun) {
  FakeEngine engine;
  FakeEngine::BatchDone held;
  std::atomic<bool> holding{false};
  engine.get_batch = [&](const v1::GetBatchRequest&, v1::Batch*, Engine::Cancelled,
                         FakeEngine::BatchDone done) {
    held = std::move(done);
    holding = true;
  };
  Serving serving(&engine);
  std::thread caller([&] {
    Context context;
    v1::Batch batch;
    EXPECT_TRUE(serving.training->GetBatch(&context, {}, &batch).ok());
  });
  while (!holding) std::this_thread::yield();
  std::thread drain([&] { serving.server->Drain(); });
  while (!engine.stopped_waiting) std::this_thread::yield();
  held(absl::OkStatus());
  caller.join();
  drain.join();
}

TEST(ServerTest, CallsThatDoNotFinishAreCancelledAtTheDeadline) {
  FakeEngine engine;
  std::thread waiter;
  std::atomic<bool> holding{false};
  engine.get_batch = [&](const v1::GetBatchRequest&, v1::Batch*, Engine::Cancelled cancelled,
                         FakeEngine::BatchDone done) {
    waiter = std::thread([&holding, cancelled, done = std::move(done)]() mutable {
      holding = true;
      while (!cancelled()) std::this_thread::yield();
      done(absl::CancelledError("cancelled"));
    });
  };
  ServerOptions options = LoopbackOptions();
  options.drain_deadline = absl::Milliseconds(50);
  Serving serving(&engine, options);
  std::thread caller([&] {
    Context context;
    v1::Batch batch;
    EXPECT_FALSE(serving.training->GetBatch(&context, {}, &batch).ok());
  });
  while (!holding) std::this_thread::yield();
  serving.server->Drain();
  caller.join();
  waiter.join();
}

TEST(ServerTest, APortInUseIsAnErrorThatNamesSettingAddressAndReason) {
  FakeEngine engine;
  Metrics metrics;
  ServerOptions first_options = LoopbackOptions();
  first_options.metrics_listen = "127.0.0.1:0";
  Serving first(&engine, first_options);

  ServerOptions options = LoopbackOptions();
  options.listen = first.server->grpc_address();
  EXPECT_THAT(Server::Start(options, &engine, &metrics),
              StatusIs(absl::StatusCode::kUnavailable,
                       absl::StrCat("listen cannot be bound to ", options.listen,
                                    ": Address already in use")));
  options = LoopbackOptions();
  options.metrics_listen = first.server->metrics_address();
  EXPECT_THAT(Server::Start(options, &engine, &metrics),
              StatusIs(absl::StatusCode::kUnavailable,
                       absl::StrCat("metrics_listen cannot be bound to ", options.metrics_listen,
                                    ": Address already in use")));
}

TEST(ServerTest, AnAddressThatIsNotOursIsAnError) {
  FakeEngine engine;
  Metrics metrics;
  ServerOptions options = LoopbackOptions();
  options.listen = "192.0.2.1:0";  // TEST-NET-1: nobody's
  EXPECT_THAT(Server::Start(options, &engine, &metrics),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Cannot assign")));
  options.listen = "unix:/nonexistent/directory/socket";
  EXPECT_THAT(Server::Start(options, &engine, &metrics),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("unix:/nonexistent")));
}

TEST(ServerTest, AUnixSocketServes) {
  TempDir dir;
  FakeEngine engine;
  engine.get_dataset = [](const v1::GetDatasetRequest&) { return v1::Dataset(); };
  ServerOptions options = LoopbackOptions();
  options.listen = "unix:" + dir.File("socket");
  Serving serving(&engine, options);
  EXPECT_EQ(serving.server->grpc_address(), options.listen);
  Context context;
  v1::Dataset dataset;
  EXPECT_TRUE(serving.datasets->GetDataset(&context, {}, &dataset).ok());
}

TEST(ServerTest, ThePortFileSaysWhereItServesAndGoesWithTheServer) {
  TempDir dir;
  FakeEngine engine;
  ServerOptions options = LoopbackOptions();
  options.port_file = dir.File("ports");
  options.metrics_listen = "127.0.0.1:0";
  std::ofstream(options.port_file) << "grpc=stale\n";
  {
    Serving serving(&engine, options);
    EXPECT_EQ(ReadFile(options.port_file),
              absl::StrCat("grpc=", serving.server->grpc_address(),
                           "\nmetrics=", serving.server->metrics_address(), "\n"));
    EXPECT_THAT(serving.server->grpc_address(), Not(HasSubstr(":0")));
  }
  EXPECT_EQ(ReadFile(options.port_file), "");
}

TEST(ServerTest, APortFileThatCannotBeWrittenIsAnError) {
  FakeEngine engine;
  Metrics metrics;
  ServerOptions options = LoopbackOptions();
  options.port_file = "/nonexistent/directory/ports";
  EXPECT_THAT(Server::Start(options, &engine, &metrics),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(options.port_file)));
}

TEST(ServerTest, ReflectionIsOnlyThereWhereItIsAskedFor) {
  FakeEngine engine;
  ServerOptions options = LoopbackOptions();
  options.reflection = true;
  Serving with(&engine, options);
  Serving without(&engine);
  EXPECT_THAT(ReflectedServices(with.channel.get()), HasSubstr("subset.v1.TrainingService"));
  EXPECT_EQ(ReflectedServices(without.channel.get()), "");
}

}  // namespace
}  // namespace subset
