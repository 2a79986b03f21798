// Elementary functions on registers of floats. Include after kernels/simd/simd.h.
//
// Each reduces its argument to a short interval, evaluates a polynomial there and puts the exponent
// or sign back. Largest error in units in the last place, measured on every instruction set over
// all exponents by tests/test_elementwise.py:
//
//   exp 1.1 · log 0.9 · log1p 0.9 · tanh 1.5 · sigmoid 2.5 · sin, cos 2.5 up to |x| = 8192
//
// Denormal numbers count as zero, as everywhere in the float32 kernels: exp gives 0 where the
// result would be below 2^-126. NaN goes in and comes out; infinities give the limits.
//
// Coefficients: exp, tanh, sin, cos from Cephes (S. L. Moshier, single precision); log and log1p
// from FreeBSD msun (e_logf.c).
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

// Adding 1.5 * 2^23 to |x| < 2^22 rounds it to an integer, which the low bits of the sum then hold.
constexpr float round_magic = 12582912.0F;

// One step of Horner's rule.
TW_INLINE VecF poly_step(VecF p, VecF x, float c) { return fmadd(p, x, set1(c)); }

// exp(x) = 2^n exp(r) with n = round(x / ln 2) and |r| <= ln(2) / 2.
TW_INLINE VecF exp(VecF x) {
  const VecF magic = set1(round_magic);
  const VecF shifted = fmadd(x, set1(1.44269504088896341F), magic);
  const VecF n = shifted - magic;
  VecF r = fnmadd(n, set1(0.693359375F), x);  // n * 0.693359375 is exact
  r = fnmadd(n, set1(-2.12194440e-4F), r);
  VecF p = set1(1.9875691500e-4F);
  p = poly_step(p, r, 1.3981999507e-3F);
  p = poly_step(p, r, 8.3334519073e-3F);
  p = poly_step(p, r, 4.1665795894e-2F);
  p = poly_step(p, r, 1.6666665459e-1F);
  p = poly_step(p, r, 5.0000001201e-1F);
  p = fmadd(p, r * r, r) + set1(1.0F);
  // n goes straight into the exponent field: 2^128 alone would not be representable, but
  // p * 2^128 is where p < 1.
  const VecF scaled = bit_cast_f(bit_cast_i(p) + shift_left<23>(bit_cast_i(shifted)));
  const VecF large = x + set1(__builtin_inff());  // also lets NaN through
  const VecF result = select(x <= set1(88.7228317F), scaled, large);
  return select(x < set1(-87.3365402F), zero(), result);
}

// log(u) + c for u > 0 with u = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2);
// s = f / (2 + f), log(1 + f) = f - s (f - R(s^2)).
TW_INLINE VecF log_core(VecF u, VecF c) {
  const VecI bits = bit_cast_i(u) + set1i(0x3f800000 - 0x3f3504f3);
  const VecF k = convert_f(shift_right<23>(bits) - set1i(127));
  const VecF m = bit_cast_f((bits & set1i(0x007fffff)) + set1i(0x3f3504f3));
  const VecF f = m - set1(1.0F);
  const VecF s = f / (f + set1(2.0F));
  const VecF z = s * s;
  const VecF w = z * z;
  const VecF odd = w * fmadd(w, set1(0.24279078841F), set1(0.40000972152F));
  const VecF even = z * fmadd(w, set1(0.28498786688F), set1(0.66666662693F));
  const VecF half_square = set1(0.5F) * f * f;
  const VecF tail = fmadd(k, set1(9.0580006145e-06F), c);
  const VecF sum = fmadd(s, half_square + (odd + even), tail) - half_square + f;
  return fmadd(k, set1(6.9313812256e-01F), sum);
}

