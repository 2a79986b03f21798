// Order along an axis. NaN counts as larger than any number, equal elements keep their order.
#pragma once

#include <utility>

#include "base/array.h"

namespace tilewise {

// The sorted elements and where each was (int64).
std::pair<Array, Array> sort(const Array& a, index_t axis, bool descending);

// The k largest or smallest elements, in order, and where each was. ValueError unless
// 0 <= k <= size of the axis.
std::pair<Array, Array> topk(const Array& a, index_t k, index_t axis, bool largest);

}  // namespace tilewise
