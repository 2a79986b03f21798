// Doubles and their bits, for code that branches nowhere and calls no library.
#pragma once

#include <cstdint>

// In functions that are inlined always: kernel files make vector code of loops over them.
#define TW_ALWAYS_INLINE inline __attribute__((always_inline))

namespace tilewise {

TW_ALWAYS_INLINE std::uint64_t bits_of_double(double x) {
  return __builtin_bit_cast(std::uint64_t, x);
}
TW_ALWAYS_INLINE double double_of_bits(std::uint64_t bits) {
  return __builtin_bit_cast(double, bits);
}

// n < 2^52, without an instruction for integers.
TW_ALWAYS_INLINE double exactly(std::uint64_t n) {
  return double_of_bits(n | 0x4330000000000000U) - 0x1p52;
}

// x = 2^k m with m within a factor sqrt(2) of 1, for normal x > 0.
struct PowerAndFraction {
  double k;
  double m;
};
TW_ALWAYS_INLINE PowerAndFraction split_double(double x) {
  const std::uint64_t bits = bits_of_double(x);
  const double k = exactly(bits >> 52) - 1023.0;
  const double m = double_of_bits((bits & 0xFFFFFFFFFFFFFU) | 0x3FF0000000000000U);
  const bool large = m > 1.4142135623730951;
  return {large ? k + 1.0 : k, large ? m * 0.5 : m};
}

}  // namespace tilewise
