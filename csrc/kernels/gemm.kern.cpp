// Micro-kernels: a block of rows x 2 vectors of C stays in registers over the whole reduction.
//
// Register budget (vectors): rows*2 accumulators + 2 of B + 1 broadcast of A.
//   AVX-512: 14*2 + 3 = 31 of 32;   AVX2 and SSE2: 6*2 + 3 = 15 of 16.
// Per k-step: 2 vector loads and `rows` scalar broadcasts feed rows*2 multiply-adds, so the load
// ports are at most 60 % busy and the FMA pipes are the limit. Row addresses are a + i*lda with a
// run-time lda: held as few base registers, since 14 pointers would not fit 16 general registers.
// With AVX2 the accumulators are tied to their registers by inline assembly: gcc 12 picks forms of
// the multiply-add that overwrite another operand, and spills two sums in every fourth step (101
// instead of 111 GFLOP/s of 117).
//
// Reads from memory wait for about as long as a tile of 64 k-steps computes: the lines of the next
// tile's A are prefetched, four rows in four k-steps, and those of C before the sums begin
// (without: 75 of 118 GFLOP/s on 1x1 convolutions of large maps, see ops/conv/correlate.cpp).
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

// The vector types that a tile's columns are made of: at most one whole vector, then a last one
// that may be partly used. Half a vector is enough for a few columns: with AVX-512 a layer of 20 or
// 50 channels computes 24 or 56 columns instead of 32 or 64, with AVX2 20 or 52.
struct Whole {
  using Vec = VecF;
  static constexpr index_t width = W;
  static TW_INLINE Vec get(const float* p) { return load(p); }
  static TW_INLINE Vec get(const float* p, index_t n) { return load_partial(p, n); }
  static TW_INLINE void put(float* p, Vec a) { store(p, a); }
  static TW_INLINE void put(float* p, Vec a, index_t n) { store_partial(p, a, n); }
  static TW_INLINE void put_past(float* p, Vec a) { stream(p, a); }
  static TW_INLINE Vec broadcast(float x) { return set1(x); }
  static TW_INLINE void add_product(Vec& sum, Vec a, Vec b) {
#if TW_ISA_LEVEL == 1
    __asm__("vfmadd231ps %1, %2, %0" : "+x"(sum.v) : "x"(b.v), "x"(a.v));
#else
    sum = fmadd(a, b, sum);
#endif
  }
  static TW_INLINE Vec add(Vec a, Vec b) { return a + b; }
  static TW_INLINE Vec relu(Vec a) { return max(zero(), a); }
};

#if TW_ISA_LEVEL == 2
struct Half {
  using Vec = __m256;
  static constexpr index_t width = 8;
  static TW_INLINE __mmask8 lanes(index_t n) { return static_cast<__mmask8>((1U << n) - 1U); }
  static TW_INLINE Vec get(const float* p) { return _mm256_loadu_ps(p); }
  static TW_INLINE Vec get(const float* p, index_t n) { return _mm256_maskz_loadu_ps(lanes(n), p); }
  static TW_INLINE void put(float* p, Vec a) { _mm256_storeu_ps(p, a); }
  static TW_INLINE void put(float* p, Vec a, index_t n) { _mm256_mask_storeu_ps(p, lanes(n), a); }
  static TW_INLINE void put_past(float* p, Vec a) { _mm256_stream_ps(p, a); }
  static TW_INLINE Vec broadcast(float x) { return _mm256_set1_ps(x); }
  static TW_INLINE void add_product(Vec& sum, Vec a, Vec b) { sum = _mm256_fmadd_ps(a, b, sum); }
  static TW_INLINE Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
  static TW_INLINE Vec relu(Vec a) { return _mm256_max_ps(_mm256_setzero_ps(), a); }
};
#elif TW_ISA_LEVEL == 1
struct Half {
  using Vec = __m128;
  static constexpr index_t width = 4;
  static TW_INLINE __m128i lanes(index_t n) { return _mm256_castsi256_si128(first_lanes(n)); }
  static TW_INLINE Vec get(const float* p) { return _mm_loadu_ps(p); }
  static TW_INLINE Vec get(const float* p, index_t n) { return _mm_maskload_ps(p, lanes(n)); }
  static TW_INLINE void put(float* p, Vec a) { _mm_storeu_ps(p, a); }
  static TW_INLINE void put(float* p, Vec a, index_t n) { _mm_maskstore_ps(p, lanes(n), a); }
  static TW_INLINE void put_past(float* p, Vec a) { _mm_stream_ps(p, a); }
  static TW_INLINE Vec broadcast(float x) { return _mm_set1_ps(x); }
  static TW_INLINE void add_product(Vec& sum, Vec a, Vec b) {
    __asm__("vfmadd231ps %1, %2, %0" : "+x"(sum) : "x"(b), "x"(a));
  }
  static TW_INLINE Vec add(Vec a, Vec b) { return _mm_add_ps(a, b); }
  static TW_INLINE Vec relu(Vec a) { return _mm_max_ps(_mm_setzero_ps(), a); }
};
#else
using Half = Whole;
#endif

