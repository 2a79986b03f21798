// C = A B + bias in the manner of Goto and van de Geijn ("Anatomy of high-performance matrix
// multiplication", ACM TOMS 34(3), 2008), with A read in place:
//
//   for each piece = (block of kRowBlock rows) x (group of panels)      -> threads
//     for k in steps of kDepth                                         -> B panels packed into L2
//       for each tile of at most max_rows rows                         -> A tile in L1
//         for each panel of the group: c tile += a tile * b panel      -> registers
//
// B panels are packed by the piece that uses them (kDepth x panel floats, 32 KB for AVX-512), so a
// large B is read from memory once. A stored by columns (a gradient dY^T X) needs no packing at
// all: the transposed kernel reads both operands as they lie.
#include "ops/gemm.h"

#include <algorithm>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"

namespace tilewise {
namespace {

constexpr index_t kDepth = 256;  // also bounds the rounding error: sums of 256, then their sum
constexpr index_t kRowBlock = 448;
constexpr index_t kPanelGroup = 4;
constexpr index_t kWantedPieces = 16;

// Rows of the tiles that cover `count` rows with the least padding and at most `largest` each.
index_t balanced_tile(index_t count, index_t largest) {
  return ceil_div(count, std::max<index_t>(1, ceil_div(count, largest)));
}

void pack_panel(const GemmKernels& kernels, const MatrixView& b, index_t k0, index_t depth,
                index_t column, index_t columns, float* packed) {
  const float* src = b.data + k0 * b.row_stride + column * b.col_stride;
  if (b.col_stride == 1) {
    kernels.pack_rows(src, b.row_stride, depth, columns, packed);
  } else {
    kernels.pack_transposed({src, b.col_stride, columns, depth, packed, depth, kernels.panel, 0});
  }
}

void multiply_piece(const GemmProblem& p, const GemmKernels& kernels, index_t row0, index_t rows,
                    index_t panel0, index_t panels) {
  const index_t panel_floats = std::min(kDepth, p.k) * kernels.panel;
  Scratch<float> packed(static_cast<std::size_t>(std::max<index_t>(1, panel_floats * panels)));
  const index_t tile = balanced_tile(rows, kernels.max_rows);
  const GemmTap tap{0, 0};
  index_t k0 = 0;
  do {  // once even for k = 0, which stores the bias
    const index_t depth = std::min(kDepth, p.k - k0);
    for (index_t j = 0; j < panels; ++j) {
      const index_t column = (panel0 + j) * kernels.panel;
      pack_panel(kernels, p.b, k0, depth, column, std::min(kernels.panel, p.n - column),
                 packed.data() + j * panel_floats);
    }
    for (index_t i = row0; i < row0 + rows; i += tile) {
      for (index_t j = 0; j < panels; ++j) {
        const index_t column = (panel0 + j) * kernels.panel;
        GemmTile t{};
        t.a = p.a.data + i * p.a.row_stride + k0;
        t.lda = p.a.row_stride;
        t.taps = &tap;
        t.tap_count = 1;
        t.run = depth;
        t.b = packed.data() + j * panel_floats;
        t.ldb = kernels.panel;
        t.c = p.c + i * p.ldc + column;
        t.ldc = p.ldc;
        t.columns = std::min(kernels.panel, p.n - column);
        t.bias = p.bias != nullptr && k0 == 0 ? p.bias + column : nullptr;
        t.accumulate = k0 > 0;
        kernels.tile(std::min(tile, row0 + rows - i), t);
      }
    }
    k0 += kDepth;
  } while (k0 < p.k);
}

void gemm_rows(const GemmProblem& p, const GemmKernels& kernels) {
  const index_t row_blocks = ceil_div(p.m, kRowBlock);
  const index_t row_block = balanced_tile(p.m, kRowBlock);
  const index_t panels = ceil_div(p.n, kernels.panel);
  const index_t group = std::clamp<index_t>(panels * row_blocks / kWantedPieces, 1, kPanelGroup);
  const index_t groups = ceil_div(panels, group);
  parallel_for(row_blocks * groups, p.m * p.n * p.k, [&](index_t piece) {
    const index_t row0 = piece / groups * row_block;
    const index_t panel0 = piece % groups * group;
    if (row0 >= p.m) return;
    multiply_piece(p, kernels, row0, std::min(row_block, p.m - row0), panel0,
                   std::min(group, panels - panel0));
  });
}

// A by columns, B by rows: c[i][j] = sum over p of a[p][i] b[p][j].
void gemm_transposed(const GemmProblem& p, const GemmKernels& kernels) {
  const index_t tile = balanced_tile(p.m, kernels.max_rows);
  const index_t tiles = ceil_div(p.m, tile);
  const index_t tiles_a_piece = std::max<index_t>(1, tiles / 8);
  const index_t panels = ceil_div(p.n, kernels.panel);
  const index_t pieces_a_panel = ceil_div(tiles, tiles_a_piece);
  parallel_for(panels * pieces_a_panel, p.m * p.n * p.k, [&](index_t piece) {
    const index_t column = piece / pieces_a_panel * kernels.panel;
    const index_t tile0 = piece % pieces_a_panel * tiles_a_piece;
    const index_t tile1 = std::min(tile0 + tiles_a_piece, tiles);
    for (index_t k0 = 0; k0 == 0 || k0 < p.k; k0 += kDepth) {
      for (index_t i = tile0; i < tile1; ++i) {
        GemmTransposedTile t{};
        t.a = p.a.data + k0 * p.a.col_stride + i * tile;
        t.lda = p.a.col_stride;
        t.b = p.b.data + k0 * p.b.row_stride + column;
        t.ldb = p.b.row_stride;
        t.count = std::min(kDepth, p.k - k0);
        t.segments = 1;
        t.c = p.c + i * tile * p.ldc + column;
        t.ldc = p.ldc;
        t.columns = std::min(kernels.panel, p.n - column);
        t.accumulate = k0 > 0;
        kernels.tile_transposed(std::min(tile, p.m - i * tile), t);
      }
    }
  });
}

}  // namespace

void gemm(const GemmProblem& problem) {
  GemmProblem p = problem;
  if (p.m == 0 || p.n == 0) return;
  const GemmKernels& kernels = gemm_kernels();
  if (p.a.col_stride != 1 && p.a.row_stride == 1 && p.b.col_stride == 1 && p.bias == nullptr) {
    gemm_transposed(p, kernels);
    return;
  }
  if (p.a.col_stride == 1 && (p.b.col_stride == 1 || p.b.row_stride == 1)) {
    gemm_rows(p, kernels);
    return;
  }
  // The remaining layouts are rare: bring A, and B if need be, into rows first.
  const bool copy_b = p.b.col_stride != 1 && p.b.row_stride != 1;
  Scratch<float> a(static_cast<std::size_t>(checked_mul(p.m, p.k)));
  Scratch<float> b(copy_b ? static_cast<std::size_t>(checked_mul(p.k, p.n)) : 0);
  parallel_ranges(p.m, 64, [&](index_t first, index_t last) {
    for (index_t i = first; i < last; ++i) {
      for (index_t k = 0; k < p.k; ++k) {
        a.data()[i * p.k + k] = p.a.data[i * p.a.row_stride + k * p.a.col_stride];
      }
    }
  });
  p.a = {a.data(), p.k, 1};
  if (copy_b) {
    parallel_ranges(p.k, 64, [&](index_t first, index_t last) {
      for (index_t k = first; k < last; ++k) {
        for (index_t j = 0; j < p.n; ++j) {
          b.data()[k * p.n + j] = p.b.data[k * p.b.row_stride + j * p.b.col_stride];
        }
      }
    });
    p.b = {b.data(), p.n, 1};
  }
  gemm_rows(p, kernels);
}

}  // namespace tilewise
