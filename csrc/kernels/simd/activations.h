// Functions of one number on registers: a row each, its value and its derivative times dy. The
// rows' names and what their derivatives read are in base/unary_op.h. Include after
// kernels/simd/simd.h, math.h and math_more.h.
//
// At kinks, and where infinities meet, a row does what PyTorch does: the derivative of relu at 0 is
// 0 and at NaN 1, hardtanh's at its limits is 0.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

// The parameters of a row, broadcast.
struct Parameters {
  VecF a, b, c;
};

// x is the input; in a derivative, the row reads either x or the output y, which are one register.
#define TW_ROW(Name, value, derivative)                                                           \
  struct Name {                                                                                   \
    static TW_INLINE VecF forward(VecF x, [[maybe_unused]] const Parameters& p) { return value; } \
    static TW_INLINE VecF backward([[maybe_unused]] VecF dy, VecF kept,                           \
                                   [[maybe_unused]] const Parameters& p) {                        \
      [[maybe_unused]] const VecF x = kept;                                                       \
      [[maybe_unused]] const VecF y = kept;                                                       \
      return derivative;                                                                          \
    }                                                                                             \
  };

TW_INLINE VecF one() { return set1(1.0F); }
TW_INLINE VecF negated(VecF x) { return bit_cast_f(bit_cast_i(x) ^ bit_cast_i(set1(-0.0F))); }
TW_INLINE VecF sign_of(VecF x) {  // 0 for NaN, as PyTorch
  return select(x < zero(), set1(-1.0F), select(x > zero(), one(), zero()));
}
TW_INLINE VecF times(float c, VecF x) { return set1(c) * x; }
TW_INLINE VecF one_minus_square(VecF y) { return fnmadd(y, y, one()); }
TW_INLINE VecF square_of(VecF x) { return x * x; }
TW_INLINE VecF clipped(VecF x, VecF low, VecF high) { return min(high, max(low, x)); }

// log(1 + exp(u)) for u <= 0. What NaN gives is not defined.
TW_INLINE VecF log1p_of_exp(VecF u) { return log1p_of_fraction(exp_to_88(u)); }

// ---------------------------------------------------------------- numbers and elementary functions

TW_ROW(None, x, dy)
TW_ROW(Neg, negated(x), negated(dy))
TW_ROW(Abs, abs(x), (dy * sign_of(x)))
TW_ROW(Sign, sign_of(x), zero())
TW_ROW(Square, (x * x), (dy * (x + x)))
TW_ROW(Floor, floor(x), zero())
TW_ROW(Ceil, ceil(x), zero())
TW_ROW(Round, round_nearest(x), zero())
TW_ROW(Trunc, trunc(x), zero())
TW_ROW(Frac, x - trunc(x), dy)
TW_ROW(Relu, max(zero(), x), select(y <= zero(), zero(), dy))
TW_ROW(Exp, exp(x), (dy * y))
TW_ROW(Exp2, exp2(x), dy * y * set1(0.693147181F))
TW_ROW(Expm1, expm1(x), (dy * (y + one())))
TW_ROW(Log, log(x), dy / x)
TW_ROW(Log2, log2(x), dy / times(0.693147181F, x))
TW_ROW(Log10, log10(x), dy / times(2.30258509F, x))
TW_ROW(Log1p, log1p(x), dy / (x + one()))
TW_ROW(Sqrt, sqrt(x), dy / (y + y))
TW_ROW(Rsqrt, inverse_sqrt(x), times(-0.5F, dy) * (y * y * y))
TW_ROW(Reciprocal, one() / x, negated(dy) * (y * y))
TW_ROW(Sin, sin(x), (dy * cos(x)))
TW_ROW(Cos, cos(x), negated(dy) * sin(x))
TW_ROW(Tan, tan(x), (dy * fmadd(y, y, one())))
TW_ROW(Asin, asin(x), dy / sqrt(one_minus_square(x)))
TW_ROW(Acos, acos(x), negated(dy) / sqrt(one_minus_square(x)))
TW_ROW(Atan, atan(x), dy / fmadd(x, x, one()))
TW_ROW(Sinh, sinh(x), (dy * cosh(x)))
TW_ROW(Cosh, cosh(x), (dy * sinh(x)))
TW_ROW(Tanh, tanh(x), (dy * one_minus_square(y)))
TW_ROW(Asinh, asinh(x), dy / sqrt(fmadd(x, x, one())))
TW_ROW(Acosh, acosh(x), dy / sqrt((x - one()) * (x + one())))
TW_ROW(Atanh, atanh(x), dy / one_minus_square(x))
TW_ROW(Erf, erf(x), times(1.12837917F, dy) * exp(negated(x * x)))
TW_ROW(Erfc, erfc(x), times(-1.12837917F, dy) * exp(negated(x * x)))
TW_ROW(Erfinv, erfinv(x), times(0.886226925F, dy) * exp(y * y))
TW_ROW(Sigmoid, sigmoid(x), (dy * ((one() - y) * y)))

