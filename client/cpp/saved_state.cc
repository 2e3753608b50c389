#include "subset/saved_state.h"

#include <zlib.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace subset {
namespace {

using Json = nlohmann::json;  // its objects are sorted by key

constexpr int kVersion = 2;

// Valid UTF-8 or not: nothing here throws.
std::string Text(const Json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

// As it stands in a message.
std::string Shown(const Json& value) { return Text(value).substr(0, 100); }

// Null where there is none.
Json Field(const Json& state, const char* key) {
  const auto found = state.find(key);
  return found == state.end() ? Json() : *found;
}

// What a state says it belongs to.
Json Identity(const v1::Run& run) {
  return {{"dataset", run.sampler().substr(0, run.sampler().find('/'))},
          {"sampler", run.sampler()},
          {"run", run.name()},
          {"dataset_uid", run.dataset_uid()},
          {"sampler_uid", run.sampler_uid()},
          {"run_uid", run.uid()},
          {"seed", run.seed()},
          {"global_batch_size", run.global_batch_size()}};
}

const char* Name(Delivery delivery) {
  return delivery == Delivery::kLeased ? "leased" : "assigned";
}

// Of everything but the checksum, as json.dumps(sort_keys=True) of Python writes a flat object.
uint32_t Checksum(const Json& state) {
  std::string text;
  for (const auto& [key, value] : state.items()) {
    if (key == "crc") continue;
    absl::StrAppend(&text, text.empty() ? "{" : ", ", Text(key), ": ", Text(value));
  }
  text += "}";
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

template <class... Parts>
absl::Status Refused(const Parts&... parts) {
  return InvalidField("state", absl::StrCat(parts...));
}

absl::Status CheckNumber(const Json& state, const char* key) {
  const Json value = Field(state, key);
  const uint64_t most = absl::string_view(key) == "epoch" ? std::numeric_limits<uint32_t>::max()
                                                          : std::numeric_limits<uint64_t>::max();
  if (value.is_number_unsigned() && value <= most) return absl::OkStatus();
  return Refused("is damaged: ", key, " ", Shown(value), " is outside [0, ", most, "]");
}

}  // namespace

std::string MakeState(const v1::Run& run, Place place, Delivery delivery) {
  Json state = Identity(run);
  state["version"] = kVersion;
  state["epoch"] = place.epoch;
  state["position"] = place.step * run.global_batch_size();
  if (delivery == Delivery::kLeased) state["delivery"] = Name(delivery);
  state["crc"] = Checksum(state);
  return Text(state);
}

absl::StatusOr<Place> ReadState(absl::string_view text, const v1::Run& run, Delivery delivery) {
  const Json state = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!state.is_object()) return Refused("is no JSON object");
  for (const auto& [key, value] : state.items()) {
    if (value.is_structured()) return Refused("is damaged: ", Shown(key), " is no plain value");
  }
  if (const Json version = Field(state, "version"); version != kVersion) {
    return Refused("has version ", Shown(version), ", this library reads ", kVersion);
  }
  if (const Json found = Field(state, "crc"); found != Checksum(state)) {
    return Refused("is damaged: its checksum is ", Shown(found), ", its content's ",
                   Checksum(state));
  }
  const Json identity = Identity(run);
  for (const char* key : {"dataset_uid", "sampler_uid", "run_uid", "seed", "global_batch_size",
                          "epoch", "position"}) {
    if (absl::Status valid = CheckNumber(state, key); !valid.ok()) return valid;
  }
  const Json found_delivery = state.contains("delivery") ? state["delivery"] : Json("assigned");
  if (found_delivery != Name(delivery)) {
    return Refused("is of delivery ", Shown(found_delivery), ", this is \"", Name(delivery), "\"");
  }
  for (const auto& [key, mine] : identity.items()) {
    const Json found = Field(state, key.c_str());
    // A job that had not met the server yet did not know its numbers: 0, which is equal to any.
    const bool unknown = mine.is_number() && key != "seed" && (found == 0 || mine == 0);
    if (found != mine && !unknown) {
      return Refused("has ", key, " ", Shown(found), ", this run ", Shown(mine));
    }
  }
  const uint64_t size = state["global_batch_size"], position = state["position"];
  if (position == 0) return Place{state["epoch"], 0};
  if (size == 0 || position % size != 0) {
    return Refused("is damaged: position ", position, " is no multiple of global_batch_size ",
                   size);
  }
  return Place{state["epoch"], position / size};
}

}  // namespace subset
