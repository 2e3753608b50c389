// JSON for programs: API messages through protobuf, and plain objects for what is no message.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_JSON_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_JSON_H_

#include <google/protobuf/message.h>

#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace subset::ctl {

// Returns the message in proto3's JSON form, with the proto's field names and fields at their
// default too (64-bit integers are strings in that form), ending in a newline.
std::string MessageJson(const google::protobuf::Message& message);

std::string JsonString(absl::string_view text);
inline std::string JsonBool(bool value) { return value ? "true" : "false"; }

// The shortest form that reads back as the same value; null for NaN and infinities.
template <class T>
std::string JsonNumber(T value) {
  if (value != value || value - value != T{}) return "null";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, end.ptr);
}

// Elements of numbers, on one line.
template <class Values>
std::string JsonNumbers(const Values& values) {
  std::string text = "[";
  for (const auto& value : values) {
    if (text.size() > 1) text += ", ";
    text += JsonNumber(value);
  }
  return text + "]";
}

std::string JsonArray(const std::vector<std::string>& elements);

// Members in the order in which they are added. Not thread-safe.
class JsonObject {
 public:
  // `json` is valid JSON.
  JsonObject& Add(absl::string_view name, std::string json);
  std::string Text() const;  // on several lines, ending in a newline
  std::string Line() const;  // on one line

 private:
  std::vector<std::pair<std::string, std::string>> members_;
};

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_JSON_H_
