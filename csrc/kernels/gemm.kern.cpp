// Micro-kernels: a block of rows x 2 vectors of C stays in registers over the whole reduction.
//
// Register budget (vectors): rows*2 accumulators + 2 of B + 1 broadcast of A.
//   AVX-512: 14*2 + 3 = 31 of 32;   AVX2 and SSE2: 6*2 + 3 = 15 of 16.
// Per k-step: 2 vector loads and `rows` scalar broadcasts feed rows*2 multiply-adds, so the load
// ports are at most 60 % busy and the FMA pipes are the limit. Row addresses are a + i*lda with a
// run-time lda: held as few base registers, since 14 pointers would not fit 16 general registers.
//
// The order of additions is k = 0, 1, 2, ... for every output, whatever the tile's position, so
// results do not depend on how the work is cut.
#include "kernels/gemm.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

#if TW_ISA_LEVEL == 2
constexpr index_t kMaxRows = 14;
#else
constexpr index_t kMaxRows = 6;
#endif
constexpr index_t W = VecF::width;
constexpr index_t kPanel = 2 * W;

// Row i of A for compile-time i, with bases at every fourth row: [base], [base + lda],
// [base + 2 lda] and [base + 3 lda] are one addressing mode each (lda and 3 lda in registers).
template <int MR>
struct Rows {
  static constexpr int groups = (MR + 3) / 4;
  const float* base[groups];
  index_t lda;
  index_t lda3;

  TW_INLINE Rows(const float* a, index_t stride) : lda(stride), lda3(3 * stride) {
    for (int g = 0; g < groups; ++g) base[g] = a + 4 * g * stride;
  }
  TW_INLINE float at(int i, index_t k) const {
    const float* p = base[i / 4] + k;
    switch (i % 4) {
      case 0:
        return p[0];
      case 1:
        return p[lda];
      case 2:
        return p[2 * lda];
      default:
        return p[lda3];
    }
  }
  TW_INLINE void advance(index_t n) {
    for (int g = 0; g < groups; ++g) base[g] += n;
  }
};

template <int MR, int NV>
TW_INLINE void multiply_step(VecF (&acc)[MR][NV], const Rows<MR>& a, index_t k, const float* b) {
  VecF bv[NV];
#pragma GCC unroll 2
  for (int j = 0; j < NV; ++j) bv[j] = load(b + j * W);
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
    const VecF av = set1(a.at(i, k));
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) acc[i][j] = fmadd(av, bv[j], acc[i][j]);
  }
}

template <int MR, int NV>
void tile(const GemmTile& t) {
  VecF acc[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) acc[i][j] = zero();
  }
  const index_t ldb = t.ldb;
  for (index_t tap = 0; tap < t.tap_count; ++tap) {
    Rows<MR> a(t.a + t.taps[tap].a, t.lda);
    const float* b = t.b + t.taps[tap].b;
    index_t k = t.run;
    for (; k >= 4; k -= 4) {
#pragma GCC unroll 4
      for (int u = 0; u < 4; ++u) multiply_step<MR, NV>(acc, a, u, b + u * ldb);
      a.advance(4);
      b += 4 * ldb;
    }
    for (; k > 0; --k) {
      multiply_step<MR, NV>(acc, a, 0, b);
      a.advance(1);
      b += ldb;
    }
  }
  const index_t last = t.columns - (NV - 1) * W;  // valid columns of the last vector
#pragma GCC unroll 2
  for (int j = 0; j < NV; ++j) {
    const index_t n = j == NV - 1 ? last : W;
    const VecF bias = t.bias != nullptr ? load_partial(t.bias + j * W, n) : zero();
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      float* c = t.c + i * t.ldc + j * W;
      VecF y = acc[i][j] + bias;
      if (t.accumulate) y = y + load_partial(c, n);
      if (t.relu) y = max(zero(), y);
      if (n == W) {
        store(c, y);
      } else {
        store_partial(c, y, n);
      }
    }
  }
}

