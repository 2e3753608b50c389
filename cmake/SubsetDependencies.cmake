# Everything we link, from the distribution's packages. Protobuf has only module mode in Debian 12
# and must be found before gRPC.

find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(RocksDB CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)

# xxHash ships a pkg-config file only; its header-only mode needs nothing linked.
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)

if(SUBSET_BUILD_TESTS)
  find_package(GTest CONFIG REQUIRED)
endif()
if(SUBSET_BUILD_BENCH)
  find_package(benchmark CONFIG REQUIRED)
endif()
