// Loops over rows and columns that reductions of several kinds share. Include after partial.h.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t w = VecF::width;
constexpr index_t unroll = 4;
constexpr index_t adds_per_lane = 16;

constexpr index_t strip = 512;  // columns whose sums lie in L1

// out[c] += a[c] of the first n columns, in double.
TW_INLINE void add_to(double* out, const float* a, index_t n) {
  index_t c = 0;
  for (; c + w <= n; c += w) accumulate(out + c, load(a + c));
  for (; c < n; ++c) out[c] += static_cast<double>(a[c]);
}

struct Identity {
  static TW_INLINE VecF apply(VecF x) { return x; }
};

// sums[c] (+)= F(x[c]) for a row; the first row begins the sums.
template <typename F, bool begin>
TW_INLINE void add_row(const float* x, index_t cols, float* sums) {
  index_t c = 0;
  for (; c + w <= cols; c += w) {
    const VecF v = F::apply(load(x + c));
    store(sums + c, begin ? v : load(sums + c) + v);
  }
  if (c < cols) {  // sums has room for whole registers
    const VecF v = F::apply(load_partial(x + c, cols - c));
    store(sums + c, begin ? v : load(sums + c) + v);
  }
}

// The larger of two, or a NaN of either.
struct Larger {
  static TW_INLINE VecF apply(VecF a, VecF b) { return select(is_nan(a), a, max(a, b)); }
  static TW_INLINE float apply(float a, float b) { return a != a || a > b ? a : b; }
  static TW_INLINE float across(VecF a) { return reduce_max(a); }
};
struct Smaller {
  static TW_INLINE VecF apply(VecF a, VecF b) { return select(is_nan(a), a, min(a, b)); }
  static TW_INLINE float apply(float a, float b) { return a != a || a < b ? a : b; }
  static TW_INLINE float across(VecF a) { return reduce_min(a); }
};

template <typename Op>
TW_INLINE float extreme_run(const float* x, index_t count) {
  VecF best = load_filled(x, count, x[0]);
  index_t i = smaller(w, count);
  if (count >= unroll * w) {  // four chains hide the latency of compare and select
    VecF b1 = load(x + w);
    VecF b2 = load(x + 2 * w);
    VecF b3 = load(x + 3 * w);
    for (i = unroll * w; i + unroll * w <= count; i += unroll * w) {
      best = Op::apply(best, load(x + i));
      b1 = Op::apply(b1, load(x + i + w));
      b2 = Op::apply(b2, load(x + i + 2 * w));
      b3 = Op::apply(b3, load(x + i + 3 * w));
    }
    best = Op::apply(Op::apply(best, b1), Op::apply(b2, b3));
  }
  for (; i < count; i += w) best = Op::apply(best, load_filled(x + i, count - i, x[0]));
  return any(is_nan(best)) ? __builtin_nanf("") : Op::across(best);
}

template <typename Op>
TW_INLINE void extreme_cols(const MatrixView& m, float* out) {
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

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
