// One line per event on stderr, JSON or console. For starts, stops, recoveries and refused states;
// never per request, never sample ids or losses.
//
//   Log(LogLevel::kInfo, "recovered", {{"records", absl::StrCat(n)}, {"seconds", ...}});

#ifndef SUBSET_BASE_LOG_H_
#define SUBSET_BASE_LOG_H_

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace subset {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kJson, kConsole };

using LogField = std::pair<absl::string_view, std::string>;

// Sets what Log writes. Call before threads start.
void ConfigureLog(LogLevel min_level, LogFormat format);

// Writes one line. Thread-safe; a line is never torn. Values longer than 512 bytes are cut.
void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace subset

// For our own invariants, never for input: writes the expression and ends the process.
#define SUBSET_CHECK(condition) \
  (static_cast<bool>(condition) ? (void)0 : ::subset::CheckFailed(#condition, __FILE__, __LINE__))

namespace subset {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}  // namespace subset

#endif  // SUBSET_BASE_LOG_H_
