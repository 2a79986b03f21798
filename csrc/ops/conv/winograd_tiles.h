// The grid of m x m output tiles of a 3x3 stride-1 correlation, and blocks of tiles sorted by what
// they need.
#pragma once

#include <algorithm>

#include "base/border.h"
#include "base/memory.h"
#include "kernels/winograd.h"

namespace tilewise {

// Kernel planes of a 3-D correlation: tap t of output plane o reads input plane o + first + t*step,
// zeros outside. One plane that reads itself is the 2-D case.
struct WinogradPlanes {
  index_t taps = 1;
  index_t in = 1;
  index_t out = 1;
  index_t first = 0;
  index_t step = 1;
};

// Correlates `height` x `width` maps, pad rows and columns before them, to `out_height` x
// `out_width`. Tiles are numbered image by image, row by row; the last of a row or column may have
// fewer than m outputs there.
//
// A dilated kernel sees every dilation-th pixel only: the image is dilation_height x dilation_width
// interleaved maps (phases), each with a correlation of its own. An image is here an output plane's
// phase; heights, widths and pads are those of a phase.
struct WinogradGrid {
  index_t images;
  index_t height;
  index_t width;
  index_t out_height;
  index_t out_width;
  index_t pad_height;
  index_t pad_width;
  index_t m;
  WinogradPlanes planes{};
  index_t dilation_height = 1;
  index_t dilation_width = 1;
  Border border = Border::zeros;

  index_t tile_rows() const { return ceil_div(out_height, m); }
  index_t tile_cols() const { return ceil_div(out_width, m); }
  index_t tiles() const { return images * tile_rows() * tile_cols(); }
  // Outputs in the last tile of a column, of a row.
  index_t last_rows() const { return out_height - (tile_rows() - 1) * m; }
  index_t last_cols() const { return out_width - (tile_cols() - 1) * m; }

  // Points of all tiles of a column, of a row.
  index_t row_points() const { return out_height + 2 * tile_rows(); }
  index_t col_points() const { return out_width + 2 * tile_cols(); }

  struct Tile {
    index_t image;
    index_t row;  // of the first output pixel
    index_t col;
  };
  Tile tile(index_t i) const {
    const index_t per_image = tile_rows() * tile_cols();
    const index_t in_image = i % per_image;
    return {i / per_image, in_image / tile_cols() * m, in_image % tile_cols() * m};
  }
  WinogradExtent extent(const Tile& t) const {
    return {std::min(m, out_height - t.row), std::min(m, out_width - t.col)};
  }

  // The input patch of a tile under a plane of the kernel, in channels-last maps with `channels`
  // floats a pixel.
  WinogradPatch input_patch(const float* x, index_t channels, const Tile& t,
                            index_t tap = 0) const {
    const WinogradExtent e = extent(t);
    const index_t phases = dilation_height * dilation_width;
    const index_t plane = border_source(
        border, t.image / phases % planes.out + planes.first + tap * planes.step, planes.in);
    if (plane < 0) return {x, 0, 0, 0, 0, 0, 0};
    const index_t image = (t.image / phases / planes.out * planes.in + plane) * phases;
    return patch(x, channels, {image + t.image % phases, t.row - pad_height, t.col - pad_width},
                 height, width, {e.rows + 2, e.cols + 2});
  }
  // The same, where padding does not hold zeros: what lies outside the map is written out, to
  // border_floats() of `memory`.
  WinogradPatch input_patch(const float* x, index_t channels, const Tile& t, index_t tap,
                            float* memory) const {
    const WinogradPatch p = input_patch(x, channels, t, tap);
    const WinogradExtent e = extent(t);
    const index_t rows = e.rows + 2;
    const index_t cols = e.cols + 2;
    const bool inside = p.row0 == 0 && p.row1 == rows && p.col0 == 0 && p.col1 == cols;
    if (border == Border::zeros || inside) return p;
    // The phase's pixel at (row, col) of the patch, in pixels of the whole map.
    const index_t phase = t.image % (dilation_height * dilation_width);
    const index_t row0 = (t.row - pad_height) * dilation_height + phase / dilation_width;
    const index_t col0 = (t.col - pad_width) * dilation_width + phase % dilation_width;
    const index_t map_cols = width * dilation_width;
    const float* map = p.src - (row0 * map_cols + col0) * channels;
    float* out = memory;
    for (index_t i = 0; i < rows; ++i) {
      const index_t row =
          border_source(border, row0 + i * dilation_height, height * dilation_height);
      for (index_t j = 0; j < cols; ++j, out += channels) {
        const index_t col = border_source(border, col0 + j * dilation_width, map_cols);
        std::copy_n(map + (row * map_cols + col) * channels, channels, out);
      }
    }
    return {memory, cols * channels, channels, 0, rows, 0, cols};
  }
  index_t border_floats(index_t channels) const {
    return border == Border::zeros ? 0 : (m + 2) * (m + 2) * channels;
  }
  // The output patch.
  WinogradPatch output_patch(const float* y, index_t channels, const Tile& t) const {
    return patch(y, channels, t, out_height, out_width, extent(t));
  }
  // Where its first pixel lies in the output maps.
  index_t output_offset(index_t channels, const Tile& t) const {
    return offset(t, out_height, out_width) * channels;
  }
  index_t output_row(index_t channels) const {
    return out_width * dilation_width * dilation_height * channels;
  }
  index_t output_pixel(index_t channels) const { return dilation_width * channels; }

