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

// The outputs [low[i], high[i]) whose windows may hold coordinate i of an axis.
struct PoolCovers {
  using Table = SmallVector<std::int32_t, 16>;

  static constexpr index_t most_covers = 16;
  Table low;
  Table high;
  index_t most = 0;  // of them, for one coordinate; tables are not filled where it is above 16
};
PoolCovers covers_of(const PoolAxis& axis);

}  // namespace tilewise
