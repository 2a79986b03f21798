// Vectors are channels, so a tap of 16 channels is one multiply-add whatever the kernel's shape. A
// block of P output columns by R rows accumulates in registers while the source columns that it
// meets run past, each loaded once and used by all taps that meet it:
//
//   for each vector of channels
//     for each source row that the block meets (those at the border that do not exist are not
//     listed)
//       K weights in registers, R K of them where two output rows meet the row
//       for each source column: load x;  sum[row][p] += x weight[row][column - p step]
//
//   registers: R P sums, R K weights and x: 16 + 2 * 7 + 1 = 31 with AVX-512, 8 + 7 + 1 with AVX2,
//   which has two rows of 4 columns for K = 3 only (8 + 6 + 1).
//
// Loads of x for a multiply-add: (P + K - 1) (K + R - 1) / (P R K K), 0.28 for K = 3 and two rows.
// Blocks that touch a border check each source column; nothing is multiplied by a zero of padding,
// so that an infinity at the border stays there.
//
// Weight gradients turn this round: E groups of K taps stay in registers along a whole row.
#include "kernels/depthwise.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t W = VecF::width;
// Output columns whose sums are in registers; two rows of them, or twice as many, where there are
// 32 registers.
constexpr int kBlock = 8;
constexpr int kWide = W == 16 ? 2 : 1;

TW_INLINE VecF load_lanes(const float* p, index_t lanes, bool partial) {
  return partial ? load_partial(p, lanes) : load(p);
}

// Keeps a value in its register: gcc would load it anew as the operand of each multiply-add.
TW_INLINE VecF in_register(VecF x) {
#if TW_ISA_LEVEL == 2
  __asm__("" : "+v"(x.v));
#elif TW_ISA_LEVEL == 1
  __asm__("" : "+x"(x.v));
#endif
  return x;
}

// Fetches memory into L2 in the order of addresses, a few lines with each step. (The loads of the
// kernels walk over one vector of channels at a time, which no hardware prefetcher follows.)
struct Ahead {
  const char* at;
  index_t lines;

  TW_INLINE Ahead(const DepthwiseAhead& a, index_t steps)
      : at(reinterpret_cast<const char*>(a.data)),
        lines(a.floats == 0 ? 0 : (a.floats / 16 + steps - 1) / steps) {}
  TW_INLINE void step() {
    for (index_t i = 0; i < lines; ++i) __builtin_prefetch(at + 64 * i, 0, 2);
    at += 64 * lines;
  }
};

// Narrow vectors with step 2 fetch so many lines for so few products that they do better to fetch
// with each group of taps than with each block (7.7 -> 5.6 ms for 96 channels at 112x112).
constexpr bool fetches_by_taps(int step) { return step == 2 && W < 16; }

// Lowest and highest source columns that the taps meet at output column 0.
struct Reach {
  index_t first;
  index_t last;
};

TW_INLINE Reach reach_of(const DepthwiseTaps* taps, index_t count, index_t chunk) {
  Reach in{0, 0};
  for (index_t i = 0; i < count; ++i) {
    const index_t column = taps[i].column;
    if (i == 0 || column < in.first) in.first = column;
    if (i == 0 || column + chunk - 1 > in.last) in.last = column + chunk - 1;
  }
  return in;
}

// What a block of P output columns of R rows needs: output column `o`, channels from c on.
struct Block {
  index_t o;
  index_t c;
  index_t lanes;
};

// The tap that column j of a block's source meets at column p of its outputs, or -1. K taps a
// group; step S, 0 for one of run-time size with one tap, -2 for two outputs a source column.
template <int K, int S>
constexpr int tap_at(int j, int p) {
  const int tap = S == 0 ? (j == p ? 0 : -1) : S > 0 ? j - p * S : p + 2 * ((K - 1) / 2 - j);
  return tap < K ? tap : -1;
}
template <int K, int S, int P>
constexpr int source_columns() {
  return S == 0 ? P : S > 0 ? (P - 1) * S + K : P / 2 + (K - 1) / 2;
}

