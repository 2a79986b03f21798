// Elementary functions on registers of floats. Include after kernels/simd/simd.h.
//
// Each reduces its argument to a short interval, evaluates a polynomial there and puts the exponent
// or sign back. Largest error in units in the last place, measured on every instruction set over
// all exponents by tests/test_unary.py, which reads this table:
//
//   exp 1.1 · exp2 1.2 · expm1 1.7 · log 0.9 · log2 1.7 · log10 2.0 · log1p 0.9 · rsqrt 1.6
//   sin 1.7 · cos 1.7 · tan 3.8 (up to |x| = 8192; rounded doubles beyond) · tanh 2.5
//   sigmoid 2.5
//
// Denormal numbers count as zero, as everywhere in the float32 kernels: exp gives 0 where the
// result would be below 2^-126. NaN goes in and comes out; infinities give the limits.
//
// Coefficients: sin, cos, exp2 from Cephes (S. L. Moshier, single precision); log and log1p from
// FreeBSD msun (e_logf.c); exp: minimax fits in double.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

// Adding 1.5 * 2^23 to |x| < 2^22 rounds it to an integer, which the low bits of the sum then hold.
constexpr float round_magic = 12582912.0F;

// One step of Horner's rule.
TW_INLINE VecF poly_step(VecF p, VecF x, float c) { return fmadd(p, x, set1(c)); }

// |magnitude| with the sign of x.
TW_INLINE VecF with_sign(VecF magnitude, VecF x) {
  const VecI sign = bit_cast_i(set1(-0.0F));
  return bit_cast_f(bit_cast_i(abs(magnitude)) | (bit_cast_i(x) & sign));
}
TW_INLINE VecF trunc(VecF x) { return with_sign(floor(abs(x)), x); }

// n = round(x / ln 2) and exp(r) - 1 for r = x - n ln 2, |r| <= ln(2) / 2.
struct ExpParts {
  VecF shifted;  // n in the low bits
  VecF n;
  VecF expm1;
};
TW_INLINE ExpParts split_exp(VecF x) {
  const VecF magic = set1(round_magic);
  const VecF shifted = fmadd(x, set1(1.44269504088896341F), magic);
  const VecF n = shifted - magic;
  VecF r = fnmadd(n, set1(0.693359375F), x);  // n * 0.693359375 is exact
  r = fnmadd(n, set1(-2.12194440e-4F), r);
  // In pairs: Horner's chain of dependent steps would take longer than the steps themselves.
  const VecF r2 = r * r;
  const VecF middle = poly_step(set1(8.369248360e-3F), r, 4.166828096e-2F);
  const VecF low = poly_step(set1(1.666651666e-1F), r, 4.999999404e-1F);
  const VecF p = fmadd(fmadd(set1(1.382074552e-3F), r2, middle), r2, low);
  return {shifted, n, fmadd(p, r2, r)};
}

// p 2^n, n in the low bits of `shifted`, straight into the exponent field: 2^128 alone would not be
// representable, but p 2^128 is where p < 1.
TW_INLINE VecF times_power(VecF p, VecF shifted) {
  return bit_cast_f(bit_cast_i(p) + shift_left<23>(bit_cast_i(shifted)));
}

// exp(x) = 2^n exp(r). An instruction that scales by 2^n knows the limits of the exponent; without
// it they are compared with.
TW_INLINE VecF exp(VecF x) {
  if constexpr (scales_by_powers) {  // limits of n: NaN goes through
    const ExpParts parts = split_exp(min(set1(150.0F), max(set1(-150.0F), x)));
    return scale_by_power(parts.expm1 + set1(1.0F), parts.n);
  }
  const ExpParts parts = split_exp(x);
  const VecF scaled = times_power(parts.expm1 + set1(1.0F), parts.shifted);
  const VecF large = x + set1(__builtin_inff());  // also lets NaN through
  const VecF result = select(x <= set1(88.7228317F), scaled, large);
  return select(x < set1(-87.3365402F), zero(), result);
}

// exp(x) for x <= 88 with fewer checks; what NaN gives is not defined.
TW_INLINE VecF exp_to_88(VecF x) {
  if constexpr (scales_by_powers) {
    const ExpParts parts = split_exp(max(set1(-150.0F), x));
    return scale_by_power(parts.expm1 + set1(1.0F), parts.n);
  }
  const ExpParts parts = split_exp(x);
  const VecF scaled = times_power(parts.expm1 + set1(1.0F), parts.shifted);
  return select(x < set1(-87.3365402F), zero(), scaled);
}

// exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1): as 2^n (exp(r) - 1 + (1 - 2^-n)), or in halves, for
// 2^128 is no float.
TW_INLINE VecF expm1(VecF x) {
  VecF result;
  if constexpr (scales_by_powers) {
    const ExpParts parts = split_exp(min(set1(150.0F), max(set1(-20.0F), x)));
    const VecF rest = set1(1.0F) - scale_by_power(set1(1.0F), zero() - parts.n);
    result = scale_by_power(parts.expm1 + rest, parts.n);
  } else {
    const ExpParts parts = split_exp(max(set1(-20.0F), x));
    const VecF half_power = times_power(set1(0.5F), parts.shifted);
    const VecF half = fmadd(half_power, parts.expm1, half_power - set1(0.5F));
    result = select(x <= set1(88.7228317F), half + half, x + set1(__builtin_inff()));
  }
  return select(abs(x) < set1(0x1p-25F), x, result);  // keeps -0, and what halving would lose
}

