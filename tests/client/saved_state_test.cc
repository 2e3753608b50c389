#include "subset/saved_state.h"

#include <zlib.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace subset {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Lt;
using Json = nlohmann::json;

v1::Run MakeRun() {
  v1::Run run;
  run.set_name("resnet-s1");
  run.set_uid(3);
  run.set_sampler("cifar/hard");
  run.set_sampler_uid(2);
  run.set_dataset_uid(1);
  run.set_seed(~uint64_t{0});
  run.set_global_batch_size(10);
  return run;
}

// A forgery with a checksum that fits: of the text that Python's json.dumps(sort_keys=True) gives.
std::string Sealed(Json state) {
  state.erase("crc");
  const std::string text = absl::StrReplaceAll(state.dump(), {{",", ", "}, {":", ": "}});
  state["crc"] =
      crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size()));
  return state.dump();
}

void ExpectRefused(const std::string& state, const std::vector<std::string>& shown,
                   Delivery delivery = Delivery::kAssigned) {
  const auto read = ReadState(state, MakeRun(), delivery);
  EXPECT_THAT(read, AllOf(StatusIs(absl::StatusCode::kInvalidArgument), FieldIs("state"))) << state;
  for (const std::string& text : shown) {
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(text)) << state;
  }
}

void ExpectPlace(const std::string& state, const v1::Run& run, uint64_t epoch, uint64_t step,
                 Delivery delivery = Delivery::kAssigned) {
  ASSERT_OK_AND_ASSIGN(const Place place, ReadState(state, run, delivery));
  EXPECT_EQ(place.epoch, epoch);
  EXPECT_EQ(place.step, step);
}

// As subset.state.make() of the Python client gives them.
constexpr char kPython[] =
    R"({"version": 2, "dataset": "cifar", "sampler": "cifar/hard", "run": "resnet-s1",)"
    R"( "dataset_uid": 1, "sampler_uid": 2, "run_uid": 3, "seed": 18446744073709551615,)"
    R"( "global_batch_size": 10, "epoch": 4, "position": 70, "crc": 2473027025})";

constexpr char kPythonLeased[] =
    R"({"version": 2, "dataset": "cifar", "sampler": "cifar/hard", "run": "resnet-s1",)"
    R"( "dataset_uid": 1, "sampler_uid": 2, "run_uid": 3, "seed": 18446744073709551615,)"
    R"( "global_batch_size": 10, "delivery": "leased", "epoch": 5, "position": 0, "crc": 2415984453})";

TEST(SavedStateTest, TheFormatStays) {
  const std::string state = MakeState(MakeRun(), {4, 7});
  EXPECT_EQ(Json::parse(state), Json::parse(kPython));
  EXPECT_THAT(state.size(), Lt(1024u));
  ExpectPlace(kPython, MakeRun(), 4, 7);
  EXPECT_EQ(Json::parse(MakeState(MakeRun(), {5, 0}, Delivery::kLeased)),
            Json::parse(kPythonLeased));
  ExpectPlace(kPythonLeased, MakeRun(), 5, 0, Delivery::kLeased);
}

TEST(SavedStateTest, AStateGivesItsPlaceBack) {
  const uint64_t last = std::numeric_limits<uint32_t>::max();
  for (const Place place : {Place{0, 0}, Place{0, 1}, Place{3, 1'000'000}, Place{last, 9}}) {
    ExpectPlace(MakeState(MakeRun(), place), MakeRun(), place.epoch, place.step);
  }
  ExpectPlace(MakeState(MakeRun(), {5, 0}, Delivery::kLeased), MakeRun(), 5, 0, Delivery::kLeased);
}

TEST(SavedStateTest, NumbersThatWereNotKnownYetAreEqualToAny) {
  v1::Run unknown = MakeRun();
  unknown.clear_uid();
  unknown.clear_sampler_uid();
  unknown.clear_dataset_uid();
  unknown.clear_global_batch_size();
  ExpectPlace(MakeState(unknown, {2, 0}), MakeRun(), 2, 0);
  ExpectPlace(MakeState(MakeRun(), {2, 5}), unknown, 2, 5);
}

TEST(SavedStateTest, ForeignForgedAndFutureStatesAreRefusedShowingBothValues) {
  const Json state = Json::parse(MakeState(MakeRun(), {4, 7}));
  const struct {
    const char* key;
    Json value;
    std::vector<std::string> shown;
  } kCases[] = {
      {"version", 3, {"3", "2"}},
      {"version", "2", {"\"2\"", "reads 2"}},
      {"seed", 4, {"seed 4", "18446744073709551615"}},
      {"seed", 0, {"seed 0", "18446744073709551615"}},
      {"dataset", "another", {"\"another\"", "\"cifar\""}},
      {"sampler", "cifar/easy", {"\"cifar/easy\"", "\"cifar/hard\""}},
      {"run", "another", {"\"another\"", "\"resnet-s1\""}},
      {"run", 0, {}},
      {"dataset_uid", 9, {"dataset_uid 9", "this run 1"}},
      {"sampler_uid", 9, {"sampler_uid 9", "this run 2"}},
      {"run_uid", 9, {"run_uid 9", "this run 3"}},
      {"global_batch_size", 35, {"global_batch_size 35", "this run 10"}},
      {"global_batch_size", 0, {"position 70", "global_batch_size 0"}},
      {"position", 35, {"position 35", "10"}},
      {"position", -10, {"position -10"}},
      {"position", 70.0, {"position 70.0"}},
      {"epoch", uint64_t{1} << 32, {"epoch 4294967296", "4294967295"}},
      {"epoch", true, {"epoch true"}},
      {"delivery", "leased", {"leased", "assigned"}},
      {"delivery", 1, {"delivery 1"}},
  };
  for (const auto& [key, value, shown] : kCases) {
    Json changed = state;
    changed[key] = value;
    if (key != absl::string_view("version")) ExpectRefused(changed.dump(), {"checksum"});
    ExpectRefused(Sealed(changed), shown);
  }
  ExpectRefused(MakeState(MakeRun(), {4, 0}), {"assigned", "leased"}, Delivery::kLeased);
}

TEST(SavedStateTest, TruncatedAndDamagedStatesAreRefused) {
  const std::string state = MakeState(MakeRun(), {4, 7});
  for (size_t size = 0; size < state.size(); ++size) ExpectRefused(state.substr(0, size), {});
  for (size_t bit = 0; bit < 8 * state.size(); ++bit) {
    std::string flipped = state;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    ExpectRefused(flipped, {});
  }
  const Json whole = Json::parse(state);
  for (const auto& [key, value] : whole.items()) {
    Json cut = whole;
    cut.erase(key);
    ExpectRefused(cut.dump(), {});
    if (key != "crc") ExpectRefused(Sealed(cut), {});
  }
  for (const char* nothing : {"", "{}", "[]", "null", "7", "\"state\"", "{\"version\": 2}"}) {
    ExpectRefused(nothing, {});
  }
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  ExpectRefused(deep, {"no JSON object"});
  ExpectRefused(absl::StrCat("{\"version\": 2, \"run\": ", deep, "}"),
                {"\"run\" is no plain value"});
}

}  // namespace
}  // namespace subset
