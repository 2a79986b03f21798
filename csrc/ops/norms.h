// Norms of vectors of any order, and slices scaled down to one.
#pragma once

#include <utility>

#include "base/array.h"

namespace tilewise {

// The norm of any order over some axes, which are kept with size 1 where wanted: the largest or the
// smallest magnitude for infinities, the number of non-zeros for 0, (sum |a|^p)^(1/p) else.
Array vector_norm(const Array& a, double p, const Dims& axes, bool keepdims);

// Each slice along the axis with a p-norm of at most `limit`. Also the norms, with a's rank.
std::pair<Array, Array> renorm(const Array& a, double p, index_t axis, double limit);

}  // namespace tilewise
