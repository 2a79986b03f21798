// Sums: a lane adds at most 16 values in float32 before the lanes are added pairwise and the block
// sum goes to a double. The error of a sum of n terms is then that of 16 terms plus a few
// roundings, whatever n is, at the speed of float32 vectors.
//
// Columns are summed row after row, their sums in L1: rows read side by side, with the sums in
// registers, kept the hardware from fetching ahead and took twice as long at 256 columns.
#include "kernels/reduce.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/partial.h"
// After partial.h:
#include "kernels/simd/reduce_loops.h"

namespace tilewise {
namespace TW_ISA {
namespace {

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

// Rows of fewer than four registers: the sums stay in registers. From four on, sums in L1 are the
// faster ones: 1.2 times at 64 columns.
template <typename F>
TW_INLINE void add_narrow_cols(const MatrixView& m, double* out) {
  const index_t whole = m.cols / w;
  const index_t rest = m.cols - whole * w;
  for (index_t r0 = 0; r0 < m.rows; r0 += adds_per_lane) {
    const index_t rows = smaller(m.rows - r0, adds_per_lane);
    const float* x = m.x + r0 * m.row_stride;
    VecF s[unroll] = {zero(), zero(), zero(), zero()};
    for (index_t r = 0; r < rows; ++r, x += m.row_stride) {
      for (index_t u = 0; u < unroll - 1; ++u) {
        if (u < whole) s[u] = s[u] + F::apply(load(x + u * w));
      }
      if (rest > 0) s[unroll - 1] = s[unroll - 1] + F::apply(load_partial(x + whole * w, rest));
    }
    for (index_t u = 0; u < whole; ++u) accumulate(out + u * w, s[u]);
    if (rest > 0) {
      float lanes[w];
      store(lanes, s[unroll - 1]);
      for (index_t i = 0; i < rest; ++i) out[whole * w + i] += static_cast<double>(lanes[i]);
    }
  }
}

template <typename F>
void add_cols(const MatrixView& m, double* out) {
  if (m.cols < unroll * w) return add_narrow_cols<F>(m, out);
  alignas(64) float sums[strip];
  for (index_t r0 = 0; r0 < m.rows; r0 += adds_per_lane) {
    const index_t rows = smaller(m.rows - r0, adds_per_lane);
    for (index_t c = 0; c < m.cols; c += strip) {
      const index_t cols = smaller(m.cols - c, strip);
      const float* x = m.x + r0 * m.row_stride + c;
      add_row<F, true>(x, cols, sums);
      for (index_t r = 1; r < rows; ++r) add_row<F, false>(x + r * m.row_stride, cols, sums);
      add_to(out + c, sums, cols);
    }
  }
}

void sum_cols(const MatrixView& m, double* out) { add_cols<Identity>(m, out); }

// Sixteen chains in double, which the compiler keeps in registers.
void product_rows(const MatrixView& m, double* out) {
  constexpr index_t chains = 16;
  for (index_t r = 0; r < m.rows; ++r) {
    const float* x = m.x + r * m.row_stride;
    double p[chains];
    for (index_t k = 0; k < chains; ++k) p[k] = 1.0;
    index_t i = 0;
    for (; i + chains <= m.cols; i += chains) {
      for (index_t k = 0; k < chains; ++k) p[k] *= static_cast<double>(x[i + k]);
    }
    for (; i < m.cols; ++i) p[0] *= static_cast<double>(x[i]);
    for (index_t half = chains / 2; half > 0; half /= 2) {
      for (index_t k = 0; k < half; ++k) p[k] *= p[k + half];
    }
    out[r] = p[0];
  }
}

struct Square {
  static TW_INLINE VecF apply(VecF x) { return x * x; }
};
struct Magnitude {
  static TW_INLINE VecF apply(VecF x) { return abs(x); }
};
struct Nonzero {
  static TW_INLINE VecF apply(VecF x) { return select(x == zero(), zero(), set1(1.0F)); }
};

// Lanes from `n` on are nothing to a sum.
TW_INLINE VecF first_lanes_of(VecF x, index_t n) {
  float lanes[w];
  store(lanes, x);
  return load_partial(lanes, n);
}

template <typename F>
double map_run(const float* x, index_t count) {
  constexpr index_t block = adds_per_lane * 2 * w;
  double total = 0.0;
  index_t i = 0;
  while (i + 2 * w <= count) {
    const index_t end = i + block < count ? i + block : count;
    VecF s0 = zero();
    VecF s1 = zero();
    for (; i + 2 * w <= end; i += 2 * w) {
      s0 = s0 + F::apply(load(x + i));
      s1 = s1 + F::apply(load(x + i + w));
    }
    total += static_cast<double>(reduce_add(s0 + s1));
  }
  for (; i < count; i += w) {
    const index_t n = count - i < w ? count - i : w;
    const VecF last = F::apply(load_partial(x + i, n));
    total += static_cast<double>(reduce_add(first_lanes_of(last, n)));
  }
  return total;
}

template <typename F>
void map_rows_of(const MatrixView& m, double* out) {
  for (index_t r = 0; r < m.rows; ++r) out[r] = map_run<F>(m.x + r * m.row_stride, m.cols);
}

void map_rows(MapSum map, const MatrixView& m, double* out) {
  switch (map) {
    case MapSum::square:
      return map_rows_of<Square>(m, out);
    case MapSum::magnitude:
      return map_rows_of<Magnitude>(m, out);
    case MapSum::nonzero:
      return map_rows_of<Nonzero>(m, out);
  }
}

void map_cols(MapSum map, const MatrixView& m, double* out) {
  switch (map) {
    case MapSum::square:
      return add_cols<Square>(m, out);
    case MapSum::magnitude:
      return add_cols<Magnitude>(m, out);
    case MapSum::nonzero:
      return add_cols<Nonzero>(m, out);
  }
}

template <typename Op>
void extreme_rows(const MatrixView& m, float* out) {
  for (index_t r = 0; r < m.rows; ++r) out[r] = extreme_run<Op>(m.x + r * m.row_stride, m.cols);
}

// The first place of `value` in x, of a NaN where it is one.
index_t find(const float* x, index_t count, float value) {
  const VecF v = set1(value);
  const bool nan = value != value;
  index_t i = 0;
  for (; i + w <= count; i += w) {
    const VecF a = load(x + i);
    if (any(nan ? is_nan(a) : a == v)) break;
  }
  for (; i < count; ++i) {
    if (nan ? x[i] != x[i] : x[i] == value) return i;
  }
  return 0;  // memory that another thread writes to
}

// By blocks: the extreme of a block is found first, its place afterwards, where it is the best.
template <typename Op>
void arg_rows(const MatrixView& m, float* out, std::int64_t* at) {
  constexpr index_t block = 4096;
  for (index_t r = 0; r < m.rows; ++r) {
    const float* x = m.x + r * m.row_stride;
    index_t start = 0;
    float best = extreme_run<Op>(x, m.cols < block ? m.cols : block);
    for (index_t i = block; i < m.cols && best == best; i += block) {
      const float candidate = extreme_run<Op>(x + i, m.cols - i < block ? m.cols - i : block);
      const bool is_nan = candidate != candidate;
      if (is_nan || (candidate != best && Op::apply(candidate, best) == candidate)) {
        best = candidate;
        start = i;
      }
    }
    const index_t count = m.cols - start < block ? m.cols - start : block;
    out[r] = best;
    at[r] = start + find(x + start, count, best);
  }
}

struct Above {
  static TW_INLINE Mask apply(VecF a, VecF b) { return a > b; }
};
struct Below {
  static TW_INLINE Mask apply(VecF a, VecF b) { return a < b; }
};

// One register of columns over a few rows.
template <typename Better, bool partial>
TW_INLINE void arg_cols_step(const float* x, index_t stride, index_t first, index_t rows, index_t n,
                             float* out, float* places) {
  VecF best = partial ? load_partial(out, n) : load(out);
  VecF place = partial ? load_partial(places, n) : load(places);
  for (index_t r = 0; r < rows; ++r) {
    const VecF v = partial ? load_partial(x + r * stride, n) : load(x + r * stride);
    const Mask better = Better::apply(v, best) | (is_nan(v) & (best == best));
    best = select(better, v, best);
    place = select(better, set1(static_cast<float>(first + r)), place);
  }
  if constexpr (partial) {
    store_partial(out, best, n);
    store_partial(places, place, n);
  } else {
    store(out, best);
    store(places, place);
  }
}

// Places are counted in floats, which hold them exactly. Eight rows are read side by side.
template <typename Better>
void arg_cols(const MatrixView& m, float* out, std::int64_t* at, float* places) {
  constexpr index_t block = 8;
  for (index_t c = 0; c < m.cols; ++c) {
    out[c] = m.x[c];
    places[c] = 0.0F;
  }
  for (index_t r = 1; r < m.rows; r += block) {
    const index_t rows = m.rows - r < block ? m.rows - r : block;
    const float* x = m.x + r * m.row_stride;
    index_t c = 0;
    for (; c + w <= m.cols; c += w) {
      arg_cols_step<Better, false>(x + c, m.row_stride, r, rows, w, out + c, places + c);
    }
    const index_t n = m.cols - c;
    if (n > 0) arg_cols_step<Better, true>(x + c, m.row_stride, r, rows, n, out + c, places + c);
  }
  for (index_t c = 0; c < m.cols; ++c) at[c] = static_cast<std::int64_t>(places[c]);
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
    product_rows,
    map_rows,
    map_cols,
    extreme_rows<Larger>,
    extreme_rows<Smaller>,
    extreme_cols<Larger>,
    extreme_cols<Smaller>,
    arg_rows<Larger>,
    arg_rows<Smaller>,
    arg_cols<Above>,
    arg_cols<Below>,
    all_finite,
};

}  // namespace TW_ISA
}  // namespace tilewise
