// Matchers for absl::Status and absl::StatusOr<T>.
//
//   EXPECT_THAT(store->Trim(7), IsOk());
//   EXPECT_THAT(Open(path), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path)));
//   EXPECT_THAT(Count(), IsOkAndHolds(Eq(3)));
//   ASSERT_OK_AND_ASSIGN(std::unique_ptr<Store> store, Open(path));

#ifndef SUBSET_TESTS_TESTING_STATUS_MATCHERS_H_
#define SUBSET_TESTS_TESTING_STATUS_MATCHERS_H_

#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace subset {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  *result_listener << "which is " << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P(StatusIs, code, "has the code " + absl::StatusCodeToString(code)) {
  *result_listener << "which is " << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}

// As above, and the message matches too.
MATCHER_P2(StatusIs, code, message,
           "has the code " + absl::StatusCodeToString(code) + " and a message that " +
               ::testing::DescribeMatcher<std::string>(message, negation)) {
  *result_listener << "which is " << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code &&
         ::testing::Value(std::string(StatusOf(arg).message()),
                          ::testing::SafeMatcherCast<const std::string&>(message));
}

// The reason and the field that base/error.h puts into a status.
MATCHER_P(ReasonIs, reason, std::string("names the reason ") + reason) {
  *result_listener << "which is " << StatusOf(arg).ToString();
  return ErrorReason(StatusOf(arg)).value_or("") == reason;
}
MATCHER_P(FieldIs, field, std::string("names the field ") + field) {
  *result_listener << "which is " << StatusOf(arg).ToString();
  return ErrorField(StatusOf(arg)).value_or("") == field;
}

MATCHER_P(IsOkAndHolds, value, "is OK and holds " + ::testing::PrintToString(value)) {
  if (!arg.ok()) {
    *result_listener << "which is " << arg.status().ToString();
    return false;
  }
  return ::testing::ExplainMatchResult(value, *arg, result_listener);
}

}  // namespace subset

#define ASSERT_OK(expression) ASSERT_THAT(expression, ::subset::IsOk())
#define EXPECT_OK(expression) EXPECT_THAT(expression, ::subset::IsOk())
#define ASSERT_OK_AND_ASSIGN(lhs, expression) \
  SUBSET_TEST_ASSIGN_(SUBSET_CONCAT_(subset_result_, __LINE__), lhs, expression)
#define SUBSET_TEST_ASSIGN_(result, lhs, expression)      \
  auto result = (expression);                             \
  ASSERT_TRUE(result.ok()) << result.status().ToString(); \
  lhs = *std::move(result)

#endif  // SUBSET_TESTS_TESTING_STATUS_MATCHERS_H_
