// Moments and sums of exponentials: each number is read from memory once, in blocks that the second
// look at them finds in L1. Sums are bounded as in reduce.kern.cpp.
#include "kernels/statistics.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/ahead.h"
#include "kernels/simd/math.h"
#include "kernels/simd/moments.h"
#include "kernels/simd/partial.h"
// After partial.h:
#include "kernels/simd/reduce_loops.h"

namespace tilewise {
namespace TW_ISA {
namespace {

void moments_rows(const MatrixView& m, CountedMoments* out) {
  for (index_t r = 0; r < m.rows; ++r) {
    const Moments of = long_moments<true>(m.x + r * m.row_stride, m.cols);
    out[r] = {static_cast<double>(m.cols), of.mean, of.deviations < 0 ? 0.0 : of.deviations};
  }
}

// sum[c] += x[c] - mean[c] and squares[c] += its square for a row.
TW_INLINE void add_deviations(const float* x, const float* mean, index_t cols, float* sum,
                              float* squares) {
  index_t c = 0;
  for (; c + w <= cols; c += w) {
    ask_far_ahead(x + c);
    const VecF d = load(x + c) - load(mean + c);
    store(sum + c, load(sum + c) + d);
    store(squares + c, fmadd(d, d, load(squares + c)));
  }
  if (c < cols) {
    const VecF d = load_partial(x + c, cols - c) - load_partial(mean + c, cols - c);
    store(sum + c, load(sum + c) + d);
    store(squares + c, fmadd(d, d, load(squares + c)));
  }
}

TW_INLINE void first_means(const float* x, index_t rows, index_t cols, index_t stride,
                           float* mean) {
  add_row<Identity, true>(x, cols, mean);
  for (index_t r = 1; r < rows; ++r) add_row<Identity, false>(x + r * stride, cols, mean);
  const VecF share = set1(1.0F / static_cast<float>(rows));
  for (index_t c = 0; c < cols; c += w) store(mean + c, load(mean + c) * share);
}

// Blocks of a few rows: deviations from the mean of the block before, of its own for the first one,
// which is read twice. Those from the first mean are summed in double.
void moments_cols(const MatrixView& m, CountedMoments* out) {
  constexpr index_t block = adds_per_lane;
  constexpr index_t wide = strip / 2;  // columns whose sums lie in L1
  alignas(64) float mean[wide];
  alignas(64) float sum[wide];
  alignas(64) float squares[wide];
  double origin[wide];
  double total[wide];
  double total_squares[wide];
  const double n = static_cast<double>(m.rows);
  for (index_t c0 = 0; c0 < m.cols; c0 += wide) {
    const index_t cols = smaller(m.cols - c0, wide);
    first_means(m.x + c0, smaller(m.rows, block), cols, m.row_stride, mean);
    for (index_t c = 0; c < cols; ++c) {
      origin[c] = static_cast<double>(mean[c]);
      total[c] = total_squares[c] = 0.0;
    }
    for (index_t r0 = 0; r0 < m.rows; r0 += block) {
      const index_t rows = smaller(m.rows - r0, block);
      const float* x = m.x + r0 * m.row_stride + c0;
      for (index_t c = 0; c < cols; c += w) {
        store(sum + c, zero());
        store(squares + c, zero());
      }
      for (index_t r = 0; r < rows; ++r) {
        add_deviations(x + r * m.row_stride, mean, cols, sum, squares);
      }
      const double count = static_cast<double>(rows);
      for (index_t c = 0; c < cols; ++c) {
        const double d = static_cast<double>(mean[c]) - origin[c];
        const double s = static_cast<double>(sum[c]);
        total[c] += s + count * d;
        total_squares[c] += static_cast<double>(squares[c]) + d * (2.0 * s + count * d);
      }
      const VecF share = set1(1.0F / static_cast<float>(rows));
      for (index_t c = 0; c < cols; c += w) {
        store(mean + c, fmadd(load(sum + c), share, load(mean + c)));
      }
    }
    for (index_t c = 0; c < cols; ++c) {
      const double gap = total[c] / n;
      const double deviations = total_squares[c] - total[c] * gap;
      out[c0 + c] = {n, origin[c] + gap, deviations < 0 ? 0.0 : deviations};
    }
  }
}

TW_INLINE bool is_finite(float x) { return x - x == 0.0F; }

// sum exp(x - origin); `below` where no x is above the origin and none is NaN.
template <bool below>
TW_INLINE double exponentials_of(const float* x, index_t count, float origin) {
  const VecF o = set1(origin);
  const auto term = [&](VecF v) { return below ? exp_to_88(v - o) : exp(v - o); };
  VecF s0 = zero();
  VecF s1 = zero();
  index_t i = 0;
  for (; i + 2 * w <= count; i += 2 * w) {
    s0 = s0 + term(load(x + i));
    s1 = s1 + term(load(x + i + w));
  }
  for (; i < count; i += w) s0 = s0 + term(load_filled(x + i, count - i, -__builtin_inff()));
  return static_cast<double>(reduce_add(s0 + s1));
}

// Blocks in L1: the largest, then the sum about the largest so far.
void exponentials_rows(const MatrixView& m, ScaledSum* out) {
  constexpr index_t block = 2 * adds_per_lane * w;
  for (index_t r = 0; r < m.rows; ++r) {
    const float* x = m.x + r * m.row_stride;
    float top = -__builtin_inff();
    double sum = 0.0;
    for (index_t i = 0; i < m.cols; i += block) {
      const index_t n = smaller(m.cols - i, block);
      const float next = Larger::apply(top, extreme_run<Larger>(x + i, n));
      const float origin = is_finite(next) ? next : 0.0F;
      if (next != top && sum > 0.0 && is_finite(top)) {
        sum *= __builtin_exp(static_cast<double>(top) - static_cast<double>(origin));
      }
      sum += is_finite(next) ? exponentials_of<true>(x + i, n, origin)
                             : exponentials_of<false>(x + i, n, origin);
      top = next;
    }
    out[r] = {is_finite(top) ? static_cast<double>(top) : 0.0, sum};
  }
}

// sums[c] += exp(x[c] - origin[c]) for a row; `below` as above. The row of the next block, `ahead`
// of this one, comes to L1 meanwhile: 0.8 times the time at 256 columns.
template <bool below>
TW_INLINE void add_exponentials(const float* x, const float* origin, index_t cols, index_t ahead,
                                float* sums) {
  const auto term = [&](VecF d) { return below ? exp_to_88(d) : exp(d); };
  index_t c = 0;
  for (; c + w <= cols; c += w) {
    prefetch(x + ahead + c);
    store(sums + c, load(sums + c) + term(load(x + c) - load(origin + c)));
  }
  if (c < cols) {
    const VecF d = load_partial(x + c, cols - c) - load_partial(origin + c, cols - c);
    store(sums + c, load(sums + c) + term(d));
  }
}

// Moves the origins of the sums to the largest numbers so far where those are finite; returns
// whether all are. `top` and `origin` have room for whole registers.
TW_INLINE bool move_origins(const float* top, index_t cols, float* origin, double* total) {
  const VecF infinity = set1(__builtin_inff());
  bool finite = true;
  for (index_t c = 0; c < cols; c += w) {
    const VecF t = load(top + c);
    const VecF before = load(origin + c);
    const Mask good = abs(t) < infinity;
    const VecF next = select(good, t, zero());
    finite = finite && !any(next != t);
    if (!any(next != before)) continue;
    float factors[w];
    store(factors, select(good, exp(before - next), set1(1.0F)));
    store(origin + c, next);
    for (index_t i = 0; i < w && c + i < cols; ++i) {
      if (total[c + i] > 0.0) total[c + i] *= static_cast<double>(factors[i]);
    }
  }
  return finite;
}

// As for rows, a block of rows at a time.
void exponentials_cols(const MatrixView& m, ScaledSum* out) {
  constexpr index_t block = adds_per_lane;
  alignas(64) float top[strip];
  alignas(64) float origin[strip];
  alignas(64) float sums[strip];
  double total[strip];
  for (index_t c0 = 0; c0 < m.cols; c0 += strip) {
    const index_t cols = smaller(m.cols - c0, strip);
    for (index_t c = 0; c < strip; ++c) {
      top[c] = c < cols ? -__builtin_inff() : 0.0F;
      origin[c] = 0.0F;
      total[c] = 0.0;
    }
    for (index_t r0 = 0; r0 < m.rows; r0 += block) {
      const MatrixView rows{m.x + r0 * m.row_stride + c0, smaller(m.rows - r0, block), cols,
                            m.row_stride};
      extreme_cols<Larger>(rows, top);
      const bool finite = move_origins(top, cols, origin, total);
      for (index_t c = 0; c < cols; c += w) store(sums + c, zero());
      for (index_t r = 0; r < rows.rows; ++r) {
        const float* row = rows.x + r * m.row_stride;
        if (finite) {
          add_exponentials<true>(row, origin, cols, block * m.row_stride, sums);
        } else {
          add_exponentials<false>(row, origin, cols, block * m.row_stride, sums);
        }
      }
      add_to(total, sums, cols);
    }
    for (index_t c = 0; c < cols; ++c) out[c0 + c] = {static_cast<double>(origin[c]), total[c]};
  }
}

}  // namespace

const StatisticsKernels statistics_kernels{moments_rows, moments_cols, exponentials_rows,
                                           exponentials_cols};

}  // namespace TW_ISA
}  // namespace tilewise
