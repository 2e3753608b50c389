// Numbers as unsigned integers of the same order.

#ifndef SUBSET_SAMPLING_ORDERED_KEY_H_
#define SUBSET_SAMPLING_ORDERED_KEY_H_

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace subset::sampling {

// Of 8 bytes for types of 8 bytes, else of 4. -0 has the key of 0, and NaN the greatest of all,
// which no other number of a floating type has.
template <typename T>
auto OrderedKey(T x) {
  using Key = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  constexpr Key kSign = Key{1} << (8 * sizeof(Key) - 1);
  if constexpr (std::is_floating_point_v<T>) {
    x += 0;  // -0 becomes 0
    Key bits;
    std::memcpy(&bits, &x, sizeof(bits));
    const Key key = (bits & kSign) != 0 ? ~bits : bits | kSign;
    return x != x ? std::numeric_limits<Key>::max() : key;
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<Key>(static_cast<Key>(x) ^ kSign);
  } else {
    return static_cast<Key>(x);
  }
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_ORDERED_KEY_H_
