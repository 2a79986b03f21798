// A number in another element type, defined for every value.
//
// C++ leaves a float beyond the range of an integer type undefined. Here it goes through int64,
// whose low bits are kept (-1.0 is 255 as uint8, as in PyTorch); what int64 cannot hold, and NaN,
// is the least int64.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

namespace tilewise {

template <typename To, typename From>
To converted(From x) {
  constexpr bool to_integer = std::is_integral_v<To> && !std::is_same_v<To, bool>;
  if constexpr (std::is_floating_point_v<From> && to_integer) {
    constexpr From limit = 0x1p63F;
    const bool fits = x >= -limit && x < limit;
    return static_cast<To>(fits ? static_cast<std::int64_t>(x)
                                : std::numeric_limits<std::int64_t>::min());
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace tilewise
