// Sums: a lane adds at most 16 values in float32 before the lanes are added pairwise and the block
// sum goes to a double. The error of a sum of n terms is then that of 16 terms plus a few
// roundings, whatever n is, at the speed of float32 vectors.
#include "kernels/reduce.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t w = VecF::width;
constexpr index_t unroll = 4;
constexpr index_t adds_per_lane = 16;

double sum_run(const float* x, index_t count) {
  constexpr index_t block = adds_per_lane * unroll * w;
  double total = 0.0;
  index_t i = 0;
  while (i + unroll * w <= count) {
    const index_t end = i + block < count ? i + block : count;
    VecF s0 = zero();
    VecF s1 = zero();
    VecF s2 = zero();
    VecF s3 = zero();
    for (; i + unroll * w <= end; i += unroll * w) {
      s0 = s0 + load(x + i);
      s1 = s1 + load(x + i + w);
      s2 = s2 + load(x + i + 2 * w);
      s3 = s3 + load(x + i + 3 * w);
    }
    total += static_cast<double>(reduce_add((s0 + s1) + (s2 + s3)));
  }
  VecF rest = zero();
  for (; i + w <= count; i += w) rest = rest + load(x + i);
  if (i < count) rest = rest + load_partial(x + i, count - i);
  return total + static_cast<double>(reduce_add(rest));
}

void sum_rows(const MatrixView& m, double* out) {
  for (index_t r = 0; r < m.rows; ++r) out[r] = sum_run(m.x + r * m.row_stride, m.cols);
}

void sum_cols(const MatrixView& m, double* out) {
  for (index_t r0 = 0; r0 < m.rows; r0 += adds_per_lane) {
    const index_t rows = m.rows - r0 < adds_per_lane ? m.rows - r0 : adds_per_lane;
    const float* x = m.x + r0 * m.row_stride;
    index_t c = 0;
    for (; c + unroll * w <= m.cols; c += unroll * w) {
      VecF s0 = zero();
      VecF s1 = zero();
      VecF s2 = zero();
      VecF s3 = zero();
      for (index_t r = 0; r < rows; ++r) {
        const float* p = x + r * m.row_stride + c;
        s0 = s0 + load(p);
        s1 = s1 + load(p + w);
        s2 = s2 + load(p + 2 * w);
        s3 = s3 + load(p + 3 * w);
      }
      accumulate(out + c, s0);
      accumulate(out + c + w, s1);
      accumulate(out + c + 2 * w, s2);
      accumulate(out + c + 3 * w, s3);
    }
    for (; c < m.cols; c += w) {
      const index_t n = m.cols - c < w ? m.cols - c : w;
      VecF s = zero();
      for (index_t r = 0; r < rows; ++r) s = s + load_partial(x + r * m.row_stride + c, n);
      float lanes[w];
      store(lanes, s);
      for (index_t i = 0; i < n; ++i) out[c + i] += static_cast<double>(lanes[i]);
    }
  }
}

// The larger of two, or a NaN of either.
struct Larger {
  static TW_INLINE VecF apply(VecF a, VecF b) { return select(is_nan(a), a, max(a, b)); }
  static TW_INLINE float apply(float a, float b) { return a != a || a > b ? a : b; }
};
struct Smaller {
  static TW_INLINE VecF apply(VecF a, VecF b) { return select(is_nan(a), a, min(a, b)); }
  static TW_INLINE float apply(float a, float b) { return a != a || a < b ? a : b; }
};

template <typename Op>
float extreme_run(const float* x, index_t count) {
  float best = x[0];
  index_t i = 0;
  if (count >= unroll * w) {  // four chains hide the latency of compare and select
    VecF b0 = load(x);
    VecF b1 = load(x + w);
    VecF b2 = load(x + 2 * w);
    VecF b3 = load(x + 3 * w);
    for (i = unroll * w; i + unroll * w <= count; i += unroll * w) {
      b0 = Op::apply(b0, load(x + i));
      b1 = Op::apply(b1, load(x + i + w));
      b2 = Op::apply(b2, load(x + i + 2 * w));
      b3 = Op::apply(b3, load(x + i + 3 * w));
    }
    float lanes[w];
    store(lanes, Op::apply(Op::apply(b0, b1), Op::apply(b2, b3)));
    for (index_t k = 0; k < w; ++k) best = Op::apply(best, lanes[k]);
  }
  for (; i < count; ++i) best = Op::apply(best, x[i]);
  return best;
}

template <typename Op>
void extreme_rows(const MatrixView& m, float* out) {
  for (index_t r = 0; r < m.rows; ++r) out[r] = extreme_run<Op>(m.x + r * m.row_stride, m.cols);
}

template <typename Op>
void extreme_cols(const MatrixView& m, float* out) {
  for (index_t r = 0; r < m.rows; ++r) {
    const float* x = m.x + r * m.row_stride;
    index_t c = 0;
    for (; c + w <= m.cols; c += w) store(out + c, Op::apply(load(out + c), load(x + c)));
    const index_t n = m.cols - c;
    if (n > 0) {
      store_partial(out + c, Op::apply(load_partial(out + c, n), load_partial(x + c, n)), n);
    }
  }
}

// 0 * x is 0 for finite x and NaN otherwise.
bool all_finite(const float* x, index_t count) {
  VecF s0 = zero();
  VecF s1 = zero();
  index_t i = 0;
  for (; i + 2 * w <= count; i += 2 * w) {
    s0 = fmadd(load(x + i), zero(), s0);
    s1 = fmadd(load(x + i + w), zero(), s1);
  }
  for (; i < count; i += w) {
    const index_t n = count - i < w ? count - i : w;
    s0 = fmadd(load_partial(x + i, n), zero(), s0);
  }
  return !any(is_nan(s0 + s1));
}

}  // namespace

const ReduceKernels reduce_kernels{
    sum_rows,
    sum_cols,
    extreme_rows<Larger>,
    extreme_rows<Smaller>,
    extreme_cols<Larger>,
    extreme_cols<Smaller>,
    all_finite,
};

}  // namespace TW_ISA
}  // namespace tilewise