// ---------------------------------------------------------------- activations

// a: lower limit, b: upper limit. relu6 is hardtanh with 0 and 6.
TW_ROW(Hardtanh, clipped(x, p.a, p.b), select((x <= p.a) | (x >= p.b), zero(), dy))
// a: the slope below 0.
TW_ROW(LeakyRelu, select(x > zero(), x, (p.a * x)), select(x > zero(), dy, (dy * p.a)))
// a expm1(c x) below 0, b x above: elu, selu and celu.
TW_ROW(Elu, select(x <= zero(), expm1((p.c * x)) * p.a, (p.b * x)),
       select(x <= zero(), exp((p.c * x)) * p.a * p.c, p.b) * dy)

// x Phi(x) with the normal distribution's Phi.
struct Gelu {
  // No quotient: log2(Phi(-|x|)) is a polynomial where the tail is worth
  // anything, and 2^q one more. Error of x Phi(x): 3e-8 absolute beside rounding, relative to the
  // tail 1e-6 up to |x| = 3.
  static TW_INLINE VecF forward(VecF x, const Parameters&) {
    const VecF size = abs(min(set1(16.0F), x));  // of -Inf, whose product with 0 is NaN, Inf
    const VecF t = min(set1(16.0F), size);       // the tail is 0 there; powers stay finite
    VecF q = set1(-2.033318651e-6F);
    q = poly_step(q, t, 2.980277714e-5F);
    q = poly_step(q, t, -1.409346587e-4F);
    q = poly_step(q, t, -2.451522450e-4F);
    q = poly_step(q, t, 7.202404551e-3F);
    q = poly_step(q, t, -5.258952454e-2F);
    q = poly_step(q, t, -4.591791630e-1F);
    q = poly_step(q, t, -1.151108146F);
    q = poly_step(q, t, -1.0F);
    const VecF tail = exp2_rough(q);
    return fnmadd(size, tail, max(zero(), x));
  }
  // Phi(x) + x phi(x), which is h(|x|) below 0 and 1 - h(|x|) above: h(t) = exp(-t^2 / 2) R(t),
  // R minimax under the exponential. Error 3e-8 beside rounding.
  static TW_INLINE VecF backward(VecF dy, VecF x, const Parameters&) {
    const VecF t = min(set1(16.0F), abs(x));
    VecF r = set1(-2.698611468e-7F);
    r = poly_step(r, t, 6.809639217e-6F);
    r = poly_step(r, t, -7.730643119e-5F);
    r = poly_step(r, t, 5.295302253e-4F);
    r = poly_step(r, t, -2.496032743e-3F);
    r = poly_step(r, t, 8.842901327e-3F);
    r = poly_step(r, t, -2.530224621e-2F);
    r = poly_step(r, t, 6.181871891e-2F);
    r = poly_step(r, t, -1.327710599e-1F);
    r = poly_step(r, t, 2.499678433e-1F);
    r = poly_step(r, t, -7.978828549e-1F);
    r = poly_step(r, t, 0.5F);
    const VecF h = exp2_rough(t * times(-0.721347520F, t)) * r;
    return dy * select(x < zero(), h, one() - h);
  }
};

