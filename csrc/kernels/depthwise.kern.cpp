#include "kernels/depthwise.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t W = VecF::width;
constexpr int kBlock = 8;  // output columns whose sums are in registers

// Whether all of `count` output columns from o on meet existing source columns with every tap.
struct Interior {
  index_t first;  // lowest and highest columns that the taps meet at output column 0
  index_t last;
};

TW_INLINE Interior interior_of(const DepthwiseRow& r) {
  Interior in{0, 0};
  for (index_t i = 0; i < r.count; ++i) {
    const index_t column = r.taps[i].column;
    if (i == 0 || column < in.first) in.first = column;
    if (i == 0 || column + r.chunk - 1 > in.last) in.last = column + r.chunk - 1;
  }
  return in;
}

TW_INLINE VecF load_lanes(const float* p, index_t lanes, bool partial) {
  return partial ? load_partial(p, lanes) : load(p);
}

// K taps a group, step S (0: r.step, with K = 1), P output columns from o on, one vector of
// channels. `guard`: not all source and output columns exist.
template <int K, int S, int P, bool guard, bool partial>
TW_INLINE void forward_block(const DepthwiseRow& r, const DepthwiseOutput& out, index_t o,
                             index_t c, index_t lanes) {
  static_assert(S != 0 || K == 1, "steps of run-time size have one tap a group");
  constexpr int columns = S == 0 ? P : (P - 1) * S + K;
  const index_t step = S == 0 ? r.step : S;
  const index_t apart = S == 0 ? r.step : 1;
  const index_t distance = apart * r.src_pixel;
  VecF sum[P];
  const VecF start = out.bias != nullptr ? load_lanes(out.bias + c, lanes, partial) : zero();
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p) sum[p] = start;
  for (index_t i = 0; i < r.count; ++i) {
    const DepthwiseTaps& taps = r.taps[i];
    const index_t first = o * step + taps.column;
    const float* src = taps.src + first * r.src_pixel + c;
    if (!guard && r.prefetch != 0 && i + 1 == r.count) {
#pragma GCC unroll 32
      for (int j = 0; j < (S == 0 ? P : P * S); ++j) {
        __builtin_prefetch(src + j * distance + r.prefetch, 0, 2);
      }
    }
    VecF w[K];
#pragma GCC unroll 8
    for (int t = 0; t < K; ++t) {
      w[t] = load_lanes(taps.weight + t * r.tap_stride + c, lanes, partial);
    }
#pragma GCC unroll 32
    for (int j = 0; j < columns; ++j) {
      if (guard) {
        const index_t column = first + j * apart;
        if (column < 0 || column >= r.src_columns) continue;
      }
      const VecF x = load_lanes(src + j * distance, lanes, partial);
#pragma GCC unroll 32
      for (int p = 0; p < P; ++p) {
        const int t = S == 0 ? (j == p ? 0 : -1) : j - p * S;
        if (t >= 0 && t < K) sum[p] = fmadd(x, w[t], sum[p]);
      }
    }
  }
  float* y = out.y + o * r.out_pixel + c;
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p) {
    if (guard && o + p >= r.out_columns) break;
    const VecF v = out.relu ? max(zero(), sum[p]) : sum[p];
    if (partial) {
      store_partial(y + p * r.out_pixel, v, lanes);
    } else if (out.streaming) {
      stream(y + p * r.out_pixel, v);
    } else {
      store(y + p * r.out_pixel, v);
    }
  }
}

template <int K, int S, int P, bool guard>
TW_INLINE void forward_columns(const DepthwiseRow& r, const DepthwiseOutput& out, index_t o) {
  index_t c = 0;
  for (; c + W <= r.channels; c += W) forward_block<K, S, P, guard, false>(r, out, o, c, W);
  if (c < r.channels) forward_block<K, S, P, guard, true>(r, out, o, c, r.channels - c);
}

template <int K, int S>
void forward_row(const DepthwiseRow& r, const DepthwiseOutput& out) {
  const Interior in = interior_of(r);
  const index_t step = S == 0 ? r.step : S;
  for (index_t o = 0; o < r.out_columns; o += kBlock) {
    const bool inside = o + kBlock <= r.out_columns && o * step + in.first >= 0 &&
                        (o + kBlock - 1) * step + in.last < r.src_columns;
    if (inside) {
      forward_columns<K, S, kBlock, false>(r, out, o);
    } else {
      forward_columns<K, S, kBlock, true>(r, out, o);
    }
  }
}

