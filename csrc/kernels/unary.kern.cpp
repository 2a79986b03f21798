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

template <typename Op>
void run(const float* x, float* y, index_t count, bool streaming) {
  constexpr index_t w = VecF::width;
  index_t i = 0;
  if (streaming && reinterpret_cast<std::uintptr_t>(y) % (w * sizeof(float)) == 0) {
    for (; i + w <= count; i += w) stream(y + i, Op::apply(load(x + i)));
    stream_fence();
  }
  for (; i + w <= count; i += w) store(y + i, Op::apply(load(x + i)));
  const index_t n = count - i;
  if (n > 0) store_partial(y + i, Op::apply(load_partial(x + i, n)), n);
}

template <typename Op>
void test(const float* x, std::uint8_t* y, index_t count) {
  index_t i = 0;
  for (; i + VecF::width <= count; i += VecF::width) store_bools(y + i, Op::apply(load(x + i)));
  const index_t n = count - i;
  if (n > 0) store_bools_partial(y + i, Op::apply(load_partial(x + i, n)), n);
}

}  // namespace

const UnaryKernels unary_kernels{
    run<Neg>, run<Abs>,  run<Sign>,    run<Square>, run<Floor>,  run<Ceil>,       run<Round>,
    run<Exp>, run<Log>,  run<Log1p>,   run<Sqrt>,   run<Rsqrt>,  run<Reciprocal>, run<Sin>,
    run<Cos>, run<Tanh>, run<Sigmoid>, test<IsNan>, test<IsInf>, test<IsFinite>,
};

}  // namespace TW_ISA
}  // namespace tilewise
