// More elementary functions on registers: inverse trigonometric, hyperbolic, error functions.
// Include after kernels/simd/math.h, which says how such functions are made and how exact they are.
//
//   asin 1.9 · acos 1.4 · atan 1.6 · sinh 2.4 · cosh 1.8 · asinh 1.9 · acosh 1.7 · atanh 2.1
//   erf 2.7 · erfc 5.4 · erfinv 3.7
//
// Coefficients: asin from Cephes (S. L. Moshier, single precision); erfinv from M. Giles,
// "Approximating the erfinv function" (2010); atan, erf, erfc and softplus: weighted minimax fits
// in double.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr float half_pi = 1.57079637F;
constexpr float half_pi_tail = -4.37113883e-8F;
TW_INLINE VecF half_pi_minus(VecF x) { return (set1(half_pi) - x) + set1(half_pi_tail); }

// asin(t) for t = |x| <= 1/2, else asin(t) for t = sqrt((1 - |x|) / 2), where
// asin(|x|) = pi / 2 - 2 asin(t). NaN beyond 1.
struct ArcSine {
  Mask turned;
  VecF value;
};
TW_INLINE ArcSine reduced_asin(VecF x) {
  const VecF a = abs(x);
  const Mask turned = a > set1(0.5F);
  const VecF z = select(turned, fnmadd(set1(0.5F), a, set1(0.5F)), a * a);
  const VecF t = select(turned, sqrt(z), a);
  VecF p = set1(4.2163199048e-2F);
  p = poly_step(p, z, 2.4181311049e-2F);
  p = poly_step(p, z, 4.5470025998e-2F);
  p = poly_step(p, z, 7.4953002686e-2F);
  p = poly_step(p, z, 1.6666752422e-1F);
  return {turned, fmadd(p * z, t, t)};
}
TW_INLINE VecF asin(VecF x) {
  const ArcSine r = reduced_asin(x);
  return with_sign(select(r.turned, half_pi_minus(r.value + r.value), r.value), x);
}
TW_INLINE VecF acos(VecF x) {
  const ArcSine r = reduced_asin(x);
  const VecF twice = r.value + r.value;
  const VecF below = (set1(2 * half_pi) - twice) + set1(2 * half_pi_tail);
  return select(r.turned, select(x < zero(), below, twice), half_pi_minus(with_sign(r.value, x)));
}

// atan(t) for t in [0, 1].
TW_INLINE VecF atan_of_fraction(VecF t) {
  const VecF z = t * t;
  VecF p = set1(2.9745432646e-3F);
  p = poly_step(p, z, -1.6580997645e-2F);
  p = poly_step(p, z, 4.3553240820e-2F);
  p = poly_step(p, z, -7.5805533264e-2F);
  p = poly_step(p, z, 1.0678930938e-1F);
  p = poly_step(p, z, -1.4214206349e-1F);
  p = poly_step(p, z, 1.9994136878e-1F);
  p = poly_step(p, z, -3.3333166953e-1F);
  return fmadd(p * z, t, t);
}

// atan(|x|) = pi / 2 - atan(1 / |x|) above 1.
TW_INLINE VecF atan(VecF x) {
  const VecF a = abs(x);
  const Mask turned = a > set1(1.0F);
  const VecF t = select(turned, set1(1.0F), a) / select(turned, a, set1(1.0F));
  const VecF r = atan_of_fraction(t);
  return with_sign(select(turned, half_pi_minus(r), r), x);
}

// exp(a) / 2 for a > 88, where exp(a) alone is too large sooner than the result.
TW_INLINE VecF half_exp(VecF a) {
  const VecF root = exp(set1(0.5F) * a);
  return set1(0.5F) * root * root;
}
TW_INLINE VecF sinh(VecF x) {
  const VecF a = abs(x);
  const VecF t = expm1(a);
  const VecF small = set1(0.5F) * (t + t / (t + set1(1.0F)));
  return with_sign(select(a > set1(88.0F), half_exp(a), small), x);
}
TW_INLINE VecF cosh(VecF x) {
  const VecF a = abs(x);
  const VecF e = exp(a);
  const VecF small = fmadd(set1(0.5F), e, set1(0.5F) / e);
  return select(a > set1(88.0F), half_exp(a), small);
}