// Adds the products of `count` groups of taps to the sums of rows [first, first + rows) of R.
// `guard`: not all source columns exist.
template <int K, int S, int R, int P, int first_row, int rows, bool guard, bool partial>
TW_INLINE void add_taps(const DepthwiseRow& r, const DepthwiseTaps* taps, index_t count,
                        const Block& b, Ahead& ahead, VecF (&sum)[R][P]) {
  static_assert(S != 0 || K == 1, "steps of run-time size have one tap a group");
  constexpr int columns = source_columns<K, S, P>();
  const index_t apart = S == 0 ? r.step : 1;
  const index_t distance = apart * r.src_pixel;
  const index_t start = S == 0  ? b.o * r.step
                        : S > 0 ? b.o * S
                                : (b.o + r.origin) / 2 - (K - 1) / 2;
  for (index_t i = 0; i < count; ++i) {
    if (fetches_by_taps(S)) ahead.step();
    const index_t first = start + taps[i].column;
    const float* src = taps[i].src + first * r.src_pixel + b.c;
    VecF w[rows][K];
#pragma GCC unroll 2
    for (int row = 0; row < rows; ++row) {
#pragma GCC unroll 8
      for (int t = 0; t < K; ++t) {
        const float* weight = taps[i].weight[first_row + row] + t * r.tap_stride + b.c;
        w[row][t] = load_lanes(weight, b.lanes, partial);
      }
    }
#pragma GCC unroll 32
    for (int j = 0; j < columns; ++j) {
      if (guard) {
        const index_t column = first + j * apart;
        if (column < 0 || column >= r.src_columns) continue;
      }
      const VecF x = in_register(load_lanes(src + j * distance, b.lanes, partial));
#pragma GCC unroll 2
      for (int row = 0; row < rows; ++row) {
#pragma GCC unroll 32
        for (int p = 0; p < P; ++p) {
          const int t = tap_at<K, S>(j, p);
          VecF& to = sum[first_row + row][p];
          if (t >= 0) to = fmadd(x, w[row][t], to);
        }
      }
    }
  }
}

template <int K, int S, int R, int P, bool guard, bool partial>
TW_INLINE void forward_block(const DepthwiseRow& r, const DepthwiseOutput& out, const Block& b,
                             Ahead& ahead) {
  VecF sum[R][P];
  const VecF start = out.bias != nullptr ? load_lanes(out.bias + b.c, b.lanes, partial) : zero();
#pragma GCC unroll 2
  for (int row = 0; row < R; ++row) {
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) sum[row][p] = start;
  }
  const DepthwiseTaps* taps = r.taps;
  add_taps<K, S, R, P, 0, 1, guard, partial>(r, taps, r.only_first, b, ahead, sum);
  if (R == 2) {
    taps += r.only_first;
    add_taps<K, S, R, P, 0, R, guard, partial>(r, taps, r.both, b, ahead, sum);
    taps += r.both;
    add_taps<K, S, R, P, R - 1, 1, guard, partial>(r, taps, r.only_second, b, ahead, sum);
  }
  float* y = out.y + b.o * r.out_pixel + b.c;
#pragma GCC unroll 2
  for (int row = 0; row < R; ++row) {
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) {
      if (guard && (b.o + p < 0 || b.o + p >= r.out_columns)) continue;
      float* at = y + row * out.second + p * r.out_pixel;
      const VecF v = out.relu ? max(zero(), sum[row][p]) : sum[row][p];
      if (partial) {
        store_partial(at, v, b.lanes);
      } else if (out.streaming) {
        stream(at, v);
      } else {
        store(at, v);
      }
    }
  }
}

template <int K, int S, int R, int P, bool guard>
TW_INLINE void forward_columns(const DepthwiseRow& r, const DepthwiseOutput& out, index_t o,
                               Ahead& ahead) {
  index_t c = 0;
  for (; c + W <= r.channels; c += W) {
    if (!fetches_by_taps(S)) ahead.step();
    forward_block<K, S, R, P, guard, false>(r, out, {o, c, W}, ahead);
  }
  if (c == r.channels) return;
  if (!fetches_by_taps(S)) ahead.step();
  forward_block<K, S, R, P, guard, true>(r, out, {o, c, r.channels - c}, ahead);
}

