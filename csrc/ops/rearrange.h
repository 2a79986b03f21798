// Arrays put together and turned round.
#pragma once

#include <vector>

#include "base/array.h"

namespace tilewise {

// Arrays of one shape but for `axis`, one after the other; the dtype is what they promote to.
Array concat_arrays(const std::vector<Array>& arrays, index_t axis);

// The order of elements reversed along the axes (all for an empty list); a copy.
Array flip(const Array& a, const Dims& axes);

}  // namespace tilewise
