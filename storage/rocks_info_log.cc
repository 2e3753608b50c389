#include "storage/rocks_info_log.h"

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace subset {
namespace {

constexpr int kMessagesPerMinute = 20;

class InfoLog final : public rocksdb::Logger {
 public:
  explicit InfoLog(RocksLogSink sink)
      : rocksdb::Logger(rocksdb::WARN_LEVEL), sink_(std::move(sink)) {}

  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    Logv(rocksdb::INFO_LEVEL, format, arguments);
  }
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    // HEADER_LEVEL stands above FATAL_LEVEL, but says nothing an operator needs.
    if (level < rocksdb::WARN_LEVEL || level > rocksdb::FATAL_LEVEL) return;
    char text[512];
    std::vsnprintf(text, sizeof(text), format, arguments);
    const absl::string_view line = absl::StripSuffix(text, "\n");

    MutexLock lock(&mu_);
    const absl::Duration now = Clock::Real()->Monotonic();
    if (!started_ || now - minute_ >= absl::Minutes(1)) {
      started_ = true;
      minute_ = now;
      passed_ = 0;
    }
    if (passed_ == kMessagesPerMinute) {
      ++left_out_;
      return;
    }
    ++passed_;
    const LogLevel to = level == rocksdb::WARN_LEVEL ? LogLevel::kWarning : LogLevel::kError;
    if (left_out_ > 0) {
      sink_(to, absl::StrCat(line, " (", left_out_, " messages before it were left out)"));
      left_out_ = 0;
    } else {
      sink_(to, line);
    }
  }

 private:
  Mutex mu_;
  RocksLogSink sink_ ABSL_GUARDED_BY(mu_);
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  absl::Duration minute_ ABSL_GUARDED_BY(mu_);  // when the current one began
  int passed_ ABSL_GUARDED_BY(mu_) = 0;         // in it
  uint64_t left_out_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace

std::shared_ptr<rocksdb::Logger> NewRocksInfoLog(RocksLogSink sink) {
  if (sink == nullptr) {
    sink = [](LogLevel level, absl::string_view message) {
      Log(level, "rocksdb", {{"message", std::string(message)}});
    };
  }
  return std::make_shared<InfoLog>(std::move(sink));
}

}  // namespace subset
