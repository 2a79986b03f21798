// Register budget (vectors) of `correlate`: P accumulators (output pixels of a row), 3 weights, one
// permuted input, one vector of lane numbers. AVX-512: 14 + 5 of 32; AVX2 and SSE2: 8 + 5 of 16.
// P + 2 permutes and 3 loads of weights serve 3 P multiply-adds.
//
// `gradient`: 3 taps x J channels of accumulators, 3 vectors of dY, one permuted input; AVX-512:
// J = 8, 24 + 4; AVX2: J = 4, 12 + 4 (a run of one tap: J = 8). J permutes serve 3 J multiply-adds.
#include "kernels/grouped.h"

#include "kernels/simd/simd.h"
//
#include "kernels/simd/gate.h"

namespace tilewise {
namespace TW_ISA {
namespace {

#if TW_ISA_LEVEL == 2
constexpr index_t kMaxPixels = 14;
#else
constexpr index_t kMaxPixels = 8;
#endif
constexpr index_t W = VecF::width;
constexpr index_t kMaxChannels = 8;
// Of a run of so many taps: what the registers hold.
constexpr index_t max_channels(index_t taps) { return W == 16 || taps == 1 ? 8 : 4; }
constexpr index_t kLine = 16;  // floats

// Lines that are still to be brought to L2: one a step, what is left at the end.
struct Ahead {
  const float* next;
  const float* end;

  TW_INLINE explicit Ahead(const GroupedAhead& a) : next(a.first), end(a.first + a.lines * kLine) {}
  TW_INLINE void step() {
    if (next >= end) return;
    prefetch_to_l2(next);
    next += kLine;
  }
  TW_INLINE void finish() {
    while (next < end) step();
  }
};

// Channel j of each lane's group, of the pixel at x.
template <bool Permute>
TW_INLINE VecF source(const float* x, index_t j, VecI lanes) {
  if (Permute) return permute(load(x), lanes);
  return set1(x[j]);
}

template <int P, int T, bool Permute>
TW_INLINE void add_run(VecF (&acc)[P], const float* src, const float* w, const GroupedRow& r,
                       index_t channels, Ahead& ahead) {
  for (index_t j = 0; j < channels; ++j) {
    ahead.step();
    const VecI lanes = Permute ? load_i(r.lanes + j * W) : set1i(0);
    VecF weight[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) weight[t] = load(w + t * W);
#pragma GCC unroll 32
    for (int q = 0; q < P + T - 1; ++q) {
      const VecF x = source<Permute>(src + q * W, j, lanes);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        if (q - t >= 0 && q - t < P) acc[q - t] = fmadd(x, weight[t], acc[q - t]);
      }
    }
    w += T * W;
  }
}

template <int P, bool Permute>
void tile(const GroupedRow& r, index_t first, Ahead& next_lines) {
  Ahead ahead = next_lines;  // in registers
  VecF acc[P];
  float* dst = r.dst + first * r.dst_pixel;
  if (!r.stream) {
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) prefetch_to_write(dst + p * r.dst_pixel);
  }
  const VecF bias = r.bias != nullptr ? load_partial(r.bias, r.channels) : zero();
#pragma GCC unroll 32
  for (int p = 0; p < P; ++p) acc[p] = bias;
  for (index_t i = 0; i < r.run_count; ++i) {
    const GroupedRun& run = r.runs[i];
    const float* src = r.src + run.src + first * W;
    const float* w = r.weights + run.weights;
    if (run.taps == 3) {
      add_run<P, 3, Permute>(acc, src, w, r, run.channels, ahead);
    } else if (run.taps == 2) {
      add_run<P, 2, Permute>(acc, src, w, r, run.channels, ahead);
    } else {
      add_run<P, 1, Permute>(acc, src, w, r, run.channels, ahead);
    }
  }
  if (r.relu) {
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) acc[p] = max(zero(), acc[p]);
  }
  if (r.stream) {
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) stream(dst + p * r.dst_pixel, acc[p]);
  } else if (r.channels == W) {
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) store(dst + p * r.dst_pixel, acc[p]);
  } else {
#pragma GCC unroll 32
    for (int p = 0; p < P; ++p) store_partial(dst + p * r.dst_pixel, acc[p], r.channels);
  }
  next_lines = ahead;
}

