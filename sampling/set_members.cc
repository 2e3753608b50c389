#include "sampling/set_members.h"

#include <cstddef>

#include "absl/types/span.h"
#include "sampling/parts.h"
#include "sampling/set_members_simd.h"
#include "sampling/simd.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kWord = 64;

// Calls f(part, the words of a part of the samples).
template <typename F>
void ForEachPartOfWords(const Executor* executor, const std::vector<uint64_t>& words, F f) {
  ForEachPart(executor, kWord * words.size(), [&](size_t part, uint64_t first, uint64_t last) {
    f(part, first / kWord, last / kWord);
  });
}

}  // namespace

SetMembers::SetMembers(const SampleSet& set, const Executor* executor)
    : set_(set), executor_(executor), before_(NumParts(kWord * set.words().size())) {
  ForEachPartOfWords(executor_, set_.words(), [&](size_t part, size_t first, size_t last) {
    before_[part] = set_.Count(first, last);
  });
  for (uint64_t& part : before_) {
    const uint64_t count = part;
    part = size_;
    size_ += count;
  }
}

void SetMembers::Write(uint32_t* out) const {
  ForEachPartOfWords(executor_, set_.words(), [&](size_t part, size_t first, size_t last) {
    uint32_t* to = out + before_[part];
#if defined(__x86_64__)
    if (ActiveSimdLevel() == SimdLevel::kAvx512) {
      const uint64_t end = part + 1 < before_.size() ? before_[part + 1] : size_;
      const auto words = absl::MakeConstSpan(set_.words()).subspan(first, last - first);
      return set_members_internal::WriteAvx512(words, static_cast<uint32_t>(kWord * first),
                                               absl::MakeSpan(to, end - before_[part]));
    }
#endif
    ForEachMember(set_, first, last, [&to](uint64_t i) { *to++ = static_cast<uint32_t>(i); });
  });
}

}  // namespace subset::sampling