template <int MR, int NV, bool Full>
TW_INLINE void transposed_body(const GemmTransposedTile& t, index_t last) {
  VecF acc[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) acc[i][j] = zero();
  }
  for (index_t s = 0; s < t.segments; ++s) {
    const float* a = t.a + s * t.a_segment;
    const float* b = t.b + s * t.b_segment;
    for (index_t p = 0; p < t.count; ++p) {
      VecF bv[NV];
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j) {
        bv[j] = Full || j < NV - 1 ? load(b + j * W) : load_partial(b + j * W, last);
      }
#pragma GCC unroll 16
      for (int i = 0; i < MR; ++i) {
        const VecF av = set1(a[i]);
#pragma GCC unroll 2
        for (int j = 0; j < NV; ++j) acc[i][j] = fmadd(av, bv[j], acc[i][j]);
      }
      a += t.lda;
      b += t.ldb;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) {
      const index_t n = j == NV - 1 ? last : W;
      float* c = t.c + i * t.ldc + j * W;
      VecF y = acc[i][j];
      if (t.accumulate) y = y + load_partial(c, n);
      store_partial(c, y, n);
    }
  }
}

template <int MR, int NV>
void tile_transposed(const GemmTransposedTile& t) {
  const index_t last = t.columns - (NV - 1) * W;
  if (last == W) {
    transposed_body<MR, NV, true>(t, last);
  } else {
    transposed_body<MR, NV, false>(t, last);
  }
}

using TileFn = void (*)(const GemmTile&);
using TransposedFn = void (*)(const GemmTransposedTile&);

#if TW_ISA_LEVEL == 2
#define TW_EACH_ROW_COUNT(F) \
  {F(1), F(2), F(3), F(4), F(5), F(6), F(7), F(8), F(9), F(10), F(11), F(12), F(13), F(14)}
#else
#define TW_EACH_ROW_COUNT(F) {F(1), F(2), F(3), F(4), F(5), F(6)}
#endif
#define TW_ONE(rows) tile<rows, 1>
#define TW_TWO(rows) tile<rows, 2>
#define TW_ONE_T(rows) tile_transposed<rows, 1>
#define TW_TWO_T(rows) tile_transposed<rows, 2>

constexpr TileFn kTiles[2][kMaxRows] = {TW_EACH_ROW_COUNT(TW_ONE), TW_EACH_ROW_COUNT(TW_TWO)};
constexpr TransposedFn kTransposed[2][kMaxRows] = {TW_EACH_ROW_COUNT(TW_ONE_T),
                                                   TW_EACH_ROW_COUNT(TW_TWO_T)};

void run_tile(index_t rows, const GemmTile& t) { kTiles[t.columns > W][rows - 1](t); }

void run_tile_transposed(index_t rows, const GemmTransposedTile& t) {
  kTransposed[t.columns > W][rows - 1](t);
}

// W x W blocks through registers; columns and rows past the end are zeros on the way in and are
// not stored on the way out.
void pack_transposed(const PackTransposed& p) {
  for (index_t col0 = 0; col0 < p.cols; col0 += W) {
    const index_t cols = p.cols - col0 < W ? p.cols - col0 : W;
    for (index_t row0 = 0; row0 < kPanel; row0 += W) {
      VecF block[W];
      for (index_t r = 0; r < W; ++r) {
        const float* src = p.src + (row0 + r) * p.row_stride + col0;
        block[r] = row0 + r >= p.rows ? zero() : cols == W ? load(src) : load_partial(src, cols);
      }
      transpose(block);
      index_t outer = col0 / p.inner;
      index_t inner = col0 % p.inner;
      for (index_t i = 0; i < cols; ++i) {
        store(p.dst + outer * p.outer_step + inner * p.inner_step + row0, block[i]);
        if (++inner == p.inner) {
          inner = 0;
          ++outer;
        }
      }
    }
  }
}

void pack_rows(const float* src, index_t row_stride, index_t rows, index_t columns, float* dst) {
  const index_t second = columns > W ? columns - W : 0;
  const index_t first = columns > W ? W : columns;
  for (index_t r = 0; r < rows; ++r) {
    store(dst, load_partial(src, first));
    store(dst + W, load_partial(src + first, second));
    src += row_stride;
    dst += kPanel;
  }
}

void add(float* y, const float* x, index_t count) {
  index_t i = 0;
  for (; i + W <= count; i += W) store(y + i, load(y + i) + load(x + i));
  store_partial(y + i, load_partial(y + i, count - i) + load_partial(x + i, count - i), count - i);
}

}  // namespace

const GemmKernels gemm_kernels{kMaxRows,        kPanel,    W,  run_tile, run_tile_transposed,
                               pack_transposed, pack_rows, add};

}  // namespace TW_ISA
}  // namespace tilewise
