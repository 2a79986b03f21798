// Transforms of Winograd's F(m x m, 3x3), m = 4 or 2, on channels-last data, vectors over channels.
//
//   Y = A^T [ (G g G^T) . (B^T d B) ] A
//
// A patch d of (m + 2)^2 pixels of the input gives m x m pixels of the output with (m + 2)^2
// multiplications. Point xi = (m + 2)*row + column of a transform is stored xi * stride floats on.
//
// A tile at the lower or right end of a map may have r < m rows or columns. It needs r + 2 of the
// points in that direction: the others are neither computed nor read (WinogradKernels::needs).
#pragma once

#include "kernels/dispatch.h"
#include "kernels/epilogue.h"

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

// Where a transform goes: point xi of channel c to v[xi*stride + c / panel * panel_stride +
// c % panel], panel a multiple of the vector.
struct WinogradPoints {
  float* v;
  index_t stride;
  index_t panel;
  index_t panel_stride;
};

// Rows and columns of outputs that a tile has, 1 to m.
struct WinogradExtent {
  index_t rows;
  index_t cols;
};

struct WinogradOutput {
  float* dst;  // pixel (0, 0) of the tile
  index_t row;
  index_t pixel;
  const float* bias;  // or null
  bool relu;
  bool past_caches;  // dst and its steps are multiples of 64 bytes, channels of whole vectors
};

struct WinogradKernels {
  index_t tile;    // m
  index_t points;  // (m + 2)^2
  // Whether a tile with `count` of m rows (columns) needs row (column) i of the points.
  bool (*needs)(index_t count, index_t i);
  // Asks for the lines of a patch, of it columns [col, ...), that will be read or written soon.
  // Behind a pointer, since gcc drops direct calls of functions that do nothing but prefetch.
  void (*prefetch)(const WinogradPatch& patch, index_t col, index_t channels);
  // B^T d B for the patch of a tile's inputs; gate.y lies as patch.src does, or is null.
  void (*input)(const WinogradPatch& patch, WinogradExtent extent, index_t channels,
                const GradientGate& gate, const WinogradPoints& out);
  // A dy A^T for a tile's outputs.
  void (*gradient)(const WinogradPatch& patch, WinogradExtent extent, index_t channels,
                   const GradientGate& gate, const WinogradPoints& out);
  // A^T m A, plus bias and activation, for m[xi*xi_stride + k].
  void (*output)(const float* m, index_t xi_stride, index_t channels, WinogradExtent extent,
                 const WinogradOutput& out);
  // u[xi*xi_stride + c*panel + j] = (G g G^T)[xi] for filters g[c*9*panel + tap*panel + j].
  void (*filter)(const float* g, index_t channels, float* u, index_t xi_stride);
  // dg[tap*tap_stride + i] = (G^T du G)[tap] for du[xi*xi_stride + i], i < count.
  void (*filter_gradient)(const float* du, index_t xi_stride, index_t count, float* dg,
                          index_t tap_stride);
};
TW_KERNEL_TABLE(WinogradKernels, winograd4_kernels)
TW_KERNEL_TABLE(WinogradKernels, winograd2_kernels)

}  // namespace tilewise
