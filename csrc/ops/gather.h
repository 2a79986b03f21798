// One element for each index along an axis.
#pragma once

#include <utility>

#include "base/array.h"

namespace tilewise {

// out[i][j] = a[index[i][j]][j] for axis 0. `index` is int64 with a's rank and no larger than `a`
// except along the axis. IndexError for an index out of range.
Array gather(const Array& a, index_t axis, const Array& index);

// As gather where the dimensions but the axis broadcast and indices may count from the end. Also
// the index in the form that scatter_add takes.
std::pair<Array, Array> take_along(const Array& a, const Array& index, index_t axis);

// Zeros of `shape` to which src[i][j] is added at [index[i][j]][j], in order along the axis: the
// gradient of gather. `src` has the shape of `index`.
Array scatter_add(const Dims& shape, index_t axis, const Array& index, const Array& src);

enum class Scatter : std::uint8_t { assign, add, multiply, largest, smallest };

// a[index[i][j]][j] is combined with src[i][j], in place and in order along the axis. `src` has the
// dtype of `a`, and its shape is that of `index` or larger.
void scatter_into(Scatter how, const Array& a, index_t axis, const Array& index, const Array& src);

// Rows of zeros with a one at each label: int64 (*labels.shape, classes).
Array one_hot(const Array& labels, index_t classes);

}  // namespace tilewise
