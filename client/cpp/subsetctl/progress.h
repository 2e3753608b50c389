// One line on a terminal that says how far an import is.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_PROGRESS_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_PROGRESS_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "client/cpp/subsetctl/console.h"

namespace subset::ctl {

// 61440 -> "60.0 KiB".
inline std::string Bytes(uint64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  return unit == 0 ? absl::StrFormat("%d B", bytes)
                   : absl::StrFormat("%.1f %s", value, units[unit]);
}

// Writes nothing unless console.show_progress. Not thread-safe.
class Progress {
 public:
  Progress(Console& console, std::string what)
      : console_(console), what_(std::move(what)), start_(Clock::Real()->Monotonic()) {}
  ~Progress() {
    if (shown_) console_.err << "\r\033[K";
  }

  void Show(uint64_t done, uint64_t total) {
    if (!console_.show_progress) return;
    const absl::Duration now = Clock::Real()->Monotonic();
    if (shown_ && done < total && now - last_ < absl::Milliseconds(100)) return;
    const double seconds = absl::ToDoubleSeconds(now - start_);
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    const double left = rate > 0 ? static_cast<double>(total - done) / rate : 0;
    console_.err << absl::StrFormat("\r\033[K%s  %s of %s  %.0f %%  %s/s  %.0f s left", what_,
                                    Bytes(done), Bytes(total), 100.0 * done / total,
                                    Bytes(static_cast<uint64_t>(rate)), left)
                 << std::flush;
    last_ = now;
    shown_ = true;
  }

 private:
  Console& console_;
  const std::string what_;
  const absl::Duration start_;
  absl::Duration last_;
  bool shown_ = false;
};

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_PROGRESS_H_
