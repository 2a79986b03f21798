// Tiles of a row are widened to double, computed by a loop of constant length that the compiler
// turns into vector code (so no function here branches), and rounded to float.
#include "kernels/binary_math.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/double_math.h"
#include "kernels/simd/math.h"
#include "kernels/simd/partial.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t tile = 64;

// Both sides are computed: && and || would branch.
TW_INLINE bool both(bool a, bool b) { return a & b; }
TW_INLINE bool either(bool a, bool b) { return a | b; }

struct Pow {
  [[maybe_unused]] static constexpr bool may_be_hard = false;
  static constexpr double beyond = 400.0;  // 2^400 and 2^-400 are infinity and 0 as float
  // Of two numbers, the base above 0.
  static TW_INLINE bool plain(double x, double y) {
    return both(both(x > 0, x < infinity), absolute(y) < infinity);
  }
  static TW_INLINE double apply_plain(double x, double y) {
    double t = y * log2(x);
    t = t > beyond ? beyond : t;
    t = t < -beyond ? -beyond : t;
    return exp2(t);
  }
  static TW_INLINE double apply(double x, double y) {
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
  [[maybe_unused]] static constexpr bool may_be_hard = true;
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

__attribute__((noinline)) void widen(const float* p, index_t step, index_t count, double* out) {
  for (index_t i = 0; i < count; ++i) out[i] = static_cast<double>(p[i * step]);
  for (index_t i = count; i < tile; ++i) out[i] = 1.0;
}

template <typename Op>
TW_INLINE void run_tile(const double* a, const double* b, float* z) {
  if constexpr (!Op::may_be_hard) {
    std::uint64_t special = 0;
    for (index_t i = 0; i < tile; ++i) special |= Op::plain(a[i], b[i]) ? 0 : std::uint64_t{1};
    if (special == 0) {
      for (index_t i = 0; i < tile; ++i) z[i] = static_cast<float>(Op::apply_plain(a[i], b[i]));
      return;
    }
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

#if TW_ISA_LEVEL > 0
// With a fused product the rest needs no double: |a| - q |b| is exact for q = trunc(|a| / |b|),
// which a rounded quotient below 2^24 gives or exceeds by one.
struct Division {
  VecF whole;  // of the magnitudes
  VecF rest;
};
TW_INLINE Division divide(VecF a, VecF b) {
  const VecF infinity = set1(__builtin_inff());
  const VecF q = floor(a / b);
  const VecF rest = fnmadd(q, b, a);
  const Mask over = rest < zero();
  const Division d{select(over, q - set1(1.0F), q), select(over, rest + b, rest)};
  const Mask unbounded = (b == infinity) & (a < infinity);
  return {d.whole, select(unbounded, a, d.rest)};
}
// Not for quotients of too many digits, nor where a negative rest could be too small for a float.
constexpr float most_quotient = 0x1p24F;
constexpr float least_divisor = 0x1p-100F;
TW_INLINE Mask hard(VecF a, VecF b) {
  const Mask far = (a / b >= set1(most_quotient)) | (b < set1(least_divisor));
  return far & (b != zero()) & (a < set1(__builtin_inff()));
}
TW_INLINE Mask opposite(VecF a, VecF b) {
  return with_sign(set1(1.0F), a) != with_sign(set1(1.0F), b);
}

struct FloatFmod {
  using Wide = Fmod;
  static TW_INLINE VecF apply(Division d, VecF a, VecF /*b*/) { return with_sign(d.rest, a); }
};
struct FloatRemainder {
  using Wide = Remainder;
  static TW_INLINE VecF apply(Division d, VecF a, VecF b) {
    const VecF rest = with_sign(d.rest, a);
    return select((rest != zero()) & opposite(a, b), rest + b, rest);
  }
};
struct FloatFloorDiv {
  using Wide = FloorDiv;
  static TW_INLINE VecF apply(Division d, VecF a, VecF b) {
    const VecF down = select(d.rest == zero(), d.whole, d.whole + set1(1.0F));
    const VecF quotient = a / b;
    const VecF whole = with_sign(select(opposite(a, b), down, d.whole), quotient);
    return select((b == zero()) | is_nan(d.rest), select(b == zero(), quotient, d.rest), whole);
  }
};

template <typename Op>
__attribute__((noinline)) VecF finish_hard(VecF a, VecF b, VecF z) {
  float as[VecF::width];
  float bs[VecF::width];
  float zs[VecF::width];
  store(as, a);
  store(bs, b);
  store(zs, z);
  for (index_t i = 0; i < VecF::width; ++i) {
    const double x = static_cast<double>(as[i]);
    const double y = static_cast<double>(bs[i]);
    if (absolute(x / y) < double{most_quotient} / 2 && absolute(y) >= double{least_divisor})
      continue;
    zs[i] = static_cast<float>(Op::Wide::finish(__builtin_fmod(x, y), x, y));
  }
  return load(zs);
}

template <typename Op>
void run_divided(const BinaryBlock& block, float* z) {
  constexpr index_t w = VecF::width;
  for (index_t row = 0; row < block.rows; ++row) {
    const float* a = block.a + row * block.a_row;
    const float* b = block.b + row * block.b_row;
    float* out = z + row * block.z_row;
    for (index_t i = 0; i < block.cols; i += w) {
      const index_t n = block.cols - i < w ? block.cols - i : w;
      // The lanes beyond a tail divide 0 by 1.
      const VecF x = block.a_step == 1 ? load_n(a + i, n) : set1(*a);
      const VecF y = block.b_step == 1 ? load_filled(b + i, n, 1.0F) : set1(*b);
      VecF value = Op::apply(divide(abs(x), abs(y)), x, y);
      if (any(hard(abs(x), abs(y)))) value = finish_hard<Op>(x, y, value);
      store_n(out + i, value, n);
    }
  }
}
constexpr ArithmeticKernel fmod_kernel = run_divided<FloatFmod>;
constexpr ArithmeticKernel remainder_kernel = run_divided<FloatRemainder>;
constexpr ArithmeticKernel floor_div_kernel = run_divided<FloatFloorDiv>;
#else
constexpr ArithmeticKernel fmod_kernel = run<Fmod>;
constexpr ArithmeticKernel remainder_kernel = run<Remainder>;
constexpr ArithmeticKernel floor_div_kernel = run<FloorDiv>;
#endif

}  // namespace

const BinaryMathKernels binary_math_kernels{run<Pow>, fmod_kernel, remainder_kernel,
                                            floor_div_kernel};

}  // namespace TW_ISA
}  // namespace tilewise