// The limits of log: -Inf at 0, NaN below, Inf at Inf; `x` is the argument, `y` its logarithm.
TW_INLINE VecF log_limits(VecF x, VecF y) {
  const VecF infinity = set1(__builtin_inff());
  const VecF positive = select(x < infinity, y, x + infinity);  // Inf and NaN
  const VecF special = select(x == zero(), set1(-__builtin_inff()), set1(__builtin_nanf("")));
  return select(x <= zero(), special, positive);
}

TW_INLINE VecF log(VecF x) { return log_limits(x, log_core(x, zero())); }

// log(1 + x): the rounding error of u = 1 + x comes back as the correction (x - (u - 1)) / u.
TW_INLINE VecF log1p(VecF x) {
  const VecF u = set1(1.0F) + x;
  const VecF correction = (x - (u - set1(1.0F))) / u;
  const VecF y = log_limits(u, log_core(u, correction));
  return select(x == zero(), x, y);  // keeps -0
}

// Odd polynomial near 0, 1 - 2 / (exp(2 |x|) + 1) elsewhere.
TW_INLINE VecF tanh(VecF x) {
  const VecF magnitude = abs(x);
  const VecF z = x * x;
  VecF p = set1(-5.70498872745e-3F);
  p = poly_step(p, z, 2.06390887954e-2F);
  p = poly_step(p, z, -5.37397155531e-2F);
  p = poly_step(p, z, 1.33314422036e-1F);
  p = poly_step(p, z, -3.33332819422e-1F);
  const VecF near = fmadd(p * z, x, x);
  const VecF e = exp(magnitude + magnitude);
  const VecF far = set1(1.0F) - set1(2.0F) / (e + set1(1.0F));
  const VecI sign = bit_cast_i(x) & bit_cast_i(set1(-0.0F));
  const VecF signed_far = bit_cast_f(bit_cast_i(far) | sign);
  return select(magnitude < set1(0.625F), near, signed_far);
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

// sin of the angle moved on by `quarter_turns` quarter turns: 0 gives sin, 1 gives cos.
TW_INLINE VecF sin_moved(VecF x, std::int32_t quarter_turns) {
  const ReducedAngle angle = reduce_angle(x);
  const VecI quadrant = angle.quadrant + set1i(quarter_turns);
  const VecF z = angle.r * angle.r;
  VecF s = set1(-1.9515295891e-4F);
  s = poly_step(s, z, 8.3321608736e-3F);
  s = poly_step(s, z, -1.6666654611e-1F);
  s = fmadd(s * z, angle.r, angle.r);
  VecF c = set1(2.443315711809948e-5F);
  c = poly_step(c, z, -1.388731625493765e-3F);
  c = poly_step(c, z, 4.166664568298827e-2F);
  c = fmadd(c * z, z, fnmadd(set1(0.5F), z, set1(1.0F)));
  const Mask odd = convert_f(quadrant & set1i(1)) > zero();
  const VecI sign = shift_left<30>(quadrant & set1i(2));
  return bit_cast_f(bit_cast_i(select(odd, c, s)) ^ sign);
}

// Angles beyond 8192 (and infinities, NaN) need more digits of pi than the registers carry: the C
// library's double functions take them, lane by lane.
TW_INLINE VecF sin_or_cos(VecF x, bool cosine) {
  const VecF y = sin_moved(x, cosine ? 1 : 0);
  const Mask small = abs(x) <= set1(8192.0F);
  if (!any(select(small, zero(), set1(1.0F)) > zero())) return y;
  float lanes[VecF::width];
  float values[VecF::width];
  store(lanes, x);
  store(values, y);
  for (index_t i = 0; i < VecF::width; ++i) {
    if (__builtin_fabsf(lanes[i]) <= 8192.0F) continue;
    const double wide = static_cast<double>(lanes[i]);
    values[i] = static_cast<float>(cosine ? __builtin_cos(wide) : __builtin_sin(wide));
  }
  return load(values);
}

TW_INLINE VecF sin(VecF x) { return sin_or_cos(x, false); }
TW_INLINE VecF cos(VecF x) { return sin_or_cos(x, true); }

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
