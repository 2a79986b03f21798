// Checks the attributes of pooling operations and works out their windows.
#pragma once

#include <string>

#include "base/array.h"
#include "base/pool_windows.h"

namespace tilewise {

// One entry per spatial dimension of the input.
struct PoolShape {
  Dims kernel;
  Dims stride;
  Dims padding;
  Dims dilation;
  bool ceil_mode = false;
};

// The output shape (N, C, spatial...) for an input of this shape; throws ValueError for attributes
// that make no sense.
Dims pool_output_shape(const std::string& op, const Dims& input, const PoolShape& pool);
// Of an input that has elements.
PoolWindows pool_windows(const std::string& op, const Dims& input, const Dims& output,
                         const PoolShape& pool);

// Windows floor(o in / out) .. ceil((o + 1) in / out), in exact integer arithmetic.
Dims adaptive_output_shape(const std::string& op, const Dims& input, const Dims& output_size);
PoolWindows adaptive_windows(const Dims& input, const Dims& output);

// No two windows share a pixel; every pixel is in a window.
bool windows_disjoint(const PoolWindows& windows);
bool windows_cover(const PoolWindows& windows);

}  // namespace tilewise
