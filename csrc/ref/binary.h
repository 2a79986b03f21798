// Two operands, one result: plain loops over strided blocks, for every dtype but the float32
// kernels. Integer arithmetic wraps around.
#pragma once

#include <cmath>
#include <type_traits>

#include "base/convert.h"
#include "base/error.h"
#include "base/types.h"

namespace tilewise::ref {

// Unsigned arithmetic wraps without undefined behaviour; results are converted back.
template <typename T, typename F>
T wrapping(T a, T b, F operation) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(operation(static_cast<U>(a), static_cast<U>(b))));
  } else {
    return operation(a, b);
  }
}

struct Add {
  template <typename T>
  static T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
};
struct Sub {
  template <typename T>
  static T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x - y; });
  }
};
struct Mul {
  template <typename T>
  static T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
};
struct Div {  // floating dtypes only
  template <typename T>
  static T apply(T a, T b) {
    return a / b;
  }
};
struct Maximum {  // NaN in either operand gives NaN
  template <typename T>
  static T apply(T a, T b) {
    return a != a || a > b ? a : b;
  }
};
struct Minimum {
  template <typename T>
  static T apply(T a, T b) {
    return a != a || a < b ? a : b;
  }
};

// The remainder has the sign of the divisor, as in Python.
struct Remainder {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      TW_CHECK(b != 0, "remainder: integer division by zero");
      if constexpr (std::is_signed_v<T>) {
        if (b == T(-1)) return 0;  // the quotient of the smallest integer would overflow
      }
      const T r = static_cast<T>(a % b);
      return r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
    } else {
      const T r = std::fmod(a, b);
      return r != 0 && (r < 0) != (b < 0) ? r + b : r;
    }
  }
};

struct FloorDiv {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      TW_CHECK(b != 0, "floor_div: integer division by zero");
      if constexpr (std::is_signed_v<T>) {
        if (b == T(-1)) return Sub::apply(T(0), a);
      }
      const T q = static_cast<T>(a / b);
      return a % b != 0 && (a < 0) != (b < 0) ? static_cast<T>(q - 1) : q;
    } else {
      if (b == 0) return a / b;
      // a - fmod(a, b) is a multiple of b, up to one rounding.
      const T r = std::fmod(a, b);
      T q = (a - r) / b;
      if (r != 0 && (r < 0) != (b < 0)) q -= 1;
      if (q == 0) return std::copysign(T(0), a / b);
      const T whole = std::floor(q);
      return q - whole > T(0.5) ? whole + 1 : whole;
    }
  }
};

struct Pow {
  template <typename T>
  static T apply(T base, T exponent) {
    if constexpr (std::is_integral_v<T>) {
      TW_CHECK(!(exponent < 0), "pow: integers have no negative integer powers");
      T result = 1;
      for (; exponent != 0; exponent = static_cast<T>(exponent >> 1)) {
        if (exponent & 1) result = Mul::apply(result, base);
        base = Mul::apply(base, base);
      }
      return result;
    } else {
      return converted<T>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
    }
  }
};

struct FMax {  // floating dtypes only, as the following
  template <typename T>
  static T apply(T a, T b) {
    return std::fmax(a, b);
  }
};
struct FMin {
  template <typename T>
  static T apply(T a, T b) {
    return std::fmin(a, b);
  }
};
struct Atan2 {
  template <typename T>
  static T apply(T a, T b) {
    return std::atan2(a, b);
  }
};
struct Hypot {
  template <typename T>
  static T apply(T a, T b) {
    return std::hypot(a, b);
  }
};
struct CopySign {
  template <typename T>
  static T apply(T a, T b) {
    return std::copysign(a, b);
  }
};
struct LogAddExp {
  template <typename T>
  static T apply(T a, T b) {
    if (a == b && std::isinf(a)) return a;
    if (a != a || b != b) return a + b;
    return (a > b ? a : b) + std::log1p(std::exp(-std::abs(a - b)));
  }
};
struct XLogY {
  template <typename T>
  static T apply(T a, T b) {
    if (b != b) return b;
    return a == 0 ? T(0) : a * std::log(b);
  }
};

struct TruncDiv {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      TW_CHECK(b != 0, "div: integer division by zero");
      if constexpr (std::is_signed_v<T>) {
        if (b == T(-1)) return Sub::apply(T(0), a);
      }
      return static_cast<T>(a / b);
    } else {
      return std::trunc(a / b);
    }
  }
};

struct Fmod {
  template <typename T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      TW_CHECK(b != 0, "fmod: integer division by zero");
      if constexpr (std::is_signed_v<T>) {
        if (b == T(-1)) return 0;
      }
      return static_cast<T>(a % b);
    } else {
      return std::fmod(a, b);
    }
  }
};

struct BitAnd {  // integral dtypes only, as the following
  template <typename T>
  static T apply(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct BitOr {
  template <typename T>
  static T apply(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct BitXor {
  template <typename T>
  static T apply(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};
// A shift by all bits, or by a negative number, pushes every bit out.
struct ShiftLeft {
  template <typename T>
  static T apply(T a, T b) {
    constexpr int bits = static_cast<int>(sizeof(T)) * 8;
    if (b < 0 || b >= bits) return T(0);
    return static_cast<T>(static_cast<std::uint64_t>(a) << b);
  }
};
struct ShiftRight {
  template <typename T>
  static T apply(T a, T b) {
    constexpr int bits = static_cast<int>(sizeof(T)) * 8;
    if (b < 0 || b >= bits) return a < 0 ? static_cast<T>(-1) : T(0);
    return static_cast<T>(a >> b);
  }
};

struct Equal {
  template <typename T>
  static bool apply(T a, T b) {
    return a == b;
  }
};
struct NotEqual {
  template <typename T>
  static bool apply(T a, T b) {
    return a != b;
  }
};
struct Less {
  template <typename T>
  static bool apply(T a, T b) {
    return a < b;
  }
};
struct LessEqual {
  template <typename T>
  static bool apply(T a, T b) {
    return a <= b;
  }
};

struct LogicalAnd {
  template <typename T>
  static bool apply(T a, T b) {
    return a != 0 && b != 0;
  }
};
struct LogicalOr {
  template <typename T>
  static bool apply(T a, T b) {
    return a != 0 || b != 0;
  }
};
struct LogicalXor {
  template <typename T>
  static bool apply(T a, T b) {
    return (a != 0) != (b != 0);
  }
};

struct Strides2 {
  index_t row;
  index_t col;
};

// z[r][c] = Op(a[r][c], b[r][c]).
template <typename Op, typename T, typename R>
void binary(const T* a, Strides2 sa, const T* b, Strides2 sb, R* z, Strides2 sz, index_t rows,
            index_t cols) {
  for (index_t r = 0; r < rows; ++r) {
    const T* pa = a + r * sa.row;
    const T* pb = b + r * sb.row;
    R* pz = z + r * sz.row;
    if (sa.col == 1 && sb.col == 1 && sz.col == 1) {
      for (index_t c = 0; c < cols; ++c) pz[c] = static_cast<R>(Op::apply(pa[c], pb[c]));
    } else {
      for (index_t c = 0; c < cols; ++c) {
        pz[c * sz.col] = static_cast<R>(Op::apply(pa[c * sa.col], pb[c * sb.col]));
      }
    }
  }
}

}  // namespace tilewise::ref
