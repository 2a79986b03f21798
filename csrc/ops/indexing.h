// Indexing with integer arrays, as NumPy's advanced indexing.
//
// `indices` has one entry for each leading dimension of `a`: an int64 array, or an undefined Array
// where the whole dimension is taken. The index arrays broadcast together; their shape B replaces
// the indexed dimensions where these are neighbours, and comes first otherwise. Negative indices
// count from the end; IndexError for one out of range.
#pragma once

#include <vector>

#include "base/array.h"

namespace tilewise {

using IndexList = std::vector<Array>;

Array index(const Array& a, const IndexList& indices);

// Zeros of `shape` to which `src`, which has the shape of index(a, indices), is added where the
// indices point: the gradient of index. Repeated indices add up in their order.
Array index_add(const Dims& shape, const IndexList& indices, const Array& src);

// a[indices] = src, in place; `src` broadcasts. The last of repeated indices wins; where they
// accumulate, src is added in their order (bools: or).
void index_put(const Array& a, const IndexList& indices, const Array& src, bool accumulate = false);

// The elements where the bool array `mask`, of the shape of `a`, is true: a vector.
Array masked_select(const Array& a, const Array& mask);

// `a` with the elements where `mask` is true taken from `source` in order. The two broadcast.
Array masked_scatter(const Array& a, const Array& mask, const Array& source);

// The positions where `mask` is not zero, in row-major order: int64 (count, rank).
Array nonzero(const Array& mask);

}  // namespace tilewise