void forward(const DepthwiseRow& r, const DepthwiseOutput& out) {
  const bool two = r.step == 2;
  switch (r.chunk) {
    case 3:
      two ? forward_row<3, 2>(r, out) : forward_row<3, 1>(r, out);
      break;
    case 5:
      two ? forward_row<5, 2>(r, out) : forward_row<5, 1>(r, out);
      break;
    case 7:
      two ? forward_row<7, 2>(r, out) : forward_row<7, 1>(r, out);
      break;
    default:
      forward_row<1, 0>(r, out);
  }
  if (out.streaming) stream_fence();
}

// Weight gradients: E groups of K taps accumulate in registers.
template <int E, int K>
struct Sums {
  VecF tap[E][K];
};

template <int E, int K, int S, int P, bool partial>
TW_INLINE void gradient_inside(const DepthwiseRow& r, const DepthwiseTaps* taps, const float* dy,
                               index_t o, index_t c, index_t lanes, Sums<E, K>& sums) {
  constexpr int columns = S == 0 ? P : (P - 1) * S + K;
  const index_t step = S == 0 ? r.step : S;
  const index_t distance = (S == 0 ? r.step : 1) * r.src_pixel;
  const float* src[E];
#pragma GCC unroll 8
  for (int e = 0; e < E; ++e) src[e] = taps[e].src + (o * step + taps[e].column) * r.src_pixel + c;
  VecF d[P];
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p) {
    d[p] = load_lanes(dy + (o + p) * r.out_pixel + c, lanes, partial);
  }
#pragma GCC unroll 32
  for (int j = 0; j < columns; ++j) {
#pragma GCC unroll 8
    for (int e = 0; e < E; ++e) {
      const VecF x = load_lanes(src[e] + j * distance, lanes, partial);
#pragma GCC unroll 32
      for (int p = 0; p < P; ++p) {
        const int t = S == 0 ? (j == p ? 0 : -1) : j - p * S;
        if (t >= 0 && t < K) sums.tap[e][t] = fmadd(x, d[p], sums.tap[e][t]);
      }
    }
  }
}

template <int E, int K, bool partial>
TW_INLINE void gradient_border(const DepthwiseRow& r, const DepthwiseTaps* taps, const float* dy,
                               index_t o, index_t c, index_t lanes, Sums<E, K>& sums) {
  const VecF d = load_lanes(dy + o * r.out_pixel + c, lanes, partial);
#pragma GCC unroll 8
  for (int e = 0; e < E; ++e) {
    const index_t first = o * r.step + taps[e].column;
    const float* src = taps[e].src + first * r.src_pixel + c;
#pragma GCC unroll 8
    for (int t = 0; t < K; ++t) {
      if (first + t < 0 || first + t >= r.src_columns) continue;
      sums.tap[e][t] = fmadd(load_lanes(src + t * r.src_pixel, lanes, partial), d, sums.tap[e][t]);
    }
  }
}

// Output columns [begin, end) are those whose taps all meet existing columns.
struct ColumnRange {
  index_t begin;
  index_t end;
};

template <int E, int K, int S, bool partial>
TW_INLINE void gradient_vector(const DepthwiseRow& r, const DepthwiseTaps* taps, const float* dy,
                               ColumnRange inside, index_t c, index_t lanes) {
  constexpr int P = 4;
  Sums<E, K> sums;
#pragma GCC unroll 8
  for (int e = 0; e < E; ++e) {
#pragma GCC unroll 8
    for (int t = 0; t < K; ++t) sums.tap[e][t] = load(taps[e].sums + t * r.tap_stride + c);
  }
  index_t o = 0;
  for (; o < inside.begin; ++o) {
    gradient_border<E, K, partial>(r, taps, dy, o, c, lanes, sums);
  }
  for (; o + P <= inside.end; o += P) {
    gradient_inside<E, K, S, P, partial>(r, taps, dy, o, c, lanes, sums);
  }
  for (; o < inside.end; ++o) {
    gradient_inside<E, K, S, 1, partial>(r, taps, dy, o, c, lanes, sums);
  }
  for (; o < r.out_columns; ++o) {
    gradient_border<E, K, partial>(r, taps, dy, o, c, lanes, sums);
  }
#pragma GCC unroll 8
  for (int e = 0; e < E; ++e) {
#pragma GCC unroll 8
    for (int t = 0; t < K; ++t) store(taps[e].sums + t * r.tap_stride + c, sums.tap[e][t]);
  }
}

