#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace subset {
namespace {

constexpr size_t kMaxValue = 512;

// Relaxed: set once before threads start.
std::atomic<LogLevel> min_log_level{LogLevel::kInfo};
std::atomic<LogFormat> log_format{LogFormat::kConsole};

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "unknown";
}

std::string JsonQuote(absl::string_view text) {
  std::string out = "\"";
  for (char c : text.substr(0, kMaxValue)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&out, "\\u%04x", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// One write(2) per line, so that lines of several threads never mix.
void WriteLine(std::string line) {
  line += '\n';
  size_t done = 0;
  while (done < line.size()) {
    const ssize_t n = write(STDERR_FILENO, line.data() + done, line.size() - done);
    if (n <= 0) return;
    done += static_cast<size_t>(n);
  }
}

}  // namespace

void ConfigureLog(LogLevel min_level, LogFormat format) {
  min_log_level.store(min_level, std::memory_order_relaxed);
  log_format.store(format, std::memory_order_relaxed);
}

void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields) {
  if (level < min_log_level.load(std::memory_order_relaxed)) return;
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone());
  std::string line;
  if (log_format.load(std::memory_order_relaxed) == LogFormat::kJson) {
    line = absl::StrCat("{\"time\":\"", time, "\",\"level\":\"", LevelName(level),
                        "\",\"message\":", JsonQuote(message));
    for (const auto& [key, value] : fields) {
      absl::StrAppend(&line, ",", JsonQuote(key), ":", JsonQuote(value));
    }
    line += '}';
  } else {
    line = absl::StrCat(time, " ", LevelName(level), " ", message);
    for (const auto& [key, value] : fields) absl::StrAppend(&line, " ", key, "=", JsonQuote(value));
  }
  WriteLine(std::move(line));
}

void CheckFailed(const char* condition, const char* file, int line) {
  Log(LogLevel::kError, "invariant broken",
      {{"condition", condition}, {"file", file}, {"line", absl::StrCat(line)}});
  std::abort();
}

}  // namespace subset