template <int K, int S, int R, int P>
void forward_rows(const DepthwiseRow& r, const DepthwiseOutput& out) {
  const index_t taps = r.only_first + r.both + r.only_second;
  const Reach in = reach_of(r.taps, taps, r.chunk);
  const index_t begin = S == -2 ? -r.origin : 0;  // blocks of step -2 begin at a source column
  const index_t blocks = (r.out_columns - begin + P - 1) / P;
  const index_t steps = blocks * ((r.channels + W - 1) / W);
  Ahead ahead(r.ahead[0], fetches_by_taps(S) && taps > 0 ? steps * taps : steps);
  for (index_t o = begin; o < r.out_columns; o += P) {
    bool inside = o >= 0 && o + P <= r.out_columns;
    if (S == -2) {
      const index_t first = (o + r.origin) / 2 - (K - 1) / 2 + in.first;
      inside = inside && first >= 0 && first + source_columns<K, S, P>() <= r.src_columns;
    } else {
      const index_t step = S == 0 ? r.step : S;
      inside = inside && o * step + in.first >= 0 && (o + P - 1) * step + in.last < r.src_columns;
    }
    if (inside) {
      forward_columns<K, S, R, P, false>(r, out, o, ahead);
    } else {
      forward_columns<K, S, R, P, true>(r, out, o, ahead);
    }
  }
}

constexpr bool has_two_rows(index_t chunk) { return W == 16 ? chunk > 1 : chunk == 3; }
bool two_rows(index_t chunk) { return has_two_rows(chunk); }

template <int K, int S>
void forward_chunk(const DepthwiseRow& r, const DepthwiseOutput& out) {
  if constexpr (has_two_rows(K)) {
    if (out.second != 0) return forward_rows<K, S, 2, kWide * kBlock / 2>(r, out);
  }
  forward_rows<K, S, 1, kBlock>(r, out);
}

template <int K>
void forward_steps(const DepthwiseRow& r, const DepthwiseOutput& out) {
  switch (r.step) {
    case 1:
      return forward_chunk<K, 1>(r, out);
    case 2:
      return forward_rows<K, 2, 1, kBlock>(r, out);
    default:
      return forward_rows<K, -2, 1, kBlock * kWide>(r, out);
  }
}

void forward(const DepthwiseRow& r, const DepthwiseOutput& out) {
  switch (r.chunk) {
    case 3:
      forward_steps<3>(r, out);
      break;
    case 5:
      forward_steps<5>(r, out);
      break;
    case 7:
      forward_steps<7>(r, out);
      break;
    default:
      forward_rows<1, 0, 1, kBlock>(r, out);
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
      const VecF x = in_register(load_lanes(src[e] + j * distance, lanes, partial));
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
                               ColumnRange inside, index_t c, index_t lanes, Ahead (&ahead)[2]) {
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
    ahead[0].step();
    ahead[1].step();
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
void gradient_group(const DepthwiseRow& r, const DepthwiseTaps* taps, const float* dy,
                    Ahead (&ahead)[2]) {
  const Reach in = reach_of(taps, E, r.chunk);
  ColumnRange inside{0, 0};
  while (inside.begin < r.out_columns && inside.begin * r.step + in.first < 0) ++inside.begin;
  inside.end = inside.begin;
  const index_t room = r.src_columns - 1 - in.last;
  const index_t reach = room < 0 ? 0 : room / r.step + 1;
  const index_t most = reach < r.out_columns ? reach : r.out_columns;
  if (most > inside.end) inside.end = most;
  index_t c = 0;
  for (; c + W <= r.channels; c += W)
    gradient_vector<E, K, S, false>(r, taps, dy, inside, c, W, ahead);
  if (c < r.channels) gradient_vector<E, K, S, true>(r, taps, dy, inside, c, r.channels - c, ahead);
}

template <int E, int K, int S>
TW_INLINE void gradient_row(const DepthwiseRow& r, const float* dy) {
  const index_t count = r.only_first;
  const index_t groups = count / E + count % E;
  const index_t steps = groups * ((r.channels + W - 1) / W) * (r.out_columns / 4);
  const index_t some = steps > 0 ? steps : 1;
  Ahead ahead[2] = {{r.ahead[0], some}, {r.ahead[1], some}};
  index_t i = 0;
  for (; i + E <= count; i += E) gradient_group<E, K, S>(r, r.taps + i, dy, ahead);
  for (; i < count; ++i) gradient_group<1, K, S>(r, r.taps + i, dy, ahead);
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

const DepthwiseKernels depthwise_kernels{W,      two_rows,     forward, weight_gradient,
                                         repeat, sum_multiples};

}  // namespace TW_ISA
}  // namespace tilewise