// Accumulators of a tile: `rows` x (one whole vector, if any, and the last one).
template <int MR, bool HasWhole, typename Last>
struct Accumulators {
  VecF whole[HasWhole ? MR : 1];
  typename Last::Vec last[MR];
  static constexpr index_t last_column = HasWhole ? W : 0;

  TW_INLINE Accumulators() {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      if (HasWhole) whole[i] = zero();
      last[i] = Last::broadcast(0.0F);
    }
  }

  // Adds the products of one column of A, given by `element`, and a row of B.
  template <typename Element>
  TW_INLINE void add_products(VecF b_whole, typename Last::Vec b_last, Element element) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const VecF a = set1(element(i));
      if (HasWhole) Whole::add_product(whole[i], a, b_whole);
      Last::add_product(last[i], broadcast_of(a, element, i), b_last);
    }
  }

 private:
  template <typename Element>
  static TW_INLINE typename Last::Vec broadcast_of(VecF a, Element element, int i) {
    if constexpr (Last::width == W) {
      (void)element;
      (void)i;
      return a;
    } else {
      return Last::broadcast(element(i));
    }
  }
};

template <int MR, bool HasWhole, typename Last>
TW_INLINE void multiply_step(Accumulators<MR, HasWhole, Last>& acc, const Rows<MR>& a, index_t k,
                             const float* b) {
  const VecF b_whole = HasWhole ? load(b) : zero();
  const typename Last::Vec b_last = Last::get(b + acc.last_column);
  acc.add_products(b_whole, b_last, [&](int i) { return a.at(i, k); });
}

// Bias, accumulation and activation of one vector of a row.
template <typename V>
TW_INLINE typename V::Vec finish(const GemmTile& t, typename V::Vec y, const float* c, index_t n,
                                 typename V::Vec bias) {
  y = V::add(y, bias);
  if (t.accumulate) y = V::add(y, V::get(c, n));
  return t.relu ? V::relu(y) : y;
}

// Walks over the lines of a tile's rows, four rows a step, 4 * groups floats a round.
template <int MR>
struct Prefetcher {
  static constexpr int groups = (MR + 3) / 4;
  const float* row;
  const float* column;
  index_t lda;
  int group = 0;

  TW_INLINE Prefetcher(const float* a, index_t stride) : row(a), column(a), lda(stride) {}
  TW_INLINE void step() {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) prefetch(row + i * lda);
    row += 4 * lda;
    if (++group == groups) {
      group = 0;
      row = column = column + 4 * groups;
    }
  }
};

template <int MR, bool HasWhole, typename Last>
void tile(const GemmTile& t) {
  Accumulators<MR, HasWhole, Last> acc;
  if (!t.stream) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      prefetch_to_write(t.c + i * t.ldc);
      if (HasWhole && W == 16) prefetch_to_write(t.c + i * t.ldc + W);
    }
  }
  Prefetcher<MR> ahead(t.next, t.lda);
  const index_t ldb = t.ldb;
  for (index_t tap = 0; tap < t.tap_count; ++tap) {
    Rows<MR> a(t.a + t.taps[tap].a, t.lda);
    const float* b = t.b + t.taps[tap].b;
    index_t k = t.run;
    for (; k >= 4; k -= 4) {
      if (t.next != nullptr) ahead.step();
#pragma GCC unroll 4
      for (int u = 0; u < 4; ++u) multiply_step(acc, a, u, b + u * ldb);
      a.advance(4);
      b += 4 * ldb;
    }
    for (; k > 0; --k) {
      multiply_step(acc, a, 0, b);
      a.advance(1);
      b += ldb;
    }
  }
  if (HasWhole) {
    const VecF bias = t.bias != nullptr ? load(t.bias) : zero();
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      float* c = t.c + i * t.ldc;
      const VecF y = finish<Whole>(t, acc.whole[HasWhole ? i : 0], c, W, bias);
      if (t.stream) {
        stream(c, y);
      } else {
        store(c, y);
      }
    }
  }
  const index_t n = t.columns - acc.last_column;
  const typename Last::Vec bias =
      t.bias != nullptr ? Last::get(t.bias + acc.last_column, n) : Last::broadcast(0.0F);
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
    float* c = t.c + i * t.ldc + acc.last_column;
    const typename Last::Vec y = finish<Last>(t, acc.last[i], c, n, bias);
    if (t.stream) {
      Last::put_past(c, y);
    } else if (n == Last::width) {
      Last::put(c, y);
    } else {
      Last::put(c, y, n);
    }
  }
}

