// The floor: a server that answers every message of every method with the same static buffer, over
// the same kind of callback stream.

#ifndef SUBSET_BENCH_SERVED_ECHO_SERVER_H_
#define SUBSET_BENCH_SERVED_ECHO_SERVER_H_

#include <memory>
#include <string>

#include "bench/served/child_server.h"

namespace subset::bench {

// Answers with `message`, which is never copied or serialized again. Thread-safe.
std::unique_ptr<ServedThing> StartEchoServer(const std::string& message);

}  // namespace subset::bench

#endif  // SUBSET_BENCH_SERVED_ECHO_SERVER_H_