// 2^x = 2^n 2^r with n = round(x), |r| <= 1/2.
TW_INLINE VecF exp2(VecF x) {
  const VecF magic = set1(round_magic);
  const VecF shifted = x + magic;
  const VecF r = x - (shifted - magic);
  VecF p = set1(1.5471834748e-4F);
  p = poly_step(p, r, 1.3390437666e-3F);
  p = poly_step(p, r, 9.6180227728e-3F);
  p = poly_step(p, r, 5.5503616554e-2F);
  p = poly_step(p, r, 2.4022651153e-1F);
  p = fmadd(p, r * r, set1(0.693147180559945309F) * r) + set1(1.0F);
  const VecF large = x + set1(__builtin_inff());
  const VecF result = select(x < set1(128.0F), times_power(p, shifted), large);
  return select(x < set1(-126.0F), zero(), result);
}

// 2^x for x in (-1000, 120), by a polynomial of degree 5: relative error 1.2e-7 beside rounding.
// Horner's rule: where many registers follow each other, the multipliers bound it, not the chain.
TW_INLINE VecF exp2_rough(VecF x) {
  const VecF magic = set1(round_magic);
  const VecF shifted = x + magic;
  const VecF n = shifted - magic;
  const VecF r = x - n;
  VecF p = set1(1.325673191e-3F);
  p = poly_step(p, r, 9.671698324e-3F);
  p = poly_step(p, r, 5.550768599e-2F);
  p = poly_step(p, r, 2.402224094e-1F);
  p = poly_step(p, r, 6.931469440e-1F);
  p = poly_step(p, r, 1.0F);
  if constexpr (scales_by_powers) return scale_by_power(p, n);
  return select(x < set1(-126.0F), zero(), times_power(p, shifted));
}

// u = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), for u > 0.
struct LogParts {
  VecF k;
  VecF f;
};
TW_INLINE LogParts split_log(VecF u) {
  const VecI bits = bit_cast_i(u) + set1i(0x3f800000 - 0x3f3504f3);
  const VecF m = bit_cast_f((bits & set1i(0x007fffff)) + set1i(0x3f3504f3));
  return {convert_f(shift_right<23>(bits) - set1i(127)), m - set1(1.0F)};
}

// log(1 + f) + tail = f - s (f - R(s^2)) + tail with s = f / (2 + f).
TW_INLINE VecF log_mantissa(VecF f, VecF tail) {
  const VecF s = f / (f + set1(2.0F));
  const VecF z = s * s;
  const VecF w = z * z;
  const VecF odd = w * fmadd(w, set1(0.24279078841F), set1(0.40000972152F));
  const VecF even = z * fmadd(w, set1(0.28498786688F), set1(0.66666662693F));
  const VecF half_square = set1(0.5F) * f * f;
  return fmadd(s, half_square + (odd + even), tail) - half_square + f;
}

// log(u) + c for u > 0.
TW_INLINE VecF log_core(VecF u, VecF c) {
  const LogParts parts = split_log(u);
  const VecF sum = log_mantissa(parts.f, fmadd(parts.k, set1(9.0580006145e-06F), c));
  return fmadd(parts.k, set1(6.9313812256e-01F), sum);
}

// The limits of log: -Inf at 0, NaN below, Inf at Inf; `x` is the argument, `y` its logarithm.
TW_INLINE VecF log_limits(VecF x, VecF y) {
  const VecF infinity = set1(__builtin_inff());
  const VecF positive = select(x < infinity, y, x + infinity);  // Inf and NaN
  const VecF special = select(x == zero(), set1(-__builtin_inff()), set1(__builtin_nanf("")));
  return select(x <= zero(), special, positive);
}

TW_INLINE VecF log(VecF x) { return log_limits(x, log_core(x, zero())); }

// Exact at powers of two: f is 0 there.
TW_INLINE VecF log2(VecF x) {
  const LogParts parts = split_log(x);
  const VecF y = fmadd(log_mantissa(parts.f, zero()), set1(1.44269504088896341F), parts.k);
  return log_limits(x, y);
}
TW_INLINE VecF log10(VecF x) {
  const LogParts parts = split_log(x);
  const VecF tail = parts.k * set1(7.90341090e-7F);  // log10(2), the part below 12 bits
  const VecF y = fmadd(log_mantissa(parts.f, zero()), set1(0.434294481903251828F), tail);
  return log_limits(x, fmadd(parts.k, set1(0.301029205F), y));
}

// log(1 + x): the rounding error of u = 1 + x comes back as the correction (x - (u - 1)) / u.
TW_INLINE VecF log1p(VecF x) {
  const VecF u = set1(1.0F) + x;
  const VecF correction = (x - (u - set1(1.0F))) / u;
  const VecF y = log_limits(u, log_core(u, correction));
  return select(x == zero(), x, y);  // keeps -0
}