template <int E, int K, int S>
void gradient_group(const DepthwiseRow& r, const DepthwiseTaps* taps, const float* dy) {
  const Interior in = interior_of(r);
  ColumnRange inside{0, 0};
  while (inside.begin < r.out_columns && inside.begin * r.step + in.first < 0) ++inside.begin;
  inside.end = inside.begin;
  const index_t room = r.src_columns - 1 - in.last;
  const index_t reach = room < 0 ? 0 : room / r.step + 1;
  const index_t most = reach < r.out_columns ? reach : r.out_columns;
  if (most > inside.end) inside.end = most;
  index_t c = 0;
  for (; c + W <= r.channels; c += W) gradient_vector<E, K, S, false>(r, taps, dy, inside, c, W);
  if (c < r.channels) gradient_vector<E, K, S, true>(r, taps, dy, inside, c, r.channels - c);
}

template <int E, int K, int S>
TW_INLINE void gradient_row(const DepthwiseRow& r, const float* dy) {
  index_t i = 0;
  for (; i + E <= r.count; i += E) gradient_group<E, K, S>(r, r.taps + i, dy);
  for (; i < r.count; ++i) gradient_group<1, K, S>(r, r.taps + i, dy);
}

void weight_gradient(const DepthwiseRow& r, const DepthwiseSource& g) {
  constexpr int wide = W == 16 ? 3 : 1;
  const bool two = r.step == 2;
  switch (r.chunk) {
    case 3:
      two ? gradient_row<3, 3, 2>(r, g.dy) : gradient_row<3, 3, 1>(r, g.dy);
      break;
    case 5:
      two ? gradient_row<wide, 5, 2>(r, g.dy) : gradient_row<wide, 5, 1>(r, g.dy);
      break;
    case 7:
      two ? gradient_row<wide, 7, 2>(r, g.dy) : gradient_row<wide, 7, 1>(r, g.dy);
      break;
    default:
      gradient_row<4, 1, 0>(r, g.dy);
  }
  if (g.bias_sums == nullptr) return;
  for (index_t c = 0; c < r.channels; c += W) {
    const index_t lanes = r.channels - c < W ? r.channels - c : W;
    VecF sum = load(g.bias_sums + c);
    for (index_t o = 0; o < r.out_columns; ++o) {
      sum = sum + load_lanes(g.dy + o * r.out_pixel + c, lanes, lanes < W);
    }
    store(g.bias_sums + c, sum);
  }
}

template <index_t fixed>
TW_INLINE void repeat_times(const float* x, index_t count, index_t multiplier, float* out) {
  const index_t m = fixed != 0 ? fixed : multiplier;
  for (index_t i = 0; i < count; ++i) {
    for (index_t j = 0; j < m; ++j) out[i * m + j] = x[i];
  }
}

void repeat(const float* x, index_t count, index_t multiplier, float* out) {
  switch (multiplier) {
    case 2:
      return repeat_times<2>(x, count, multiplier, out);
    case 3:
      return repeat_times<3>(x, count, multiplier, out);
    case 4:
      return repeat_times<4>(x, count, multiplier, out);
    default:
      return repeat_times<0>(x, count, multiplier, out);
  }
}

template <index_t fixed>
TW_INLINE void sum_times(const float* x, index_t count, index_t multiplier, float* out) {
  const index_t m = fixed != 0 ? fixed : multiplier;
  for (index_t i = 0; i < count; ++i) {
    float sum = x[i * m];
    for (index_t j = 1; j < m; ++j) sum += x[i * m + j];
    out[i] = sum;
  }
}

void sum_multiples(const float* x, index_t pixels, index_t channels, index_t multiplier,
                   const DepthwiseOutput& out) {
  const index_t count = pixels * channels;
  switch (multiplier) {
    case 2:
      sum_times<2>(x, count, multiplier, out.y);
      break;
    case 4:
      sum_times<4>(x, count, multiplier, out.y);
      break;
    default:
      sum_times<0>(x, count, multiplier, out.y);
  }
  if (out.bias == nullptr && !out.relu) return;
  for (index_t p = 0; p < pixels; ++p) {
    float* y = out.y + p * channels;
    for (index_t c = 0; c < channels; c += W) {
      const index_t lanes = channels - c < W ? channels - c : W;
      VecF v = load_partial(y + c, lanes);
      if (out.bias != nullptr) v = v + load_partial(out.bias + c, lanes);
      store_partial(y + c, out.relu ? max(zero(), v) : v, lanes);
    }
  }
}

}  // namespace

const DepthwiseKernels depthwise_kernels{W, forward, weight_gradient, repeat, sum_multiples};

}  // namespace TW_ISA
}  // namespace tilewise
