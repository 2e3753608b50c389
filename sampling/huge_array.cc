#include "sampling/huge_array.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

#include "base/log.h"

namespace subset::sampling::huge_array_internal {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kLine = 64;

bool IsHuge(size_t bytes) { return bytes >= kHugePage; }

size_t RoundUp(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

void* Allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  if (!IsHuge(bytes)) {
    const size_t size = RoundUp(bytes, kLine);
    void* memory = std::aligned_alloc(kLine, size);
    SUBSET_CHECK(memory != nullptr);
    std::memset(memory, 0, size);
    return memory;
  }
  // Map one huge page more than needed and give back what lies outside the aligned range.
  const size_t size = RoundUp(bytes, kLine * 64);
  void* mapped =
      ::mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  SUBSET_CHECK(mapped != MAP_FAILED);
  const auto start = reinterpret_cast<uintptr_t>(mapped);
  const uintptr_t aligned = RoundUp(start, kHugePage);
  if (aligned > start) ::munmap(mapped, aligned - start);
  const size_t tail = start + kHugePage - aligned;
  if (tail > 0) ::munmap(reinterpret_cast<void*>(aligned + size), tail);
  void* memory = reinterpret_cast<void*>(aligned);
  ::madvise(memory, size, MADV_HUGEPAGE);  // a hint: small pages only cost speed
  return memory;
}

void PreferHuge(void* memory, size_t bytes) {
  const auto start = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t first = RoundUp(start, kHugePage);
  const uintptr_t last = (start + bytes) / kHugePage * kHugePage;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

void Free(void* memory, size_t bytes) {
  if (memory == nullptr) return;
  if (IsHuge(bytes)) {
    ::munmap(memory, RoundUp(bytes, kLine * 64));
  } else {
    std::free(memory);
  }
}

}  // namespace subset::sampling::huge_array_internal
