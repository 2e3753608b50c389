// Served indices per second and CPU per batch: streamed and unary uniform batches on loopback,
// against an echo server that returns a static buffer of the same size, in the same run.
//
//   bench_served [--json FILE] [--rounds N] [--batches N]
//
// Each server is a process of its own. Rounds are interleaved; figures are medians over the rounds,
// and a ratio is the median of the rounds' ratios.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/malloc.h"
#include "bench/figures.h"
#include "bench/served/child_server.h"
#include "bench/served/echo_server.h"
#include "bench/served/subset_server.h"
#include "subset/v1/training.grpc.pb.h"

namespace subset::bench {
namespace {

constexpr uint32_t kBatch = 8192;
constexpr uint64_t kBatchesPerEpoch = kSamples / kBatch;

struct Figures {
  double batches_per_second = 0;
  double server_cpu_us = 0;  // per batch
  double client_cpu_us = 0;
};

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "bench_served: %s\n", what.c_str());
  std::exit(1);
}

v1::GetBatchRequest Request(uint64_t run_uid, uint64_t i, uint32_t num_batches = 1) {
  v1::GetBatchRequest request;
  request.set_run_uid(run_uid);
  request.mutable_positions()->set_position(i % kBatchesPerEpoch * kBatch);
  request.mutable_positions()->set_batch_size(kBatch);
  request.set_num_batches(num_batches);
  return request;
}

void Check(const v1::Batch& batch) {
  if (batch.indices().size() != kBatch * sizeof(uint32_t)) Fail("a batch of the wrong size");
}

// One connection to one server.
class Client {
 public:
  Client(ChildServer* server, uint64_t run_uid)
      : server_(server),
        run_uid_(run_uid),
        stub_(v1::TrainingService::NewStub(
            grpc::CreateChannel(server->address(), grpc::InsecureChannelCredentials()))) {}

  Figures Unary(uint64_t batches) {
    return Measure(batches, [&] {
      v1::Batch batch;
      for (uint64_t i = 0; i < batches; ++i) {
        grpc::ClientContext context;
        const grpc::Status status = stub_->GetBatch(&context, Request(run_uid_, i), &batch);
        if (!status.ok()) Fail(status.error_message());
        Check(batch);
      }
    });
  }

  // Asks for `ahead` batches before it needs them, `together` in one request.
  Figures Stream(uint64_t batches, uint64_t ahead, uint64_t together) {
    return Measure(batches, [&] {
      grpc::ClientContext context;
      auto stream = stub_->StreamBatches(&context);
      v1::Batch batch;
      uint64_t asked = 0;
      for (uint64_t i = 0; i < batches; ++i) {
        for (;;) {
          const uint64_t count = std::min(together, batches - asked);
          if (count == 0 || asked + count > i + ahead) break;
          stream->Write(Request(run_uid_, asked, static_cast<uint32_t>(count)));
          asked += count;
        }
        if (!stream->Read(&batch)) Fail(stream->Finish().error_message());
        Check(batch);
      }
      stream->WritesDone();
      const grpc::Status status = stream->Finish();
      if (!status.ok()) Fail(status.error_message());
    });
  }

 private:
  template <typename Work>
  Figures Measure(uint64_t batches, Work&& work) {
    const double server_before = server_->CpuSeconds();
    const double client_before = OwnCpuSeconds();
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    const double n = static_cast<double>(batches);
    Figures figures;
    figures.batches_per_second = n / elapsed.count();
    figures.client_cpu_us = (OwnCpuSeconds() - client_before) * 1e6 / n;
    figures.server_cpu_us = (server_->CpuSeconds() - server_before) * 1e6 / n;
    return figures;
  }

  ChildServer* const server_;
  const uint64_t run_uid_;
  const std::unique_ptr<v1::TrainingService::Stub> stub_;
};

template <typename Value>
double MedianOf(const std::vector<Figures>& rounds, Value&& value) {
  std::vector<double> values;
  for (const Figures& round : rounds) values.push_back(value(round));
  return Median(values);
}

// One way of asking, both servers.
struct Comparison {
  std::string name;
  std::vector<Figures> subset, echo;
};

