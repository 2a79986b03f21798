// Functions of doubles without branches, for loops that the compiler vectorises: what float32
// results need that are rounded once. Relative errors below 1e-11. Include after
// kernels/simd/simd.h.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr double infinity = __builtin_inf();
constexpr double not_a_number = __builtin_nan("");

TW_INLINE std::uint64_t bits_of(double x) { return __builtin_bit_cast(std::uint64_t, x); }
TW_INLINE double from_bits(std::uint64_t bits) { return __builtin_bit_cast(double, bits); }

TW_INLINE double absolute(double x) { return __builtin_fabs(x); }
TW_INLINE double copy_sign(double x, double sign) { return __builtin_copysign(x, sign); }
TW_INLINE double floor(double x) { return __builtin_floor(x); }
TW_INLINE double truncate(double x) { return __builtin_trunc(x); }
TW_INLINE bool negative(double x) { return __builtin_copysign(1.0, x) < 0; }

// log2(x) for normal x > 0: x = 2^k m with m within a factor sqrt(2) of 1,
// log(m) = 2 atanh(s), s = (m - 1) / (m + 1).
TW_INLINE double log2(double x) {
  const std::uint64_t bits = bits_of(x);
  // 2^52 + the exponent: its conversion to double without an instruction for integers.
  double k = from_bits((bits >> 52) | 0x4330000000000000U) - 0x1p52 - 1023.0;
  double m = from_bits((bits & 0xFFFFFFFFFFFFFU) | 0x3FF0000000000000U);
  const bool large = m > 1.4142135623730951;
  m = large ? 0.5 * m : m;
  k = large ? k + 1.0 : k;
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double sum = 1.0 / 15.0;
  sum = sum * z + 1.0 / 13.0;
  sum = sum * z + 1.0 / 11.0;
  sum = sum * z + 1.0 / 9.0;
  sum = sum * z + 1.0 / 7.0;
  sum = sum * z + 1.0 / 5.0;
  sum = sum * z + 1.0 / 3.0;
  sum = sum * z + 1.0;
  return 2.8853900817779268 * s * sum + k;  // 2 / log(2)
}

// 2^x for |x| < 1000: x = n + f, |f| <= 1/2, a Taylor polynomial of degree 10 for 2^f.
TW_INLINE double exp2(double x) {
  constexpr double shift = 0x1.8p52;
  const double shifted = x + shift;  // its lowest bits are n
  const double f = (x - (shifted - shift)) * 0.69314718055994531;
  double sum = 1.0 / 3628800.0;
  sum = sum * f + 1.0 / 362880.0;
  sum = sum * f + 1.0 / 40320.0;
  sum = sum * f + 1.0 / 5040.0;
  sum = sum * f + 1.0 / 720.0;
  sum = sum * f + 1.0 / 120.0;
  sum = sum * f + 1.0 / 24.0;
  sum = sum * f + 1.0 / 6.0;
  sum = sum * f + 0.5;
  sum = sum * f + 1.0;
  sum = sum * f + 1.0;
  return sum * from_bits((bits_of(shifted) + 1023U) << 52);
}

// atan(t) for t in [0, 1]: about 1 above tan(pi / 8), a Taylor polynomial in what is left.
TW_INLINE double atan_of_fraction(double t) {
  const bool large = t > 0.41421356237309503;
  const double u = large ? (t - 1.0) / (t + 1.0) : t;
  const double z = u * u;
  double sum = 0.0;
  for (int n = 25; n >= 1; n -= 2) sum = 1.0 / n - z * sum;
  return (large ? 0.78539816339744831 : 0.0) + u * sum;
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