template <int MR, bool HasWhole, typename Last, bool Full>
TW_INLINE void transposed_body(const GemmTransposedTile& t, index_t n) {
  Accumulators<MR, HasWhole, Last> acc;
  const float* ahead = t.ahead;
  const float* ahead_end = t.ahead + 16 * t.ahead_lines;
  for (index_t s = 0; s < t.segments; ++s) {
    const float* a = t.a + s * t.a_segment;
    const float* b = t.b + s * t.b_segment;
    for (index_t p = 0; p < t.count; ++p) {
      if (ahead != ahead_end) {
        prefetch_to_l2(ahead);
        ahead += 16;
      }
      const VecF b_whole = HasWhole ? load(b) : zero();
      const float* b_tail = b + acc.last_column;
      const typename Last::Vec b_last = Full ? Last::get(b_tail) : Last::get(b_tail, n);
      acc.add_products(b_whole, b_last, [&](int i) { return a[i]; });
      a += t.lda;
      b += t.ldb;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
    float* c = t.c + i * t.ldc;
    if (HasWhole) {
      const VecF y = acc.whole[HasWhole ? i : 0];
      store(c, t.accumulate ? y + load(c) : y);
    }
    c += acc.last_column;
    typename Last::Vec y = acc.last[i];
    if constexpr (Full) {
      if (t.accumulate) y = Last::add(y, Last::get(c));
      Last::put(c, y);
    } else {
      if (t.accumulate) y = Last::add(y, Last::get(c, n));
      Last::put(c, y, n);
    }
  }
}

template <int MR, bool HasWhole, typename Last>
void tile_transposed(const GemmTransposedTile& t) {
  const index_t n = t.columns - (HasWhole ? W : 0);
  if (n == Last::width) {
    transposed_body<MR, HasWhole, Last, true>(t, n);
  } else {
    transposed_body<MR, HasWhole, Last, false>(t, n);
  }
}

using TileFn = void (*)(const GemmTile&);
using TransposedFn = void (*)(const GemmTransposedTile&);

#if TW_ISA_LEVEL == 2
#define TW_EACH_ROW_COUNT(F, ...)                                                  \
  {F<1, __VA_ARGS__>,  F<2, __VA_ARGS__>,  F<3, __VA_ARGS__>,  F<4, __VA_ARGS__>,  \
   F<5, __VA_ARGS__>,  F<6, __VA_ARGS__>,  F<7, __VA_ARGS__>,  F<8, __VA_ARGS__>,  \
   F<9, __VA_ARGS__>,  F<10, __VA_ARGS__>, F<11, __VA_ARGS__>, F<12, __VA_ARGS__>, \
   F<13, __VA_ARGS__>, F<14, __VA_ARGS__>}
#else
#define TW_EACH_ROW_COUNT(F, ...)                           \
  {F<1, __VA_ARGS__>, F<2, __VA_ARGS__>, F<3, __VA_ARGS__>, \
   F<4, __VA_ARGS__>, F<5, __VA_ARGS__>, F<6, __VA_ARGS__>}
#endif
#define TW_EACH_WIDTH(F)                                                  \
  {TW_EACH_ROW_COUNT(F, false, Half), TW_EACH_ROW_COUNT(F, false, Whole), \
   TW_EACH_ROW_COUNT(F, true, Half), TW_EACH_ROW_COUNT(F, true, Whole)}

constexpr TileFn kTiles[4][kMaxRows] = TW_EACH_WIDTH(tile);
constexpr TransposedFn kTransposed[4][kMaxRows] = TW_EACH_WIDTH(tile_transposed);

// Half a vector, a vector, one and a half, two.
index_t width_class(index_t columns) {
  const index_t whole = columns > W ? 2 : 0;
  return whole + (columns - whole / 2 * W > Half::width ? 1 : 0);
}

void run_tile(index_t rows, const GemmTile& t) { kTiles[width_class(t.columns)][rows - 1](t); }

void run_tile_transposed(index_t rows, const GemmTransposedTile& t) {
  kTransposed[width_class(t.columns)][rows - 1](t);
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

void fence() { stream_fence(); }

void add(float* y, const float* x, index_t count) {
  index_t i = 0;
  for (; i + W <= count; i += W) store(y + i, load(y + i) + load(x + i));
  store_partial(y + i, load_partial(y + i, count - i) + load_partial(x + i, count - i), count - i);
}

// As the sums of reduce.kern.cpp: the error does not grow with the length.
double dot(const float* x, const float* y, index_t count) {
  constexpr index_t unroll = 4;
  constexpr index_t block = 16 * unroll * W;
  double total = 0.0;
  index_t i = 0;
  while (i + unroll * W <= count) {
    const index_t end = i + block < count ? i + block : count;
    VecF s[unroll] = {zero(), zero(), zero(), zero()};
    for (; i + unroll * W <= end; i += unroll * W) {
      for (index_t u = 0; u < unroll; ++u) {
        s[u] = fmadd(load(x + i + u * W), load(y + i + u * W), s[u]);
      }
    }
    total += static_cast<double>(reduce_add((s[0] + s[1]) + (s[2] + s[3])));
  }
  VecF rest = zero();
  for (; i + W <= count; i += W) rest = fmadd(load(x + i), load(y + i), rest);
  if (i < count) {
    rest = fmadd(load_partial(x + i, count - i), load_partial(y + i, count - i), rest);
  }
  return total + static_cast<double>(reduce_add(rest));
}

}  // namespace

const GemmKernels gemm_kernels{kMaxRows,        kPanel,    W,     run_tile, run_tile_transposed,
                               pack_transposed, pack_rows, fence, add,      dot};

}  // namespace TW_ISA
}  // namespace tilewise
