// Functions of doubles without branches, for loops that the compiler vectorises: what float32
// results need that are rounded once. Relative errors below 3e-10. Include after
// kernels/simd/simd.h.
#pragma once

#include "base/double_bits.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr double infinity = __builtin_inf();
constexpr double not_a_number = __builtin_nan("");

TW_INLINE double absolute(double x) { return __builtin_fabs(x); }
TW_INLINE double copy_sign(double x, double sign) { return __builtin_copysign(x, sign); }
TW_INLINE double floor(double x) { return __builtin_floor(x); }
TW_INLINE double truncate(double x) { return __builtin_trunc(x); }
TW_INLINE bool negative(double x) { return __builtin_copysign(1.0, x) < 0; }

// log2(x) for normal x > 0: log(m) = 2 atanh(s), s = (m - 1) / (m + 1). The terms of this series
// and of the next are added in pairs, so that few of them wait for another.
TW_INLINE double log2(double x) {
  const PowerAndFraction parts = split_double(x);
  const double s = (parts.m - 1.0) / (parts.m + 1.0);
  const double z = s * s;
  const double z2 = z * z;
  const double low = z * (1.0 / 3.0) + 1.0;
  const double middle = z * (1.0 / 7.0) + 1.0 / 5.0;
  const double high = z * (1.0 / 11.0) + 1.0 / 9.0;
  const double sum = (high * z2 + middle) * z2 + low;
  return 2.8853900817779268 * s * sum + parts.k;  // 2 / log(2)
}

// 2^x for |x| < 1000: x = n + f, |f| <= 1/2, a Taylor polynomial of degree 8 for 2^f.
TW_INLINE double exp2(double x) {
  constexpr double shift = 0x1.8p52;
  const double shifted = x + shift;  // its lowest bits are n
  const double f = (x - (shifted - shift)) * 0.69314718055994531;
  const double f2 = f * f;
  const double f4 = f2 * f2;
  const double p01 = f + 1.0;
  const double p23 = f * (1.0 / 6.0) + 0.5;
  const double p45 = f * (1.0 / 120.0) + 1.0 / 24.0;
  const double p67 = f * (1.0 / 5040.0) + 1.0 / 720.0;
  const double high = f4 * (1.0 / 40320.0) + (p67 * f2 + p45);
  const double sum = high * f4 + (p23 * f2 + p01);
  return sum * double_of_bits((bits_of_double(shifted) + 1023U) << 52);
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
