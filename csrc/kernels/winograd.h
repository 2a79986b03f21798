// Transforms of Winograd's F(4x4, 3x3) on channels-last data, vectors over channels.
//
//   Y = A^T [ (G g G^T) . (B^T d B) ] A
//
// A 6x6 patch d of the input gives a 4x4 patch of the output with 36 multiplications instead of
// 144. The 36 points xi = 6*row + column are stored xi_stride floats apart.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// A patch of an image: rows [row0, row1) and columns [col0, col1) of it exist, the rest is zero.
// `src` points at the patch's (0, 0), which need not exist.
struct WinogradPatch {
  const float* src;
  index_t row;    // floats between rows
  index_t pixel;  // floats between pixels
  index_t row0, row1;
  index_t col0, col1;
};

struct WinogradOutput {
  float* dst;  // pixel (0, 0) of the tile
  index_t row;
  index_t pixel;
  index_t rows;  // valid, 1 to 4
  index_t cols;
  const float* bias;  // or null
  bool relu;
};

struct WinogradKernels {
  // v[xi*xi_stride + c] = (B^T d B)[xi] for a 6x6 patch.
  void (*input)(const WinogradPatch& patch, index_t channels, float* v, index_t xi_stride);
  // v[xi*xi_stride + k] = (A dy A^T)[xi] for a 4x4 patch.
  void (*gradient)(const WinogradPatch& patch, index_t channels, float* v, index_t xi_stride);
  // A^T m A, plus bias and activation, for m[xi*xi_stride + k].
  void (*output)(const float* m, index_t xi_stride, index_t channels, const WinogradOutput& out);
  // u[xi*xi_stride + c*panel + j] = (G g G^T)[xi] for filters g[c*9*panel + tap*panel + j].
  void (*filter)(const float* g, index_t channels, float* u, index_t xi_stride);
  // dg[tap*tap_stride + i] = (G^T du G)[tap] for du[xi*xi_stride + i], i < count.
  void (*filter_gradient)(const float* du, index_t xi_stride, index_t count, float* dg,
                          index_t tap_stride);
};
TW_KERNEL_TABLE(WinogradKernels, winograd_kernels)

}  // namespace tilewise