// x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3): (1 + tanh u) / 2 is sigmoid(2 u).
struct GeluTanh {
  static TW_INLINE VecF inner(VecF x) {  // 2 u / x
    return fmadd(set1(2 * 0.797884561F * 0.044715F), x * x, set1(2 * 0.797884561F));
  }
  static TW_INLINE VecF forward(VecF x, const Parameters&) { return x * sigmoid(x * inner(x)); }
  static TW_INLINE VecF backward(VecF dy, VecF x, const Parameters&) {
    const VecF s = sigmoid(x * inner(x));
    const VecF slope = fmadd(set1(6 * 0.797884561F * 0.044715F), x * x, set1(2 * 0.797884561F));
    return dy * s * fmadd(x * slope, one() - s, one());
  }
};

TW_INLINE VecF silu_gradient(VecF dy, VecF x) {
  const VecF s = sigmoid(x);
  return dy * s * fmadd(x, one() - s, one());
}
TW_ROW(Silu, x / (one() + exp(negated(x))), silu_gradient(dy, x))

// x tanh(softplus(x)) = x n / (n + 2) with n = e (e + 2), e = exp(x).
struct Mish {
  static TW_INLINE VecF forward(VecF x, const Parameters&) {
    const VecF e = exp_to_88(min(set1(20.0F), x));
    const VecF n = e * (e + set1(2.0F));
    return x * (n / (n + set1(2.0F)));
  }
  // t + x sigmoid(x) (1 - t^2), t = n / (n + 2): 1 - t^2 = 4 (n + 1) / (n + 2)^2 and
  // n + 1 = (e + 1)^2, so that the second term is 4 x e (e + 1) / (n + 2)^2.
  static TW_INLINE VecF backward(VecF dy, VecF x, const Parameters&) {
    const VecF e = exp_to_88(min(set1(20.0F), x));
    const VecF n = e * (e + set1(2.0F));
    const VecF inverse = one() / (n + set1(2.0F));
    const VecF bend = times(4.0F, x) * (e * inverse) * ((e + one()) * inverse);
    // Beyond the bound the bend is 0, but infinity has no derivative.
    return dy * fmadd(n, inverse, select(x < set1(20.0F), bend, times(0.0F, x)));
  }
};

TW_ROW(Hardswish, clipped(x + set1(3.0F), zero(), set1(6.0F)) * x * set1(1.0F / 6.0F),
       select(x <= set1(-3.0F), zero(),
              select(x < set1(3.0F), fmadd(x, set1(1.0F / 3.0F), set1(0.5F)) * dy, dy)))
TW_ROW(Hardsigmoid, clipped(x + set1(3.0F), zero(), set1(6.0F)) * set1(1.0F / 6.0F),
       select((x > set1(-3.0F)) & (x < set1(3.0F)), times(1.0F / 6.0F, dy), zero()))
// a: the half-width of the interval that gives 0.
TW_ROW(Hardshrink, select(abs(x) <= p.a, zero(), x), select(abs(x) <= p.a, zero(), dy))
TW_ROW(Softshrink, select(abs(x) <= p.a, times(0.0F, x), select(x > zero(), x - p.a, x + p.a)),
       select(abs(x) <= p.a, zero(), dy))
TW_ROW(Tanhshrink, x - tanh(x), (dy * square_of(tanh(x))))
// a: the threshold, b: the value at and below it.
TW_ROW(Threshold, select(x <= p.a, p.b, x), select(x <= p.a, zero(), dy))
TW_ROW(LogSigmoid, min(zero(), x) - log1p_of_exp(negated(abs(x))), (dy * sigmoid(negated(x))))
// a: beta, b: where a x is above it the function is x; c: 1 / beta.
TW_ROW(Softplus,
       select((p.a * x) > p.b, x,
              (max(zero(), (p.a * x)) + log1p_of_exp(negated(abs(x * p.a)))) * p.c),
       select((p.a * x) > p.b, dy, sigmoid((p.a * x)) * dy))
TW_ROW(Softsign, x / (one() + abs(x)), dy / square_of(one() + abs(x)))

#undef TW_ROW

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
