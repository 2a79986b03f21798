// A strip: the part of an input that one piece of work reads, with its padding written out.
//
// Pixels of a strip are evenly spaced, so a GEMM tile can walk over them with one stride and no
// test for borders. Copying costs one read that had to happen anyway and one write to L2; where no
// pixel of the strip lies outside, the input itself serves and nothing is copied.
#pragma once

#include "base/border.h"
#include "kernels/epilogue.h"

namespace tilewise {

// An activation as the strips see it: one image, channels-last, a range of channels of each pixel.
struct StripSource {
  index_t extent[3];
  index_t pixel;        // elements between pixels (all channels)
  index_t channels;     // channels of the range
  index_t strip_pixel;  // elements between pixels of the strip, at least `channels`
  GradientGate gate{};  // through which a gradient is read; its y points where `image` does
  Border border = Border::zeros;
};

// First pixel (may be negative) and size of the region that is read; planes may be spread apart.
struct StripRegion {
  index_t plane0;
  index_t plane_step;
  index_t planes;
  index_t row0;
  index_t rows;
  index_t col0;
  index_t cols;
};

// Pixels a multiple of 2 KB apart fall on two sets of L1 or one, where the 14 rows of a tile evict
// each other; strips put a pad between such pixels (a product over 1024 channels: 75 of 118 GFLOP/s
// without, 105 with). At 1 KB reading in place with prefetches is faster than copying: 105 to 85.
constexpr index_t kPixelPad = 16;
constexpr bool pixels_alias(index_t floats) { return floats % 512 == 0; }

bool strip_is_inside(const StripSource& source, const StripRegion& region);

// Copies the region to out[planes][rows][cols][strip_pixel], the border outside; what lies between
// the channels of two pixels is left as it is. `image` points at the first channel of the range in
// the image's first pixel.
void pack_strip(const StripSource& source, const StripRegion& region, const float* image,
                float* out);

}  // namespace tilewise
