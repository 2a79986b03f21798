// Rearrangements between channels and pixels: one pass each, any element type.
#pragma once

#include "base/array.h"

namespace tilewise {

// (N, C r^2, H, W) -> (N, C, H r, W r): channel c r^2 + i r + j becomes pixel (i, j) of each block.
Array pixel_shuffle(const Array& x, index_t factor);
// Its inverse.
Array pixel_unshuffle(const Array& x, index_t factor);
// (N, C, spatial...): channels as a matrix (groups, C / groups), transposed.
Array channel_shuffle(const Array& x, index_t groups);

}  // namespace tilewise
