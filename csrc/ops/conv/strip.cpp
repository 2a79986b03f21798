#include "ops/conv/strip.h"

#include <algorithm>
#include <cstring>

namespace tilewise {

bool strip_is_inside(const StripSource& source, const StripRegion& r) {
  return r.plane0 >= 0 && r.plane0 + (r.planes - 1) * r.plane_step < source.extent[0] &&
         r.row0 >= 0 && r.row0 + r.rows <= source.extent[1] && r.col0 >= 0 &&
         r.col0 + r.cols <= source.extent[2];
}

namespace {

// Columns outside the input, taken from the row that starts at `row`.
void pack_columns(const StripSource& source, const StripRegion& r, index_t first, index_t last,
                  const float* row, float* out) {
  for (index_t col = first; col < last; ++col) {
    const index_t w = border_source(source.border, r.col0 + col, source.extent[2]);
    std::copy_n(row + w * source.pixel, source.channels, out + col * source.strip_pixel);
  }
}

}  // namespace

void pack_strip(const StripSource& source, const StripRegion& r, const float* image, float* out) {
  const index_t channels = source.channels;
  const index_t pixel = source.strip_pixel;
  const index_t first = std::clamp<index_t>(-r.col0, 0, r.cols);  // columns left of the input
  const index_t last = std::clamp<index_t>(source.extent[2] - r.col0, first, r.cols);
  const auto bytes = [](index_t floats) {
    return static_cast<std::size_t>(floats) * sizeof(float);
  };
  const GradientGate& gate = source.gate;
  const auto copy = [&](float* to, const float* from, index_t floats) {
    if (gate.y == nullptr) {
      std::memcpy(to, from, bytes(floats));
    } else {
      epilogue_kernels().gate(from, {gate.y + (from - image), gate.upper, gate.slope}, to, floats);
    }
  };
  const bool zeros = source.border == Border::zeros;
  for (index_t plane = 0; plane < r.planes; ++plane) {
    const index_t d =
        border_source(source.border, r.plane0 + plane * r.plane_step, source.extent[0]);
    for (index_t row = 0; row < r.rows; ++row, out += r.cols * pixel) {
      const index_t h = border_source(source.border, r.row0 + row, source.extent[1]);
      if (d < 0 || h < 0) {
        std::memset(out, 0, bytes(r.cols * pixel));
        continue;
      }
      const float* line = image + (d * source.extent[1] + h) * source.extent[2] * source.pixel;
      const float* src = line + (r.col0 + first) * source.pixel;
      if (zeros) {
        std::memset(out, 0, bytes(first * pixel));
        std::memset(out + last * pixel, 0, bytes((r.cols - last) * pixel));
      } else {
        pack_columns(source, r, 0, first, line, out);
        pack_columns(source, r, last, r.cols, line, out);
      }
      if (source.pixel == channels && pixel == channels) {
        copy(out + first * pixel, src, (last - first) * channels);
      } else {
        for (index_t col = first; col < last; ++col) {
          copy(out + col * pixel, src, channels);
          src += source.pixel;
        }
      }
    }
  }
}

}  // namespace tilewise
