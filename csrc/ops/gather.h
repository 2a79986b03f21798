// One element for each index along an axis.
#pragma once

#include "base/array.h"

namespace tilewise {

// out[i][j] = a[index[i][j]][j] for axis 0. `index` is int64 with a's rank and no larger than `a`
// except along the axis. IndexError for an index out of range.
Array gather(const Array& a, index_t axis, const Array& index);

// Zeros of `shape` to which src[i][j] is added at [index[i][j]][j], in order along the axis: the
// gradient of gather. `src` has the shape of `index`.
Array scatter_add(const Dims& shape, index_t axis, const Array& index, const Array& src);

}  // namespace tilewise