using TileFn = void (*)(const GroupedRow&, index_t, Ahead&);

#if TW_ISA_LEVEL == 2
#define TW_EACH_PIXEL_COUNT(permute)                                                             \
  {tile<1, permute>,  tile<2, permute>,  tile<3, permute>,  tile<4, permute>, tile<5, permute>,  \
   tile<6, permute>,  tile<7, permute>,  tile<8, permute>,  tile<9, permute>, tile<10, permute>, \
   tile<11, permute>, tile<12, permute>, tile<13, permute>, tile<14, permute>}
#else
#define TW_EACH_PIXEL_COUNT(permute)                                       \
  {tile<1, permute>, tile<2, permute>, tile<3, permute>, tile<4, permute>, \
   tile<5, permute>, tile<6, permute>, tile<7, permute>, tile<8, permute>}
#endif

constexpr TileFn kTiles[2][kMaxPixels] = {TW_EACH_PIXEL_COUNT(false), TW_EACH_PIXEL_COUNT(true)};

void correlate(const GroupedRow& r) {
  const TileFn* tiles = kTiles[r.lanes != nullptr ? 1 : 0];
  const index_t pieces = (r.count + kMaxPixels - 1) / kMaxPixels;
  const index_t step = (r.count + pieces - 1) / pieces;
  Ahead ahead(r.ahead);
  for (index_t first = 0; first < r.count; first += step) {
    const index_t left = r.count - first;
    tiles[(left < step ? left : step) - 1](r, first, ahead);
  }
  ahead.finish();
}

// Adds the products of an input pixel with the outputs that see it through taps [From, To): dy
// under tap 0, dy - 1 pixel under tap 1, ...
template <int From, int To, int T, int J, bool Permute>
TW_INLINE void gradient_step(VecF (&acc)[T][J], const float* x, const float* dy,
                             const GroupedGradient& g) {
  VecF d[T];
#pragma GCC unroll 4
  for (int t = From; t < To; ++t) d[t] = load(dy - t * W);
#pragma GCC unroll 8
  for (int j = 0; j < J; ++j) {
    const VecF v = source<Permute>(x, j, Permute ? load_i(g.lanes + j * W) : set1i(0));
#pragma GCC unroll 4
    for (int t = From; t < To; ++t) acc[t][j] = fmadd(v, d[t], acc[t][j]);
  }
}

// A row: at its ends some of the taps see outputs beyond it.
template <int T, int J, bool Permute>
TW_INLINE void gradient_row(VecF (&acc)[T][J], const float* x, const float* dy,
                            const GroupedGradient& g, Ahead& ahead) {
  if constexpr (T > 1) gradient_step<0, 1, T, J, Permute>(acc, x, dy, g);
  if constexpr (T > 2) {
    if (g.count > 1) gradient_step<0, 2, T, J, Permute>(acc, x + W, dy + W, g);
  }
  for (index_t q = T - 1; q < g.count; ++q) {
    ahead.step();
    gradient_step<0, T, T, J, Permute>(acc, x + q * W, dy + q * W, g);
  }
  x += g.count * W;
  dy += g.count * W;
  if constexpr (T > 2) {
    if (g.count > 1) {
      gradient_step<1, 3, T, J, Permute>(acc, x, dy, g);
    } else {
      gradient_step<1, 2, T, J, Permute>(acc, x, dy, g);
    }
    x += W;
    dy += W;
  }
  if constexpr (T > 1) gradient_step<T - 1, T, T, J, Permute>(acc, x, dy, g);
}

