// Functions of one operand (base/unary_op.h) in plain loops: a row each, its value and its
// derivative times dy, as text books write them.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/types.h"

namespace tilewise::ref {

// Parameters as in kernels/simd/activations.h.
struct UnaryConstants {
  double a, b, c;
};

// ---------------------------------------------------------------- integers

struct NegInteger {
  template <typename T>
  static T apply(T x) {
    using U = std::make_unsigned_t<T>;  // the smallest integer stays as it is
    return static_cast<T>(static_cast<U>(0U - static_cast<U>(x)));
  }
};
struct AbsInteger {
  template <typename T>
  static T apply(T x) {
    if constexpr (std::is_unsigned_v<T>) return x;
    return x < 0 ? NegInteger::apply(x) : x;
  }
};
struct SignInteger {
  template <typename T>
  static T apply(T x) {
    if constexpr (std::is_unsigned_v<T>) return x != 0;
    return static_cast<T>((x > 0) - (x < 0));
  }
};
struct SquareInteger {
  template <typename T>
  static T apply(T x) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(static_cast<U>(x) * static_cast<U>(x)));
  }
};
struct ReluInteger {
  template <typename T>
  static T apply(T x) {
    return std::max(x, T(0));
  }
};

template <typename Op, typename T>
void map_integers(const T* x, T* y, index_t count) {
  for (index_t i = 0; i < count; ++i) y[i] = Op::apply(x[i]);
}

// ---------------------------------------------------------------- floating-point numbers

constexpr double ln2 = 0.693147180559945309417;
constexpr double ln10 = 2.302585092994045684018;
constexpr double root_half = 0.707106781186547524401;
constexpr double two_over_root_pi = 1.128379167095512573896;
constexpr double gelu_scale = root_half * two_over_root_pi;  // sqrt(2 / pi)

inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }
inline double normal_distribution(double x) { return 0.5 * std::erfc(-x * root_half); }
inline double normal_density(double x) { return 0.5 * gelu_scale * std::exp(-0.5 * x * x); }
inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
inline double gelu_argument(double x) { return gelu_scale * (x + 0.044715 * x * x * x); }
// NaN goes through.
inline double clip(double x, double low, double high) {
  return x < low ? low : x > high ? high : x;
}

// Newton's steps on erf(y) = x from the expansion for large arguments.
inline double inverse_erf(double x) {
  if (!(std::abs(x) < 1)) {
    const double infinity = std::numeric_limits<double>::infinity();
    return std::abs(x) == 1 ? x * infinity : std::numeric_limits<double>::quiet_NaN();
  }
  const double w = std::log((1 - x) * (1 + x));
  const double t = 2 / (3.14159265358979323846 * 0.147) + 0.5 * w;
  double y = std::copysign(std::sqrt(std::sqrt(t * t - w / 0.147) - t), x);
  for (int step = 0; step < 3; ++step) {
    // Where erf is near 1 its complement has the digits.
    const double error = x > 0.5    ? (1 - x) - std::erfc(y)
                         : x < -0.5 ? std::erfc(-y) - (1 + x)
                                    : std::erf(y) - x;
    y -= error / (two_over_root_pi * std::exp(-y * y));
  }
  return y;
}

// `kept` is x or y, whichever the row reads.
#define TW_ROW(Name, value, derivative)                                                         \
  struct Name {                                                                                 \
    static double forward(double x, [[maybe_unused]] const UnaryConstants& p) { return value; } \
    static double backward([[maybe_unused]] double dy, double kept,                             \
                           [[maybe_unused]] const UnaryConstants& p) {                          \
      [[maybe_unused]] const double x = kept;                                                   \
      [[maybe_unused]] const double y = kept;                                                   \
      return derivative;                                                                        \
    }                                                                                           \
  };