std::string Report(const Comparison& c) {
  const auto rate = [](const Figures& f) { return f.batches_per_second; };
  const auto server = [](const Figures& f) { return f.server_cpu_us; };
  const auto client = [](const Figures& f) { return f.client_cpu_us; };
  std::vector<double> ratios;
  for (size_t i = 0; i < c.subset.size(); ++i) {
    ratios.push_back(c.subset[i].batches_per_second / c.echo[i].batches_per_second);
  }
  const double ratio = Median(ratios);
  const double spread_low = *std::min_element(ratios.begin(), ratios.end());
  const double spread_high = *std::max_element(ratios.begin(), ratios.end());
  std::printf("%-18s %11.1f %11.1f %7.2f (%4.2f-%4.2f) %9.1f %9.1f %9.1f %9.1f\n", c.name.c_str(),
              MedianOf(c.subset, rate) * kBatch / 1e6, MedianOf(c.echo, rate) * kBatch / 1e6, ratio,
              spread_low, spread_high, MedianOf(c.subset, server), MedianOf(c.echo, server),
              MedianOf(c.subset, client), MedianOf(c.echo, client));
  return absl::StrFormat(
      "{\"name\":\"%s\",\"batch\":%d,\"indices_per_second\":%.0f,\"echo_indices_per_second\":%.0f,"
      "\"ratio\":%.4f,\"ratio_min\":%.4f,\"ratio_max\":%.4f,\"server_cpu_us_per_batch\":%.2f,"
      "\"echo_server_cpu_us_per_batch\":%.2f,\"client_cpu_us_per_batch\":%.2f,"
      "\"echo_client_cpu_us_per_batch\":%.2f,\"rounds\":%d}",
      c.name, kBatch, MedianOf(c.subset, rate) * kBatch, MedianOf(c.echo, rate) * kBatch, ratio,
      spread_low, spread_high, MedianOf(c.subset, server), MedianOf(c.echo, server),
      MedianOf(c.subset, client), MedianOf(c.echo, client), static_cast<int>(ratios.size()));
}

// A batch as the server sends it, in size and in fields.
std::string StaticBatch() {
  v1::Batch batch;
  batch.set_index_width(4);
  batch.set_indices(std::string(kBatch * sizeof(uint32_t), 'i'));
  batch.set_probability(0.001);
  batch.set_weight(1);
  batch.set_probability_kind(v1::PROBABILITY_KIND_INCLUSION_EPOCH);
  batch.set_unbiased_over(v1::UNBIASED_OVER_BATCH);
  batch.set_sampler_version(1);
  batch.mutable_score_version()->set_incarnation(1);
  return batch.SerializeAsString();
}

int Run(int argc, char** argv) {
  CLI::App app("Served indices per second against an echo server.");
  std::string json;
  int rounds = 21;
  uint64_t batches = 4000;
  app.add_option("--json", json, "Write the rows to this file");
  app.add_option("--rounds", rounds, "Interleaved rounds")->check(CLI::PositiveNumber);
  app.add_option("--batches", batches, "Batches per round and way")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);

  KeepFreedMemory();  // as subsetd does, in every process of the run
  const std::string message = StaticBatch();
  ChildServer subset_server([] { return StartSubsetServer(); });
  ChildServer echo_server([&] { return StartEchoServer(message); });
  const uint64_t run_uid = CreateUniformRun(subset_server.address());

  Client subset(&subset_server, run_uid);
  Client echo(&echo_server, run_uid);
  Comparison comparisons[] = {{"stream, 8 ahead", {}, {}},
                              {"8 ahead, 1 each", {}, {}},
                              {"stream, 1", {}, {}},
                              {"unary", {}, {}}};
  constexpr size_t kWays = std::size(comparisons);
  const auto measure = [&](Client& client, size_t way, uint64_t n) {
    switch (way) {
      case 0:  // as our clients ask; the echo server answers each request once
        return client.Stream(n, 8, &client == &subset ? 4 : 1);
      case 1:
        return client.Stream(n, 8, 1);
      case 2:
        return client.Stream(n, 1, 1);
      default:
        return client.Unary(n);
    }
  };
  for (int round = -1; round < rounds; ++round) {  // round -1 warms up
    for (size_t way = 0; way < kWays; ++way) {
      const uint64_t n = way < 2 ? batches : std::max<uint64_t>(batches / 4, 1);
      const Figures e = measure(echo, way, n);
      const Figures s = measure(subset, way, n);
      if (round < 0) continue;
      comparisons[way].echo.push_back(e);
      comparisons[way].subset.push_back(s);
    }
  }
  std::printf(
      "uniform batches of %u of %llu samples on loopback, one connection, %d rounds, medians\n\n"
      "                    M indices/s                            server CPU us/b  client CPU "
      "us/b\n"
      "                       subset        echo   ratio (min -max)    subset      echo    subset"
      "      echo\n",
      kBatch, static_cast<unsigned long long>(kSamples), rounds);
  std::vector<std::string> rows;
  for (const Comparison& c : comparisons) rows.push_back(Report(c));
  WriteRows(json, "served", rows);
  return 0;
}

}  // namespace
}  // namespace subset::bench

int main(int argc, char** argv) { return subset::bench::Run(argc, argv); }