 private:
  // In pixels.
  index_t offset(const Tile& t, index_t rows, index_t cols) const {
    const index_t phases = dilation_height * dilation_width;
    const index_t phase = t.image % phases;
    const index_t row = t.row * dilation_height + phase / dilation_width;
    const index_t col = t.col * dilation_width + phase % dilation_width;
    return (t.image / phases * rows * dilation_height + row) * cols * dilation_width + col;
  }

  WinogradPatch patch(const float* maps, index_t channels, const Tile& t, index_t rows,
                      index_t cols, const WinogradExtent& size) const {
    return {maps + offset(t, rows, cols) * channels,
            cols * dilation_width * dilation_height * channels,
            dilation_width * channels,
            std::clamp<index_t>(-t.row, 0, size.rows),
            std::clamp<index_t>(rows - t.row, 0, size.rows),
            std::clamp<index_t>(-t.col, 0, size.cols),
            std::clamp<index_t>(cols - t.col, 0, size.cols)};
  }
};

// Tiles [first, first + count) of a grid in the order: those with few columns; whole ones; those
// with few rows; those with few of both. So the tiles that need a point are neighbours.
class WinogradBlock {
 public:
  WinogradBlock(const WinogradGrid& grid, index_t first, index_t count)
      : grid_(grid), count_(count), order_(static_cast<std::size_t>(count)) {
    for (index_t i = 0; i < count; ++i) ++ends_[kind(grid.tile(first + i))];
    for (int k = 1; k < 4; ++k) ends_[k] += ends_[k - 1];
    index_t next[4] = {0, ends_[0], ends_[1], ends_[2]};
    for (index_t i = 0; i < count; ++i) {
      const WinogradGrid::Tile t = grid.tile(first + i);
      order_[static_cast<std::size_t>(next[kind(t)]++)] = t;
    }
  }

  index_t count() const { return count_; }
  const WinogradGrid::Tile& operator[](index_t position) const { return order_.data()[position]; }

  // The positions that need point (row, col) of a transform.
  struct Range {
    index_t begin;
    index_t end;
  };
  Range range(const WinogradKernels& kernels, index_t xi) const {
    const bool short_rows = kernels.needs(grid_.last_rows(), xi / (grid_.m + 2));
    const bool short_cols = kernels.needs(grid_.last_cols(), xi % (grid_.m + 2));
    return {short_cols ? 0 : ends_[0], !short_rows ? ends_[1] : short_cols ? ends_[3] : ends_[2]};
  }

 private:
  int kind(const WinogradGrid::Tile& t) const {
    const bool few_rows = t.row + grid_.m > grid_.out_height;
    const bool few_cols = t.col + grid_.m > grid_.out_width;
    return few_rows ? (few_cols ? 3 : 2) : (few_cols ? 0 : 1);
  }

  const WinogradGrid& grid_;
  index_t count_;
  index_t ends_[4] = {0, 0, 0, 0};
  Scratch<WinogradGrid::Tile> order_;
};

// The gate of a patch of the maps at `maps`.
inline GradientGate gate_of(const GradientGate& gate, const float* maps,
                            const WinogradPatch& patch) {
  if (gate.y == nullptr) return gate;
  return {gate.y + (patch.src - maps), gate.upper, gate.slope};
}

// The part of `count` things that belongs to step `step` of `steps`.
inline WinogradBlock::Range part_of(index_t count, index_t step, index_t steps) {
  return {count * step / steps, count * (step + 1) / steps};
}

}  // namespace tilewise