template <int T, int J, bool Permute>
void gradient_tile(const GroupedGradient& g, Ahead& next_lines) {
  Ahead ahead = next_lines;
  VecF acc[T][J];
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
    for (int j = 0; j < J; ++j) acc[t][j] = zero();
  }
  for (index_t row = 0; row < g.rows; ++row) {
    gradient_row<T, J, Permute>(acc, g.x + row * g.x_row, g.dy + row * g.dy_row, g, ahead);
  }
#pragma GCC unroll 8
  for (int j = 0; j < J; ++j) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      float* sum = g.sums + (j * T + t) * W;
      store(sum, load(sum) + acc[t][j]);
    }
  }
  next_lines = ahead;
}

using GradientFn = void (*)(const GroupedGradient&, Ahead&);

// Entries past max_channels(T) are never called.
constexpr int held_channels(int taps, int channels) {
  return channels <= max_channels(taps) ? channels : 1;
}
#define TW_GRADIENT(T, J, permute) gradient_tile<T, held_channels(T, J), permute>
#define TW_EACH_CHANNEL_COUNT(T, permute)                                              \
  {TW_GRADIENT(T, 1, permute), TW_GRADIENT(T, 2, permute), TW_GRADIENT(T, 3, permute), \
   TW_GRADIENT(T, 4, permute), TW_GRADIENT(T, 5, permute), TW_GRADIENT(T, 6, permute), \
   TW_GRADIENT(T, 7, permute), TW_GRADIENT(T, 8, permute)}

constexpr GradientFn kGradients[2][grouped_run_taps][kMaxChannels] = {
    {TW_EACH_CHANNEL_COUNT(1, false), TW_EACH_CHANNEL_COUNT(2, false),
     TW_EACH_CHANNEL_COUNT(3, false)},
    {TW_EACH_CHANNEL_COUNT(1, true), TW_EACH_CHANNEL_COUNT(2, true),
     TW_EACH_CHANNEL_COUNT(3, true)}};

void gradient(const GroupedGradient& g) {
  const GradientFn* tiles = kGradients[g.lanes != nullptr ? 1 : 0][g.taps - 1];
  const index_t most = max_channels(g.taps);
  const index_t pieces = (g.channels + most - 1) / most;
  const index_t step = (g.channels + pieces - 1) / pieces;
  GroupedGradient part = g;
  Ahead ahead(g.ahead);
  for (index_t j = 0; j < g.channels; j += step) {
    const index_t n = g.channels - j < step ? g.channels - j : step;
    if (g.lanes != nullptr) {
      part.lanes = g.lanes + j * W;
    } else {
      part.x = g.x + j;
    }
    part.sums = g.sums + j * g.taps * W;
    tiles[n - 1](part, ahead);
  }
  ahead.finish();
}

template <bool Gated>
TW_INLINE void pack_pixel(const GroupedPack& p, const float* src, const float* y, float* dst) {
  const VecF upper = set1(p.gate.upper);
  const VecF slope = set1(p.gate.slope);
  for (index_t begin = 0; begin < p.channels; begin += p.unit) {
    const index_t end = begin + p.unit < p.channels ? begin + p.unit : p.channels;
    for (index_t c = begin; c < end; c += W) {
      const index_t n = end - c;
      VecF v = n >= W ? load(src + c) : load_partial(src + c, n);
      if (Gated) v = gated(v, n >= W ? load(y + c) : load_partial(y + c, n), upper, slope);
      store(dst, v);
      dst += p.dst_source;
    }
  }
}

void pack(const GroupedPack& p) {
  for (index_t i = 0; i < p.pixels; ++i) {
    const float* src = p.src + i * p.src_pixel;
    float* dst = p.dst + i * W;
    if (p.gate.y != nullptr) {
      pack_pixel<true>(p, src, p.gate.y + i * p.src_pixel, dst);
    } else {
      pack_pixel<false>(p, src, src, dst);
    }
  }
}

}  // namespace

const GroupedKernels grouped_kernels{W, correlate, gradient, pack};

}  // namespace TW_ISA
}  // namespace tilewise
