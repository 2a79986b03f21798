#pragma once

#include "base/array.h"
#include "ops/dropout.h"

namespace tilewise {

struct DropBlockResult {
  Array y;
  Array mask;    // for apply_dropout_mask
  double scale;  // of what is kept
};

// The places where a block may start, in all samples and channels of x (N, C, spatial...).
index_t drop_block_places(const Array& x, index_t block_size);

// Zeroes blocks of `block_size` pixels a side, each channel by itself, so that about a share p is
// gone, and scales the rest by the number of all elements / (eps + the number of those kept).
DropBlockResult drop_block_forward(const Array& x, double p, index_t block_size, double eps,
                                   RandomPosition position);

}  // namespace tilewise
