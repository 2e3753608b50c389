// How many bytes of records the log holds, kept as records come and go.

#ifndef SUBSET_STORAGE_LOG_SIZE_H_
#define SUBSET_STORAGE_LOG_SIZE_H_

#include <cstdint>
#include <deque>

namespace subset {

// Exact to about 16 KiB where records were added; between the marks of what Reset stated,
// interpolated. Not thread-safe.
class LogSize {
 public:
  // Records first .. next-1 hold `bytes`, evenly.
  void Reset(uint64_t first, uint64_t next, uint64_t bytes);
  // Records up to next-1 were added with `bytes`.
  void Add(uint64_t next, uint64_t bytes);
  // Records below `first` were dropped.
  void Drop(uint64_t first);
  uint64_t bytes() const { return total_ - before_first_; }

 private:
  struct Mark {
    uint64_t sequence;
    uint64_t bytes_before;  // of all records below `sequence`
  };
  std::deque<Mark> marks_;  // rising; the last may be older than next_
  uint64_t next_ = 0;
  uint64_t total_ = 0;
  uint64_t before_first_ = 0;
};

}  // namespace subset

#endif  // SUBSET_STORAGE_LOG_SIZE_H_
