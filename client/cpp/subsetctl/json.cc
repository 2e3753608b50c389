#include "client/cpp/subsetctl/json.h"

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace subset::ctl {

std::string MessageJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  // It fails only for timestamps out of range and the like, which the server does not send.
  if (!status.ok()) return JsonObject().Add("error", JsonString(status.ToString())).Text();
  return json;
}

std::string JsonString(absl::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&json, "\\u%04x", static_cast<unsigned>(c));
    } else {
      json += c;
    }
  }
  return json + "\"";
}

std::string JsonArray(const std::vector<std::string>& elements) {
  return absl::StrCat("[", absl::StrJoin(elements, ", "), "]");
}

JsonObject& JsonObject::Add(absl::string_view name, std::string json) {
  members_.emplace_back(name, std::move(json));
  return *this;
}

std::string JsonObject::Text() const {
  std::string text = "{";
  for (size_t i = 0; i < members_.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "\n " : ",\n ", JsonString(members_[i].first), ": ",
                    members_[i].second);
  }
  return text + "\n}\n";
}

std::string JsonObject::Line() const {
  std::string text = "{";
  for (size_t i = 0; i < members_.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", JsonString(members_[i].first), ": ",
                    members_[i].second);
  }
  return text + "}";
}

}  // namespace subset::ctl
