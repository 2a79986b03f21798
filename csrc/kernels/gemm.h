// Register-blocked inner kernels of every matrix product and GEMM-shaped convolution.
//
// `tile` computes rows x panel outputs
//
//   c[i*ldc + j] = sum over taps t and k < run of  a[t.a + i*lda + k] * b[t.b + k*ldb + j]
//
// A plain product has one tap. A convolution has one tap per kernel position (or per kernel row,
// where kw*C input floats are contiguous): rows are output pixels, lda is the distance between the
// input pixels under them, so the input is read where it lies and no im2col matrix is built.
//
// `tile_transposed` reduces over pixels, for weight gradients:
//
//   c[i*ldc + j] (+)= sum over segments s and p < count of
//                     a[s*a_segment + p*lda + i] * b[s*b_segment + p*ldb + j]
//
// Contract: 1 <= rows <= max_rows, 1 <= columns <= panel. B panels are read in full vectors (they
// are padded with zeros); the transposed kernel and all stores touch valid columns only.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

struct GemmTap {
  index_t a;  // offset of the tap's first element in A
  index_t b;  // offset of its first row in the packed panel
};

struct GemmTile {
  const float* a;
  index_t lda;
  const GemmTap* taps;
  index_t tap_count;
  index_t run;
  const float* b;
  index_t ldb;
  float* c;
  index_t ldc;
  index_t columns;
  const float* bias;  // `columns` values added to every row, or null
  bool accumulate;    // add to what c holds (before the activation)
  bool relu;
  const float* next;  // A of the tile that follows: brought to L1 meanwhile; or null
  bool stream;        // store past the caches: whole vectors at aligned addresses; see fence
};

struct GemmTransposedTile {
  const float* a;
  index_t lda;
  index_t a_segment;
  const float* b;
  index_t ldb;
  index_t b_segment;
  index_t count;
  index_t segments;
  float* c;
  index_t ldc;
  index_t columns;
  bool accumulate;
  const float* ahead;   // lines of 64 bytes in memory to prefetch meanwhile, at most
  index_t ahead_lines;  // count * segments
};

// Transposes `rows` strided rows into columns of a panel: for r < rows and col < cols,
//   dst[(col / inner) * outer_step + (col % inner) * inner_step + r] = src[r*row_stride + col]
// and zeros for rows <= r < panel.
struct PackTransposed {
  const float* src;
  index_t row_stride;
  index_t rows;
  index_t cols;
  float* dst;
  index_t inner;
  index_t inner_step;
  index_t outer_step;
};

struct GemmKernels {
  index_t max_rows;
  index_t panel;  // columns of a packed panel
  index_t width;  // floats in a vector
  void (*tile)(index_t rows, const GemmTile& t);
  void (*tile_transposed)(index_t rows, const GemmTransposedTile& t);
  void (*pack_transposed)(const PackTransposed& p);
  // dst[r][0..panel) = src[r*row_stride + 0..columns), padded with zeros.
  void (*pack_rows)(const float* src, index_t row_stride, index_t rows, index_t columns,
                    float* dst);
  // Orders streamed stores before what other threads read.
  void (*fence)();
  // Plain sums: y[i] += x[i].
  void (*add)(float* y, const float* x, index_t count);
  // The sum of x[i] y[i]: short blocks in float32, combined in double.
  double (*dot)(const float* x, const float* y, index_t count);
};
TW_KERNEL_TABLE(GemmKernels, gemm_kernels)

}  // namespace tilewise
