// API values as words.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_FORMAT_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_FORMAT_H_

#include <google/protobuf/timestamp.pb.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "subset/v1/training.pb.h"

namespace subset::ctl {

// "2026-11-23T19:24:20Z".
inline std::string TimeText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

// "UNBIASED_OVER_BATCH" -> "batch", with the prefix given.
inline std::string EnumWord(absl::string_view name, absl::string_view prefix) {
  if (absl::StartsWith(name, prefix)) name.remove_prefix(prefix.size());
  return absl::StrReplaceAll(absl::AsciiStrToLower(name), {{"_", " "}});
}

inline std::string VersionText(const v1::ScoreVersion& version) {
  return absl::StrCat(version.incarnation(), ".", version.records());
}

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_FORMAT_H_