TW_ROW(Neg, -x, -dy)
TW_ROW(Abs, std::abs(x), (dy * ((x > 0) - (x < 0))))
TW_ROW(Sign, (x > 0) - (x < 0), 0)
TW_ROW(Square, (x * x), dy * 2 * x)
TW_ROW(Floor, std::floor(x), 0)
TW_ROW(Ceil, std::ceil(x), 0)
TW_ROW(Round, std::nearbyint(x), 0)
TW_ROW(Trunc, std::trunc(x), 0)
TW_ROW(Frac, x - std::trunc(x), dy)
TW_ROW(Relu, x < 0 ? 0 : x, y <= 0 ? 0 : dy)
TW_ROW(Exp, std::exp(x), (dy * y))
TW_ROW(Exp2, std::exp2(x), (dy * y * ln2))
TW_ROW(Expm1, std::expm1(x), (dy * (y + 1)))
TW_ROW(Log, std::log(x), dy / x)
TW_ROW(Log2, std::log2(x), dy / (x * ln2))
TW_ROW(Log10, std::log10(x), dy / (x * ln10))
TW_ROW(Log1p, std::log1p(x), dy / (x + 1))
TW_ROW(Sqrt, std::sqrt(x), dy / (2 * y))
TW_ROW(Rsqrt, 1 / std::sqrt(x), -0.5 * dy * y * y * y)
TW_ROW(Reciprocal, 1 / x, -dy * y * y)
TW_ROW(Sin, std::sin(x), (dy * std::cos(x)))
TW_ROW(Cos, std::cos(x), -dy* std::sin(x))
TW_ROW(Tan, std::tan(x), (dy * (1 + y * y)))
TW_ROW(Asin, std::asin(x), dy / std::sqrt(1 - x * x))
TW_ROW(Acos, std::acos(x), -dy / std::sqrt(1 - x * x))
TW_ROW(Atan, std::atan(x), dy / (1 + x * x))
TW_ROW(Sinh, std::sinh(x), (dy * std::cosh(x)))
TW_ROW(Cosh, std::cosh(x), (dy * std::sinh(x)))
TW_ROW(Tanh, std::tanh(x), (dy * (1 - y * y)))
TW_ROW(Asinh, std::asinh(x), dy / std::sqrt(x * x + 1))
TW_ROW(Acosh, std::acosh(x), dy / std::sqrt((x - 1) * (x + 1)))
TW_ROW(Atanh, std::atanh(x), dy / (1 - x * x))
TW_ROW(Erf, std::erf(x), (dy * two_over_root_pi * std::exp(-x * x)))
TW_ROW(Erfc, std::erfc(x), -dy * two_over_root_pi * std::exp(-x * x))
TW_ROW(Erfinv, inverse_erf(x), dy / two_over_root_pi * std::exp(y * y))
TW_ROW(Sigmoid, logistic(x), (dy * (1 - y) * y))

TW_ROW(Hardtanh, clip(x, p.a, p.b), x <= p.a || x >= p.b ? 0 : dy)
TW_ROW(LeakyRelu, x > 0 ? x : x * p.a, x > 0 ? dy : dy * p.a)
TW_ROW(Elu, x <= 0 ? p.a * std::expm1(x * p.c) : x * p.b,
       x <= 0 ? dy * p.a * p.c * std::exp(x * p.c) : dy * p.b)
TW_ROW(Gelu, normal_distribution(x) * x, (dy * (normal_distribution(x) + x * normal_density(x))))
TW_ROW(Silu, x / (1 + std::exp(-x)), (dy * logistic(x) * (1 + x * (1 - logistic(x)))))
TW_ROW(Hardswish, clip(x + 3, 0, 6) * x / 6, x <= -3 ? 0 : x < 3 ? dy * (x / 3 + 0.5) : dy)
TW_ROW(Hardsigmoid, clip(x + 3, 0, 6) / 6, x > -3 && x < 3 ? dy / 6 : 0)
TW_ROW(Hardshrink, std::abs(x) <= p.a ? 0 : x, std::abs(x) <= p.a ? 0 : dy)
TW_ROW(Softshrink,
       std::abs(x) <= p.a ? 0 * x
       : x > 0            ? x - p.a
                          : x + p.a,
       std::abs(x) <= p.a ? 0 : dy)
TW_ROW(Tanhshrink, x - std::tanh(x), (dy * std::tanh(x) * std::tanh(x)))
TW_ROW(Threshold, x <= p.a ? p.b : x, x <= p.a ? 0 : dy)
TW_ROW(LogSigmoid, -softplus(-x), (dy * logistic(-x)))
TW_ROW(Softplus, (x * p.a) > p.b ? x : softplus(x * p.a) * p.c,
       (x * p.a) > p.b ? dy : dy * logistic(x * p.a))
TW_ROW(Softsign, x / (1 + std::abs(x)), dy / ((1 + std::abs(x)) * (1 + std::abs(x))))
#undef TW_ROW

struct GeluTanh {
  static double forward(double x, const UnaryConstants&) {
    return 0.5 * x * (1 + std::tanh(gelu_argument(x)));
  }
  static double backward(double dy, double x, const UnaryConstants&) {
    const double t = std::tanh(gelu_argument(x));
    const double slope = gelu_scale * (1 + 3 * 0.044715 * x * x);
    return dy * 0.5 * (1 + t + x * (1 - t * t) * slope);
  }
};

struct Mish {
  static double forward(double x, const UnaryConstants&) { return x * std::tanh(softplus(x)); }
  static double backward(double dy, double x, const UnaryConstants&) {
    const double t = std::tanh(softplus(x));
    return dy * (t + x * logistic(x) * (1 - t * t));
  }
};

struct IsNan {
  static bool apply(double x) { return std::isnan(x); }
};
struct IsInf {
  static bool apply(double x) { return std::isinf(x); }
};
struct IsFinite {
  static bool apply(double x) { return std::isfinite(x); }
};

template <typename Row>
void unary(const double* x, double* y, index_t count, const UnaryConstants& p) {
  for (index_t i = 0; i < count; ++i) y[i] = Row::forward(x[i], p);
}
template <typename Row>
void unary_backward(const double* dy, const double* kept, double* dx, index_t count,
                    const UnaryConstants& p) {
  for (index_t i = 0; i < count; ++i) dx[i] = Row::backward(dy[i], kept[i], p);
}
template <typename Op>
void test(const double* x, std::uint8_t* y, index_t count) {
  for (index_t i = 0; i < count; ++i) y[i] = Op::apply(x[i]) ? 1 : 0;
}

}  // namespace tilewise::ref