// Squares of large arguments would overflow: there log(2 a) is the value.
TW_INLINE VecF log_of_twice(VecF a) { return log(a) + set1(0.693147180559945309F); }
TW_INLINE VecF asinh(VecF x) {
  const VecF a = abs(x);
  const VecF square = a * a;
  const VecF small = log1p(a + square / (set1(1.0F) + sqrt(square + set1(1.0F))));
  return with_sign(select(a > set1(1e9F), log_of_twice(a), small), x);
}
TW_INLINE VecF acosh(VecF x) {
  const VecF t = x - set1(1.0F);
  const VecF small = log1p(t + sqrt(t * (x + set1(1.0F))));
  const VecF y = select(x > set1(1e9F), log_of_twice(x), small);
  return select(x < set1(1.0F), set1(__builtin_nanf("")), y);
}
TW_INLINE VecF atanh(VecF x) {
  const VecF a = abs(x);
  return with_sign(set1(0.5F) * log1p((a + a) / (set1(1.0F) - a)), x);
}

// exp(t^2) erfc(t) for t >= 0 = z P(z), z = 1 / (1 + t / 2); for t up to 9.5, where erfc
// underflows.
TW_INLINE VecF scaled_erfc(VecF t) {
  const VecF z = set1(1.0F) / fmadd(set1(0.5F), t, set1(1.0F));
  VecF p = set1(-5.8890913480e-02F);
  p = poly_step(p, z, 2.8370259552e-01F);
  p = poly_step(p, z, -4.8538490702e-01F);
  p = poly_step(p, z, 2.7597939771e-01F);
  p = poly_step(p, z, -2.5178440961e-02F);
  p = poly_step(p, z, 2.0207011021e-01F);
  p = poly_step(p, z, 2.4326094917e-01F);
  p = poly_step(p, z, 2.8235349056e-01F);
  p = poly_step(p, z, 2.8208767611e-01F);
  return p * z;
}

// erf(x) / x for |x| <= 1.
TW_INLINE VecF erf_quotient(VecF x) {
  const VecF z = x * x;
  VecF p = set1(7.8538577000e-05F);
  p = poly_step(p, z, -8.0101925194e-04F);
  p = poly_step(p, z, 5.1883275599e-03F);
  p = poly_step(p, z, -2.6853811869e-02F);
  p = poly_step(p, z, 1.1283585147e-01F);
  p = poly_step(p, z, -3.7612625824e-01F);
  return poly_step(p, z, 1.1283791657e+00F);
}

// The polynomial near 0, 1 - erfc(|x|) elsewhere.
TW_INLINE VecF erf(VecF x) {
  const VecF a = abs(x);
  const VecF bounded = min(set1(9.0F), a);  // NaN goes through
  const VecF far = fnmadd(exp(zero() - bounded * bounded), scaled_erfc(bounded), set1(1.0F));
  return select(a < set1(1.0F), erf_quotient(x) * x, with_sign(far, x));
}

// exp(-t^2) with the rounding error of t^2 put back: for large t it is many units of the result.
TW_INLINE VecF erfc(VecF x) {
  const VecF t = min(set1(20.0F), abs(x));
  const VecF high = bit_cast_f(bit_cast_i(t) & set1i(-4096));
  const VecF square = t * t;
  const VecF missing = fmadd(high, high, zero() - square) + (high + t) * (t - high);
  const VecF e = exp(zero() - square) * (set1(1.0F) - missing);
  const VecF tail = e * scaled_erfc(t);
  const VecF far = select(x < zero(), set1(2.0F) - tail, tail);
  return select(t < set1(0.5F), fnmadd(erf_quotient(x), x, set1(1.0F)), far);
}

// x P(w) with w = -log(1 - x^2): one polynomial below w = 5, one in sqrt(w) above.
TW_INLINE VecF erfinv(VecF x) {
  const VecF one = set1(1.0F);
  const VecF w = zero() - log((one - x) * (one + x));
  const VecF u = w - set1(2.5F);
  VecF p = set1(2.81022636e-08F);
  p = poly_step(p, u, 3.43273939e-07F);
  p = poly_step(p, u, -3.5233877e-06F);
  p = poly_step(p, u, -4.39150654e-06F);
  p = poly_step(p, u, 0.00021858087F);
  p = poly_step(p, u, -0.00125372503F);
  p = poly_step(p, u, -0.00417768164F);
  p = poly_step(p, u, 0.246640727F);
  p = poly_step(p, u, 1.50140941F);
  const VecF v = sqrt(w) - set1(3.0F);
  VecF q = set1(-0.000200214257F);
  q = poly_step(q, v, 0.000100950558F);
  q = poly_step(q, v, 0.00134934322F);
  q = poly_step(q, v, -0.00367342844F);
  q = poly_step(q, v, 0.00573950773F);
  q = poly_step(q, v, -0.0076224613F);
  q = poly_step(q, v, 0.00943887047F);
  q = poly_step(q, v, 1.00167406F);
  q = poly_step(q, v, 2.83297682F);
  const VecF inside = select(w < set1(5.0F), p, q) * x;
  return select(abs(x) == one, x * set1(__builtin_inff()), inside);
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