// log(1 + z) = 2 atanh(s) for z in [0, 1], s = z / (2 + z). One quotient occupies the multipliers
// less than the six more terms of a polynomial in z.
TW_INLINE VecF log1p_of_fraction(VecF z) {
  const VecF s = z / (z + set1(2.0F));
  const VecF s2 = s * s;
  VecF p = set1(1.4012232812e-01F);
  p = poly_step(p, s2, 1.3999569706e-01F);
  p = poly_step(p, s2, 2.0010849594e-01F);
  p = poly_step(p, s2, 3.3333206565e-01F);
  const VecF twice = s + s;
  return fmadd(p * s2, twice, twice);
}

// m / (m + 2) for m = exp(2 |x|) - 1, which keeps the digits of small x.
TW_INLINE VecF tanh(VecF x) {
  const VecF a = min(set1(10.0F), abs(x));  // 1 above; NaN goes through
  const ExpParts parts = split_exp(a + a);
  const VecF power = times_power(set1(1.0F), parts.shifted);
  const VecF m = fmadd(power, parts.expm1, power - set1(1.0F));
  return with_sign(m / (m + set1(2.0F)), x);
}

TW_INLINE VecF sigmoid(VecF x) { return set1(1.0F) / (set1(1.0F) + exp(zero() - x)); }

// x - n * pi/2 with n = round(x * 2/pi). pi/2 is cut into parts of 11 bits, so that n times a part
// is exact for |n| < 2^13. The low two bits of `quadrant` are n mod 4.
struct ReducedAngle {
  VecF r;
  VecI quadrant;
};
TW_INLINE ReducedAngle reduce_angle(VecF x) {
  const VecF magic = set1(round_magic);
  const VecF shifted = fmadd(x, set1(0.636619772367581343F), magic);
  const VecF n = shifted - magic;
  VecF r = fnmadd(n, set1(1.5703125F), x);
  r = fnmadd(n, set1(4.837512969970703125e-4F), r);
  r = fnmadd(n, set1(7.549533620476722717e-8F), r);
  r = fnmadd(n, set1(2.563344068257089646e-12F), r);
  return {r, bit_cast_i(shifted)};
}

// sin and cos of the reduced angle.
struct SinCos {
  VecF sin;
  VecF cos;
};
TW_INLINE SinCos sin_cos_reduced(VecF r) {
  const VecF z = r * r;
  VecF s = set1(-1.9515295891e-4F);
  s = poly_step(s, z, 8.3321608736e-3F);
  s = poly_step(s, z, -1.6666654611e-1F);
  s = fmadd(s * z, r, r);
  VecF c = set1(2.443315711809948e-5F);
  c = poly_step(c, z, -1.388731625493765e-3F);
  c = poly_step(c, z, 4.166664568298827e-2F);
  return {s, fmadd(c * z, z, fnmadd(set1(0.5F), z, set1(1.0F)))};
}
TW_INLINE Mask is_odd(VecI quadrant) { return convert_f(quadrant & set1i(1)) > zero(); }

enum class Angle { sin, cos, tan };

// Angles beyond 8192 (and infinities, NaN) need more digits of pi than the registers carry: the C
// library's double functions take them, lane by lane.
template <Angle function>
__attribute__((noinline)) VecF of_large_angles(VecF x, VecF y) {
  float lanes[VecF::width];
  float values[VecF::width];
  store(lanes, x);
  store(values, y);
  for (index_t i = 0; i < VecF::width; ++i) {
    if (__builtin_fabsf(lanes[i]) <= 8192.0F) continue;
    const double wide = static_cast<double>(lanes[i]);
    values[i] = static_cast<float>(function == Angle::sin   ? __builtin_sin(wide)
                                   : function == Angle::cos ? __builtin_cos(wide)
                                                            : __builtin_tan(wide));
  }
  return load(values);
}

template <Angle function>
TW_INLINE VecF trigonometric(VecF x) {
  const ReducedAngle angle = reduce_angle(x);
  const SinCos of = sin_cos_reduced(angle.r);
  VecF y;
  if (function == Angle::tan) {
    const Mask odd = is_odd(angle.quadrant);
    y = select(odd, zero() - of.cos, of.sin) / select(odd, of.sin, of.cos);
  } else {  // sin of the angle, moved on by a quarter turn for cos
    const VecI quadrant = angle.quadrant + set1i(function == Angle::cos ? 1 : 0);
    const VecI sign = shift_left<30>(quadrant & set1i(2));
    y = bit_cast_f(bit_cast_i(select(is_odd(quadrant), of.cos, of.sin)) ^ sign);
  }
  const Mask small = abs(x) <= set1(8192.0F);
  if (!any(select(small, zero(), set1(1.0F)) > zero())) return y;
  return of_large_angles<function>(x, y);
}

TW_INLINE VecF sin(VecF x) { return trigonometric<Angle::sin>(x); }
TW_INLINE VecF cos(VecF x) { return trigonometric<Angle::cos>(x); }
TW_INLINE VecF tan(VecF x) { return trigonometric<Angle::tan>(x); }

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
