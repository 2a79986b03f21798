// The grid of 4x4 output tiles of a 3x3 stride-1 correlation.
#pragma once

#include <algorithm>

#include "base/types.h"
#include "kernels/winograd.h"

namespace tilewise {

// Correlates `height` x `width` maps, pad rows and columns before them, to `out_height` x
// `out_width`. Tiles are numbered image by image, row by row.
struct WinogradGrid {
  index_t images;
  index_t height;
  index_t width;
  index_t out_height;
  index_t out_width;
  index_t pad_height;
  index_t pad_width;

  index_t tile_rows() const { return ceil_div(out_height, 4); }
  index_t tile_cols() const { return ceil_div(out_width, 4); }
  index_t tiles() const { return images * tile_rows() * tile_cols(); }

  struct Tile {
    index_t image;
    index_t row;  // of the first output pixel
    index_t col;
  };
  Tile tile(index_t i) const {
    const index_t per_image = tile_rows() * tile_cols();
    const index_t in_image = i % per_image;
    return {i / per_image, in_image / tile_cols() * 4, in_image % tile_cols() * 4};
  }

  // The 6x6 input patch of a tile in channels-last maps with `channels` floats a pixel.
  WinogradPatch input_patch(const float* x, index_t channels, const Tile& t) const {
    const index_t row = t.row - pad_height;
    const index_t col = t.col - pad_width;
    return patch(x, channels, t.image, row, col, height, width, 6);
  }
  // The 4x4 output patch.
  WinogradPatch output_patch(const float* y, index_t channels, const Tile& t) const {
    return patch(y, channels, t.image, t.row, t.col, out_height, out_width, 4);
  }

 private:
  static WinogradPatch patch(const float* maps, index_t channels, index_t image, index_t row,
                             index_t col, index_t rows, index_t cols, index_t size) {
    const auto first = [size](index_t at) { return std::clamp<index_t>(-at, 0, size); };
    const auto last = [size](index_t at, index_t extent) {
      return std::clamp<index_t>(extent - at, 0, size);
    };
    return {maps + ((image * rows + row) * cols + col) * channels,
            cols * channels,
            channels,
            first(row),
            last(row, rows),
            first(col),
            last(col, cols)};
  }
};

}  // namespace tilewise
