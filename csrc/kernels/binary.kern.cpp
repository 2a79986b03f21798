#include "kernels/binary.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/math.h"
#include "kernels/simd/math_more.h"

namespace tilewise {
namespace TW_ISA {
namespace {

struct Add {
  static TW_INLINE VecF apply(VecF a, VecF b) { return a + b; }
};
struct Sub {
  static TW_INLINE VecF apply(VecF a, VecF b) { return a - b; }
};
struct Mul {
  static TW_INLINE VecF apply(VecF a, VecF b) { return a * b; }
};
struct Div {
  static TW_INLINE VecF apply(VecF a, VecF b) { return a / b; }
};
// max(a, b) is b where either is NaN: only a NaN in a is left to care for.
struct Maximum {
  static TW_INLINE VecF apply(VecF a, VecF b) { return select(is_nan(a), a, max(a, b)); }
};
struct Minimum {
  static TW_INLINE VecF apply(VecF a, VecF b) { return select(is_nan(a), a, min(a, b)); }
};
struct FMax {
  static TW_INLINE VecF apply(VecF a, VecF b) { return select(is_nan(b), a, max(a, b)); }
};
struct FMin {
  static TW_INLINE VecF apply(VecF a, VecF b) { return select(is_nan(b), a, min(a, b)); }
};
// h sqrt(1 + (l / h)^2) for the larger h and the smaller l of two magnitudes: no overflow.
struct Hypot {
  static TW_INLINE VecF apply(VecF a, VecF b) {
    const VecF infinity = set1(__builtin_inff());
    const VecF x = abs(a);
    const VecF y = abs(b);
    const VecF high = max(x, y);
    const VecF ratio = min(x, y) / high;
    const VecF root = high * sqrt(fmadd(ratio, ratio, set1(1.0F)));
    const VecF finite = select(high == zero(), zero(), root);
    const VecF number = select(is_nan(x) | is_nan(y), x + y, finite);
    return select((x == infinity) | (y == infinity), infinity, number);
  }
};
// h + log(1 + exp(l - h)) for the larger h and the smaller l.
struct LogAddExp {
  static TW_INLINE VecF apply(VecF a, VecF b) {
    const VecF high = max(a, b);
    const VecF distance = abs(a - b);
    const VecF sum = high + log1p(exp(zero() - distance));
    const VecF number = select(is_nan(a) | is_nan(b), a + b, sum);
    return select((a == b) & (abs(a) == set1(__builtin_inff())), a, number);
  }
};
struct TruncDiv {
  static TW_INLINE VecF apply(VecF a, VecF b) { return trunc(a / b); }
};
struct CopySign {
  static TW_INLINE VecF apply(VecF a, VecF b) { return with_sign(a, b); }
};
struct XLogY {
  static TW_INLINE VecF apply(VecF a, VecF b) {
    return select(is_nan(b), b, select(a == zero(), zero(), a * log(b)));
  }
};
// The angle of the smaller magnitude over the larger, turned into its octant.
struct Atan2 {
  static TW_INLINE VecF apply(VecF y, VecF x) {
    const VecF height = abs(y);
    const VecF width = abs(x);
    const VecF high = max(height, width);
    const VecF low = min(height, width);
    VecF t = low / high;
    t = select(high == zero(), zero(), t);
    t = select(low == set1(__builtin_inff()), set1(1.0F), t);
    VecF angle = atan_of_fraction(t);
    angle = select(height > width, half_pi_minus(angle), angle);
    const VecF beyond = (set1(2 * half_pi) - angle) + set1(2 * half_pi_tail);
    const Mask left = with_sign(set1(1.0F), x) < zero();  // also -0
    const VecF turned = with_sign(select(left, beyond, angle), y);
    return select(is_nan(x) | is_nan(y), x + y, turned);
  }
};
struct Equal {
  static TW_INLINE Mask apply(VecF a, VecF b) { return a == b; }
};
struct NotEqual {
  static TW_INLINE Mask apply(VecF a, VecF b) { return a != b; }
};
struct Less {
  static TW_INLINE Mask apply(VecF a, VecF b) { return a < b; }
};
struct LessEqual {
  static TW_INLINE Mask apply(VecF a, VecF b) { return a <= b; }
};

template <bool streaming>
TW_INLINE void put(float* z, VecF value) {
  if constexpr (streaming) {
    stream(z, value);
  } else {
    store(z, value);
  }
}
template <bool>
TW_INLINE void put(std::uint8_t* z, Mask value) {
  store_bools(z, value);
}
TW_INLINE void put_partial(float* z, VecF value, index_t n) { store_partial(z, value, n); }
TW_INLINE void put_partial(std::uint8_t* z, Mask value, index_t n) {
  store_bools_partial(z, value, n);
}

// Step 1 reads along the row, step 0 repeats its first element.
template <bool step>
TW_INLINE VecF take(const float* p, index_t i, VecF repeated) {
  if constexpr (step) return load(p + i);
  return repeated;
}
template <bool step>
TW_INLINE VecF take_partial(const float* p, index_t i, index_t n, VecF repeated) {
  if constexpr (step) return load_partial(p + i, n);
  return repeated;
}

template <typename Op, bool a_step, bool b_step, bool streaming, typename R>
TW_INLINE void run_rows(const BinaryBlock& block, R* z) {
  constexpr index_t w = VecF::width;
  for (index_t row = 0; row < block.rows; ++row) {
    const float* a = block.a + row * block.a_row;
    const float* b = block.b + row * block.b_row;
    R* out = z + row * block.z_row;
    const VecF first_a = a_step ? zero() : set1(*a);
    const VecF first_b = b_step ? zero() : set1(*b);
    index_t i = 0;
    for (; i + w <= block.cols; i += w) {
      put<streaming>(out + i, Op::apply(take<a_step>(a, i, first_a), take<b_step>(b, i, first_b)));
    }
    const index_t n = block.cols - i;
    if (n > 0) {
      put_partial(
          out + i,
          Op::apply(take_partial<a_step>(a, i, n, first_a), take_partial<b_step>(b, i, n, first_b)),
          n);
    }
  }
}

template <typename Op, bool streaming, typename R>
TW_INLINE void run_steps(const BinaryBlock& block, R* z) {
  if (block.a_step == 1 && block.b_step == 1) {
    run_rows<Op, true, true, streaming>(block, z);
  } else if (block.a_step == 1) {
    run_rows<Op, true, false, streaming>(block, z);
  } else if (block.b_step == 1) {
    run_rows<Op, false, true, streaming>(block, z);
  } else {
    run_rows<Op, false, false, streaming>(block, z);
  }
}

// Every row of the result starts at a multiple of the register size.
TW_INLINE bool rows_aligned(const BinaryBlock& block, const float* z) {
  constexpr std::uintptr_t bytes = VecF::width * sizeof(float);
  const bool starts = reinterpret_cast<std::uintptr_t>(z) % bytes == 0;
  return starts && (block.rows == 1 || block.z_row % VecF::width == 0);
}

template <typename Op>
void run(const BinaryBlock& block, float* z) {
  if (block.stream && rows_aligned(block, z)) {
    run_steps<Op, true>(block, z);
    stream_fence();
  } else {
    run_steps<Op, false>(block, z);
  }
}

template <typename Op>
void compare(const BinaryBlock& block, std::uint8_t* z) {
  run_steps<Op, false>(block, z);
}

void add_scaled(float* z, const float* x, float scale, index_t count) {
  const VecF s = set1(scale);
  index_t i = 0;
  for (; i + VecF::width <= count; i += VecF::width) {
    store(z + i, fmadd(s, load(x + i), load(z + i)));
  }
  const index_t n = count - i;
  store_partial(z + i, fmadd(s, load_partial(x + i, n), load_partial(z + i, n)), n);
}

TW_INLINE VecF limit(VecF x, VecF low, VecF high) {
  return select(is_nan(x), x, min(max(x, low), high));
}

void clamp(const float* x, float low, float high, index_t count, float* z, bool streaming) {
  constexpr index_t w = VecF::width;
  const VecF l = set1(low);
  const VecF h = set1(high);
  index_t i = 0;
  if (streaming && reinterpret_cast<std::uintptr_t>(z) % (w * sizeof(float)) == 0) {
    for (; i + w <= count; i += w) stream(z + i, limit(load(x + i), l, h));
    stream_fence();
  }
  for (; i + w <= count; i += w) store(z + i, limit(load(x + i), l, h));
  store_partial(z + i, limit(load_partial(x + i, count - i), l, h), count - i);
}

void clamp_backward(const float* dy, const float* x, float low, float high, index_t count,
                    float* z) {
  constexpr index_t w = VecF::width;
  const VecF l = set1(low);
  const VecF h = set1(high);
  index_t i = 0;
  for (; i + w <= count; i += w) {
    const VecF v = load(x + i);
    store(z + i, select((l <= v) & (v <= h), load(dy + i), zero()));
  }
  const index_t n = count - i;
  const VecF v = load_partial(x + i, n);
  store_partial(z + i, select((l <= v) & (v <= h), load_partial(dy + i, n), zero()), n);
}

}  // namespace

const BinaryKernels binary_kernels{
    run<Add>,   run<Sub>,   run<Mul>,       run<Div>,          run<Maximum>,  run<Minimum>,
    run<FMax>,  run<FMin>,  run<Hypot>,     run<LogAddExp>,    run<TruncDiv>, run<CopySign>,
    run<XLogY>, run<Atan2>, compare<Equal>, compare<NotEqual>, compare<Less>, compare<LessEqual>,
    add_scaled, clamp,      clamp_backward,
};

}  // namespace TW_ISA
}  // namespace tilewise
