// Tiles of a row are widened to double, computed by a loop of constant length that the compiler
// turns into vector code (so no function here branches), and rounded to float.
#include "kernels/binary_math.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/double_math.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t tile = 64;

// Both sides are computed: && and || would branch.
TW_INLINE bool both(bool a, bool b) { return a & b; }
TW_INLINE bool either(bool a, bool b) { return a | b; }

struct Pow {
  static constexpr bool may_be_hard = false;
  static TW_INLINE double apply(double x, double y) {
    constexpr double beyond = 400.0;  // 2^400 and 2^-400 are infinity and 0 as float
    const double size = absolute(x);
    double log = log2(size);
    log = size == 0 ? -1e300 : log;
    log = size == infinity ? 1e300 : log;
    double t = y * log;
    t = t > beyond ? beyond : t;
    t = t < -beyond ? -beyond : t;
    t = size == 1.0 ? 0.0 : t;  // also where y is infinite
    double value = exp2(t);
    const bool whole = floor(y) == y;
    const bool odd = both(whole, floor(0.5 * y) != 0.5 * y);
    value = odd ? copy_sign(value, x) : value;
    value = both(both(x < 0, !whole), size != infinity) ? not_a_number : value;
    value = either(x != x, y != y) ? not_a_number : value;
    return either(y == 0, x == 1.0) ? 1.0 : value;
  }
};

// a - b trunc(a / b): the quotient has at most 29 bits and the divisor 24, so their product is
// exact. The rounded quotient may be the next whole number.
struct Fmod {
  static constexpr bool may_be_hard = true;
  static constexpr double most_quotient = 0x1p29;
  static TW_INLINE bool hard(double a, double b) {
    return both(both(absolute(a / b) >= most_quotient, b != 0), absolute(a) < infinity);
  }
  static TW_INLINE double from_magnitudes(double a, double b) {
    const double rest = a - b * truncate(a / b);
    const double value = rest < 0 ? rest + b : rest;
    return both(b == infinity, a < infinity) ? a : value;
  }
  static TW_INLINE double apply(double a, double b) {
    return copy_sign(from_magnitudes(absolute(a), absolute(b)), a);
  }
  static TW_INLINE double finish(double rest, double /*a*/, double /*b*/) { return rest; }
};

struct Remainder : Fmod {
  static TW_INLINE double finish(double rest, double /*a*/, double b) {
    return both(rest != 0, (rest < 0) != (b < 0)) ? rest + b : rest;
  }
  static TW_INLINE double apply(double a, double b) { return finish(Fmod::apply(a, b), a, b); }
};

struct FloorDiv : Fmod {
  static TW_INLINE double finish(double rest, double a, double b) {
    double q = (a - rest) / b;  // whole, up to one rounding
    q = both(rest != 0, (rest < 0) != (b < 0)) ? q - 1.0 : q;
    const double below = floor(q);
    double whole = q - below > 0.5 ? below + 1.0 : below;
    whole = q == 0 ? copy_sign(0.0, a / b) : whole;
    return b == 0 ? a / b : whole;
  }
  static TW_INLINE double apply(double a, double b) { return finish(Fmod::apply(a, b), a, b); }
};

struct Atan2 {
  static constexpr bool may_be_hard = false;
  static TW_INLINE double apply(double y, double x) {
    constexpr double pi = 3.14159265358979324;
    const double height = absolute(y);
    const double width = absolute(x);
    const double low = height < width ? height : width;
    const double high = height < width ? width : height;
    double ratio = low / high;
    ratio = high == 0 ? 0.0 : ratio;
    ratio = low == infinity ? 1.0 : ratio;
    double angle = atan_of_fraction(ratio);
    angle = height > width ? 0.5 * pi - angle : angle;
    angle = negative(x) ? pi - angle : angle;
    return either(x != x, y != y) ? not_a_number : copy_sign(angle, y);
  }
};

__attribute__((noinline)) void widen(const float* p, index_t step, index_t count, double* out) {
  for (index_t i = 0; i < count; ++i) out[i] = static_cast<double>(p[i * step]);
  for (index_t i = count; i < tile; ++i) out[i] = 1.0;
}

template <typename Op>
TW_INLINE void run_tile(const double* a, const double* b, float* z) {
  if constexpr (!Op::may_be_hard) {
    for (index_t i = 0; i < tile; ++i) z[i] = static_cast<float>(Op::apply(a[i], b[i]));
  } else {
    std::uint64_t any = 0;
    for (index_t i = 0; i < tile; ++i) {
      z[i] = static_cast<float>(Op::apply(a[i], b[i]));
      any |= Op::hard(a[i], b[i]) ? std::uint64_t{1} : 0;
    }
    for (index_t i = 0; any != 0 && i < tile; ++i) {
      if (!Op::hard(a[i], b[i])) continue;
      z[i] = static_cast<float>(Op::finish(__builtin_fmod(a[i], b[i]), a[i], b[i]));
    }
  }
}

template <typename Op>
void run(const BinaryBlock& block, float* z) {
  double a[tile];
  double b[tile];
  float result[tile];
  for (index_t row = 0; row < block.rows; ++row) {
    for (index_t i = 0; i < block.cols; i += tile) {
      const index_t count = block.cols - i < tile ? block.cols - i : tile;
      widen(block.a + row * block.a_row + i * block.a_step, block.a_step, count, a);
      widen(block.b + row * block.b_row + i * block.b_step, block.b_step, count, b);
      run_tile<Op>(a, b, result);
      float* out = z + row * block.z_row + i;
      for (index_t j = 0; j < count; ++j) out[j] = result[j];
    }
  }
}

}  // namespace

const BinaryMathKernels binary_math_kernels{run<Pow>, run<Fmod>, run<Remainder>, run<FloorDiv>,
                                            run<Atan2>};

}  // namespace TW_ISA
}  // namespace tilewise
