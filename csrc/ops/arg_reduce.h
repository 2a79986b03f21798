// Where the extreme elements are.
#pragma once

#include <utility>

#include "base/array.h"

namespace tilewise {

enum class Extreme : std::uint8_t { largest, smallest };

// The extreme element along an axis and its position (int64): the first of equals, and the first
// NaN where there is one. ValueError for an axis of size 0.
std::pair<Array, Array> extreme_with_index(Extreme which, const Array& a, index_t axis,
                                           bool keepdims);
Array arg_extreme(Extreme which, const Array& a, index_t axis, bool keepdims);

}  // namespace tilewise
