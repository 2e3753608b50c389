#include "tests/client/fake_method.h"

#include "absl/strings/str_cat.h"
#include "tests/client/detailed_error.h"

namespace subset {

grpc::Status NotFoundError(const std::string& kind, const std::string& name) {
  return DetailedError(grpc::StatusCode::NOT_FOUND,
                       absl::StrCat(kind, " \"", name, "\" does not exist"), "", "NOT_FOUND");
}

google::protobuf::Timestamp FixedTime() {
  google::protobuf::Timestamp time;
  time.set_seconds(1'700'000'000);  // 2023-11-14T22:13:20Z
  return time;
}

}  // namespace subset
