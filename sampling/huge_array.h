// A fixed-size array of plain values, zero at first, on cache-line boundaries, and on huge pages
// where it is large: random reads of a big array are otherwise bound by the TLB.

#ifndef SUBSET_SAMPLING_HUGE_ARRAY_H_
#define SUBSET_SAMPLING_HUGE_ARRAY_H_

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

namespace subset::sampling {
namespace huge_array_internal {

// Returns zeroed memory, 64-byte aligned. Ends the process where there is none.
void* Allocate(size_t bytes);
void Free(void* memory, size_t bytes);
// Asks for huge pages where whole ones lie in this memory and were not touched yet.
void PreferHuge(void* memory, size_t bytes);

}  // namespace huge_array_internal

template <typename T>
class HugeArray {
  static_assert(std::is_trivial_v<T>);

 public:
  HugeArray() = default;
  explicit HugeArray(size_t size) : size_(size) {
    data_ = static_cast<T*>(huge_array_internal::Allocate(size * sizeof(T)));
  }
  HugeArray(const HugeArray& other) : HugeArray(other.size_) {
    if (size_ != 0) std::memcpy(data_, other.data_, size_ * sizeof(T));
  }
  HugeArray(HugeArray&& other) noexcept { swap(other); }
  HugeArray& operator=(HugeArray other) noexcept {
    swap(other);
    return *this;
  }
  ~HugeArray() { huge_array_internal::Free(data_, size_ * sizeof(T)); }

  void swap(HugeArray& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

// Gives an empty vector room for `size` values, on huge pages where that is much: filling fresh
// small pages takes longer than most of what is written to them.
template <typename T>
void ReserveHuge(size_t size, std::vector<T>* values) {
  values->reserve(size);
  huge_array_internal::PreferHuge(values->data(), values->capacity() * sizeof(T));
}

// Returns a vector of `size` zeros in such room.
template <typename T>
std::vector<T> HugeVector(size_t size) {
  std::vector<T> values;
  ReserveHuge(size, &values);
  values.resize(size);
  return values;
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_HUGE_ARRAY_H_
