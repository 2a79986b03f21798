// Functions of one operand: plain loops for every dtype but the float32 kernels.
#pragma once

#include <cmath>
#include <type_traits>

#include "base/types.h"

namespace tilewise::ref {

struct Neg {
  template <typename T>
  static T apply(T x) {
    if constexpr (std::is_integral_v<T>) {
      using U = std::make_unsigned_t<T>;  // the smallest integer stays as it is
      return static_cast<T>(static_cast<U>(0U - static_cast<U>(x)));
    } else {
      return -x;
    }
  }
};
struct Abs {
  template <typename T>
  static T apply(T x) {
    if constexpr (std::is_unsigned_v<T>) return x;
    if constexpr (std::is_floating_point_v<T>) return std::abs(x);
    return x < 0 ? Neg::apply(x) : x;
  }
};
struct Sign {  // 0 for NaN, as PyTorch
  template <typename T>
  static T apply(T x) {
    if constexpr (std::is_unsigned_v<T>) return x != 0;
    return static_cast<T>((x > T(0)) - (x < T(0)));
  }
};
struct Square {
  template <typename T>
  static T apply(T x) {
    if constexpr (std::is_integral_v<T>) {
      using U = std::make_unsigned_t<T>;
      return static_cast<T>(static_cast<U>(static_cast<U>(x) * static_cast<U>(x)));
    } else {
      return x * x;
    }
  }
};

// Floating dtypes only.
struct Floor {
  template <typename T>
  static T apply(T x) {
    return std::floor(x);
  }
};
struct Ceil {
  template <typename T>
  static T apply(T x) {
    return std::ceil(x);
  }
};
struct Round {  // halves to even
  template <typename T>
  static T apply(T x) {
    return std::nearbyint(x);
  }
};
struct Exp {
  template <typename T>
  static T apply(T x) {
    return std::exp(x);
  }
};
struct Log {
  template <typename T>
  static T apply(T x) {
    return std::log(x);
  }
};
struct Log1p {
  template <typename T>
  static T apply(T x) {
    return std::log1p(x);
  }
};
struct Sqrt {
  template <typename T>
  static T apply(T x) {
    return std::sqrt(x);
  }
};
struct Rsqrt {
  template <typename T>
  static T apply(T x) {
    return T(1) / std::sqrt(x);
  }
};
struct Reciprocal {
  template <typename T>
  static T apply(T x) {
    return T(1) / x;
  }
};
struct Sin {
  template <typename T>
  static T apply(T x) {
    return std::sin(x);
  }
};
struct Cos {
  template <typename T>
  static T apply(T x) {
    return std::cos(x);
  }
};
struct Tanh {
  template <typename T>
  static T apply(T x) {
    return std::tanh(x);
  }
};
struct Sigmoid {
  template <typename T>
  static T apply(T x) {
    return T(1) / (T(1) + std::exp(-x));
  }
};
struct IsNan {
  template <typename T>
  static bool apply(T x) {
    return x != x;
  }
};
struct IsInf {
  template <typename T>
  static bool apply(T x) {
    return std::isinf(x);
  }
};
struct IsFinite {
  template <typename T>
  static bool apply(T x) {
    return std::isfinite(x);
  }
};

template <typename Op, typename T, typename R>
void unary(const T* x, R* y, index_t count) {
  for (index_t i = 0; i < count; ++i) y[i] = static_cast<R>(Op::apply(x[i]));
}

}  // namespace tilewise::ref
