#include "storage/log_size.h"

namespace subset {
namespace {
constexpr uint64_t kMarkDistance = 16 << 10;
}  // namespace

void LogSize::Reset(uint64_t first, uint64_t next, uint64_t bytes) {
  marks_.assign({{first, 0}, {next, bytes}});
  next_ = next;
  total_ = bytes;
  before_first_ = 0;
}

void LogSize::Add(uint64_t next, uint64_t bytes) {
  next_ = next;
  total_ += bytes;
  if (total_ - marks_.back().bytes_before >= kMarkDistance) marks_.push_back({next, total_});
}

void LogSize::Drop(uint64_t first) {
  while (marks_.size() > 1 && marks_[1].sequence <= first) marks_.pop_front();
  const Mark from = marks_.front();
  const Mark to = marks_.size() > 1 ? marks_[1] : Mark{next_, total_};
  if (first >= to.sequence || to.sequence == from.sequence) {
    before_first_ = first >= next_ ? total_ : from.bytes_before;
    return;
  }
  before_first_ = from.bytes_before +
                  static_cast<uint64_t>(static_cast<double>(to.bytes_before - from.bytes_before) *
                                        static_cast<double>(first - from.sequence) /
                                        static_cast<double>(to.sequence - from.sequence));
}

}  // namespace subset
