// Early return on error. A newer Abseil has its own; the SUBSET_ prefix keeps ours apart.

#ifndef SUBSET_BASE_STATUS_MACROS_H_
#define SUBSET_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define SUBSET_RETURN_IF_ERROR(expr)              \
  do {                                            \
    absl::Status subset_status_ = (expr);         \
    if (!subset_status_.ok()) return subset_status_; \
  } while (false)

#define SUBSET_ASSIGN_OR_RETURN(lhs, expr) \
  SUBSET_ASSIGN_OR_RETURN_(SUBSET_CONCAT_(subset_statusor_, __LINE__), lhs, expr)
#define SUBSET_ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                             \
  if (!tmp.ok()) return std::move(tmp).status(); \
  lhs = *std::move(tmp)
#define SUBSET_CONCAT_(a, b) SUBSET_CONCAT2_(a, b)
#define SUBSET_CONCAT2_(a, b) a##b

#endif  // SUBSET_BASE_STATUS_MACROS_H_
