#include "kernels/unary.h"

#include "kernels/simd/simd.h"
// After simd.h, whose types it uses.
#include "kernels/simd/math.h"

namespace tilewise {
namespace TW_ISA {
namespace {

struct Neg {
  static TW_INLINE VecF apply(VecF x) {
    return bit_cast_f(bit_cast_i(x) ^ bit_cast_i(set1(-0.0F)));
  }
};
struct Abs {
  static TW_INLINE VecF apply(VecF x) { return abs(x); }
};
struct Sign {  // 0 for NaN, as PyTorch
  static TW_INLINE VecF apply(VecF x) {
    const VecF positive = select(x > zero(), set1(1.0F), zero());
    return select(x < zero(), set1(-1.0F), positive);
  }
};
struct Square {
  static TW_INLINE VecF apply(VecF x) { return x * x; }
};
struct Floor {
  static TW_INLINE VecF apply(VecF x) { return floor(x); }
};
struct Ceil {
  static TW_INLINE VecF apply(VecF x) { return ceil(x); }
};
struct Round {
  static TW_INLINE VecF apply(VecF x) { return round_nearest(x); }
};
struct Exp {
  static TW_INLINE VecF apply(VecF x) { return exp(x); }
};
struct Log {
  static TW_INLINE VecF apply(VecF x) { return log(x); }
};
struct Log1p {
  static TW_INLINE VecF apply(VecF x) { return log1p(x); }
};
struct Sqrt {
  static TW_INLINE VecF apply(VecF x) { return sqrt(x); }
};
struct Rsqrt {
  static TW_INLINE VecF apply(VecF x) { return set1(1.0F) / sqrt(x); }
};
struct Reciprocal {
  static TW_INLINE VecF apply(VecF x) { return set1(1.0F) / x; }
};
struct Sin {
  static TW_INLINE VecF apply(VecF x) { return sin(x); }
};
struct Cos {
  static TW_INLINE VecF apply(VecF x) { return cos(x); }
};
struct Tanh {
  static TW_INLINE VecF apply(VecF x) { return tanh(x); }
};
struct Sigmoid {
  static TW_INLINE VecF apply(VecF x) { return sigmoid(x); }
};
struct IsNan {
  static TW_INLINE Mask apply(VecF x) { return is_nan(x); }
};
struct IsInf {
  static TW_INLINE Mask apply(VecF x) { return abs(x) == set1(__builtin_inff()); }
};
struct IsFinite {
  static TW_INLINE Mask apply(VecF x) { return abs(x) < set1(__builtin_inff()); }
};

TW_INLINE void put(float* y, VecF value) { store(y, value); }
TW_INLINE void put(std::uint8_t* y, Mask value) { store_bools(y, value); }
TW_INLINE void put_partial(float* y, VecF value, index_t n) { store_partial(y, value, n); }
TW_INLINE void put_partial(std::uint8_t* y, Mask value, index_t n) {
  store_bools_partial(y, value, n);
}

template <typename Op, typename R>
void run(const float* x, R* y, index_t count) {
  index_t i = 0;
  for (; i + VecF::width <= count; i += VecF::width) put(y + i, Op::apply(load(x + i)));
  const index_t n = count - i;
  if (n > 0) put_partial(y + i, Op::apply(load_partial(x + i, n)), n);
}

}  // namespace

const UnaryKernels unary_kernels{
    run<Neg, float>,          run<Abs, float>,
    run<Sign, float>,         run<Square, float>,
    run<Floor, float>,        run<Ceil, float>,
    run<Round, float>,        run<Exp, float>,
    run<Log, float>,          run<Log1p, float>,
    run<Sqrt, float>,         run<Rsqrt, float>,
    run<Reciprocal, float>,   run<Sin, float>,
    run<Cos, float>,          run<Tanh, float>,
    run<Sigmoid, float>,      run<IsNan, std::uint8_t>,
    run<IsInf, std::uint8_t>, run<IsFinite, std::uint8_t>,
};

}  // namespace TW_ISA
}  // namespace tilewise
