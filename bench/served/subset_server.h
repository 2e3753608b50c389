// The real server, engine and store, over a temporary directory.

#ifndef SUBSET_BENCH_SERVED_SUBSET_SERVER_H_
#define SUBSET_BENCH_SERVED_SUBSET_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "bench/served/child_server.h"

namespace subset::bench {

inline constexpr uint64_t kSamples = 10'000'000;

std::unique_ptr<ServedThing> StartSubsetServer();

// Makes a dataset of kSamples samples, a uniform sampler and a run over the server at `address`;
// returns the run's uid. Ends the process with a message if that fails.
uint64_t CreateUniformRun(const std::string& address);

// Another run of that sampler.
uint64_t CreateRun(const std::string& address, const std::string& name, uint32_t global_batch_size);

}  // namespace subset::bench

#endif  // SUBSET_BENCH_SERVED_SUBSET_SERVER_H_
