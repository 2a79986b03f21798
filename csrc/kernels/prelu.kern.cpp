// The gradients of the input and of the slopes in one pass over dy and x: columns in strips of a
// few registers, down the rows. A sum runs over 16 rows in float32 and goes on in double.
#include "kernels/prelu.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/map.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t W = VecF::width;
constexpr index_t kRowsInFloat = 16;

TW_INLINE VecF rectified(VecF x, VecF slope) { return select(x > zero(), x, slope * x); }

void forward(const PreluRows& p, bool streaming) {
  const bool past_caches = streaming && aligned_for_stream(p.y) && p.columns % W == 0;
  const float* x = p.x;
  float* y = p.y;
  for (index_t r = 0; r < p.rows; ++r, x += p.columns, y += p.columns) {
    index_t c = 0;
    for (; c + W <= p.columns; c += W) {
      const VecF v = rectified(load(x + c), load(p.slope + c));
      if (past_caches) {
        stream(y + c, v);
      } else {
        store(y + c, v);
      }
    }
    const index_t n = p.columns - c;
    if (n > 0)
      store_partial(y + c, rectified(load_partial(x + c, n), load_partial(p.slope + c, n)), n);
  }
  if (past_caches) stream_fence();
}

// One row of a strip of `registers` registers, the last one `n` wide.
template <int registers, bool partial>
TW_INLINE void strip(const PreluGradient& g, index_t c, index_t n) {
  VecF slope[registers];
  for (int k = 0; k < registers; ++k) {
    slope[k] = partial ? load_partial(g.slope + c, n) : load(g.slope + c + k * W);
    if (g.sums != nullptr) {
      for (index_t i = 0; i < (partial ? n : W); ++i) g.sums[c + k * W + i] = 0;
    }
  }
  for (index_t first = 0; first < g.rows; first += kRowsInFloat) {
    const index_t last = first + kRowsInFloat < g.rows ? first + kRowsInFloat : g.rows;
    VecF sum[registers];
    for (int k = 0; k < registers; ++k) sum[k] = zero();
    for (index_t r = first; r < last; ++r) {
      const index_t at = r * g.columns + c;
      for (int k = 0; k < registers; ++k) {
        const VecF dy = partial ? load_partial(g.dy + at, n) : load(g.dy + at + k * W);
        const VecF x = partial ? load_partial(g.x + at, n) : load(g.x + at + k * W);
        const Mask open = x > zero();
        sum[k] = sum[k] + select(open, zero(), dy * x);
        if (g.dx == nullptr) continue;
        const VecF dx = select(open, dy, dy * slope[k]);
        if (partial) {
          store_partial(g.dx + at, dx, n);
        } else {
          store(g.dx + at + k * W, dx);
        }
      }
    }
    if (g.sums == nullptr) continue;
    if (!partial) {
      for (int k = 0; k < registers; ++k) accumulate(g.sums + c + k * W, sum[k]);
      continue;
    }
    float lanes[W];
    store(lanes, sum[0]);
    for (index_t i = 0; i < n; ++i) g.sums[c + i] += double{lanes[i]};
  }
}

void backward(const PreluGradient& g) {
  index_t c = 0;
  for (; c + 4 * W <= g.columns; c += 4 * W) strip<4, false>(g, c, W);
  for (; c + W <= g.columns; c += W) strip<1, false>(g, c, W);
  if (c < g.columns) strip<1, true>(g, c, g.columns - c);
}

}  // namespace

const PreluKernels prelu_kernels{forward, backward};

}  // namespace TW_ISA
}  // namespace tilewise
