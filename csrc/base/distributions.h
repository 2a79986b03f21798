// From random words to random numbers. Double arithmetic without library functions: the same bits
// on every machine, C library and instruction set.
#pragma once

#include <cstdint>

#include "base/double_bits.h"
#include "base/index.h"
#include "base/random.h"

namespace tilewise {

inline std::uint64_t join(std::uint32_t low, std::uint32_t high) {
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

// Uniform in [0, 1): 24 or 53 random bits.
TW_ALWAYS_INLINE double uniform24(std::uint32_t word) {
  return static_cast<double>(word >> 8) * 0x1p-24;
}
inline double uniform53(std::uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }

// An integer in [0, range), range >= 1: the high part of range times a 128-bit random fraction. No
// value is likelier than another by more than one part in 2^64.
inline std::uint64_t bounded(const Philox4& r, std::uint64_t range) {
  __extension__ typedef unsigned __int128 Wide;
  const Wide low = static_cast<Wide>(join(r.v[0], r.v[1])) * range;
  const Wide high = static_cast<Wide>(join(r.v[2], r.v[3])) * range;
  return static_cast<std::uint64_t>((high + (low >> 64)) >> 64);
}

namespace detail {

// log(x) for normal x > 0 by log(m) = 2 atanh(s) with s = (m - 1) / (m + 1).
TW_ALWAYS_INLINE double log_series(double x) {
  const PowerAndFraction parts = split_double(x);
  const double m = parts.m;
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double sum = 1.0 / 21.0;
  sum = sum * z + 1.0 / 19.0;
  sum = sum * z + 1.0 / 17.0;
  sum = sum * z + 1.0 / 15.0;
  sum = sum * z + 1.0 / 13.0;
  sum = sum * z + 1.0 / 11.0;
  sum = sum * z + 1.0 / 9.0;
  sum = sum * z + 1.0 / 7.0;
  sum = sum * z + 1.0 / 5.0;
  sum = sum * z + 1.0 / 3.0;
  sum = sum * z + 1.0;
  return 2.0 * s * sum + parts.k * 0.69314718055994531;
}

// cos and sin of 2 pi u for u in [0, 1): Taylor series of what is left beyond the nearest quarter.
TW_ALWAYS_INLINE void circle(double u, double& cosine, double& sine) {
  constexpr double shift = 0x1p52;
  const double turns = u * 4.0;
  const double shifted = turns + shift;  // its lowest bits are the nearest quarter
  const std::uint64_t quadrant = bits_of_double(shifted);
  const double x = (turns - (shifted - shift)) * 1.5707963267948966;  // within [-pi/4, pi/4]
  const double z = -x * x;
  double c = 1.0 / 20922789888000.0;
  c = c * z + 1.0 / 87178291200.0;
  c = c * z + 1.0 / 479001600.0;
  c = c * z + 1.0 / 3628800.0;
  c = c * z + 1.0 / 40320.0;
  c = c * z + 1.0 / 720.0;
  c = c * z + 1.0 / 24.0;
  c = c * z + 1.0 / 2.0;
  c = c * z + 1.0;
  double s = 1.0 / 355687428096000.0;
  s = s * z + 1.0 / 1307674368000.0;
  s = s * z + 1.0 / 6227020800.0;
  s = s * z + 1.0 / 39916800.0;
  s = s * z + 1.0 / 362880.0;
  s = s * z + 1.0 / 5040.0;
  s = s * z + 1.0 / 120.0;
  s = s * z + 1.0 / 6.0;
  s = (s * z + 1.0) * x;
  const bool odd = (quadrant & 1) != 0;
  const std::uint64_t sign = (quadrant & 2) << 62;
  cosine = double_of_bits(bits_of_double(odd ? -s : c) ^ sign);
  sine = double_of_bits(bits_of_double(odd ? c : s) ^ sign);
}

}  // namespace detail

// Two independent standard normal numbers from u1 in (0, 1] and u2 in [0, 1): G. E. P. Box,
// M. E. Muller, "A note on the generation of random normal deviates" (1958).
TW_ALWAYS_INLINE void box_muller(double u1, double u2, double& a, double& b) {
  const double radius = __builtin_sqrt(-2.0 * detail::log_series(u1));
  detail::circle(u2, a, b);
  a *= radius;
  b *= radius;
}

// The same from two words, for float32.
TW_ALWAYS_INLINE void box_muller(std::uint32_t r1, std::uint32_t r2, double& a, double& b) {
  box_muller((exactly(r1) + 1.0) * 0x1p-32, exactly(r2) * 0x1p-32, a, b);
}

}  // namespace tilewise
