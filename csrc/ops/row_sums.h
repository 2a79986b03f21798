#pragma once

#include "base/array.h"

namespace tilewise {

// The sum over rows of a contiguous (rows, columns) matrix: bias gradients. Blocks of rows are
// summed in float32 and combined in double, in row order.
Array row_sums(const Array& matrix);

}  // namespace tilewise
