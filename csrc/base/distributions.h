// From random words to random numbers. Double arithmetic without library functions: the same bits
// on every machine, C library and instruction set.
#pragma once

#include <cstring>

#include "base/index.h"
#include "base/random.h"

namespace tilewise {

inline std::uint64_t join(std::uint32_t low, std::uint32_t high) {
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

// Uniform in [0, 1): 24 or 53 random bits.
inline double uniform24(std::uint32_t word) { return static_cast<double>(word >> 8) * 0x1p-24; }
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

// log(x) for normal x > 0: x = 2^k m, log(m) = 2 atanh(s) with s = (m - 1) / (m + 1).
inline double log_series(double x) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof(x));
  std::uint64_t exponent = bits >> 52;
  std::uint64_t mantissa = (bits & 0xFFFFFFFFFFFFFU) | 0x3FF0000000000000U;
  double m = 0;
  std::memcpy(&m, &mantissa, sizeof(m));
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double sum = 1.0 / 21.0;
  for (int n = 19; n >= 1; n -= 2) sum = sum * z + 1.0 / n;
  const double k = static_cast<double>(static_cast<std::int64_t>(exponent) - 1023);
  return 2.0 * s * sum + k * 0.69314718055994531;
}

// cos and sin of 2 pi u for u in [0, 1).
inline void circle(double u, double& cosine, double& sine) {
  const double turns = u * 4.0;
  const int quadrant = static_cast<int>(turns + 0.5);
  const double x = (turns - quadrant) * 1.5707963267948966;  // within [-pi/4, pi/4]
  const double z = x * x;
  double c = 1.0;
  double s = 1.0;
  for (int n = 16; n >= 2; n -= 2) {  // Taylor series from the last term
    c = 1.0 - c * z / (n * (n - 1));
    s = 1.0 - s * z / (n * (n + 1));
  }
  s *= x;
  const bool odd = (quadrant & 1) != 0;
  cosine = odd ? -s : c;
  sine = odd ? c : s;
  if ((quadrant & 2) != 0) {
    cosine = -cosine;
    sine = -sine;
  }
}

}  // namespace detail

// Two independent standard normal numbers from u1 in (0, 1] and u2 in [0, 1): G. E. P. Box,
// M. E. Muller, "A note on the generation of random normal deviates" (1958).
inline void box_muller(double u1, double u2, double& a, double& b) {
  const double radius = __builtin_sqrt(-2.0 * detail::log_series(u1));
  detail::circle(u2, a, b);
  a *= radius;
  b *= radius;
}

}  // namespace tilewise
