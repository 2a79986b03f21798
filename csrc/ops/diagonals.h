// Matrices made of their parts.
#pragma once

#include <vector>

#include "base/array.h"

namespace tilewise {

// The last dimension of `a` on a diagonal of the planes (dim1, dim2) of a result with one dimension
// more, zeros elsewhere; `offset` > 0 lies above the main diagonal.
Array diag_embed(const Array& a, index_t offset, index_t dim1, index_t dim2);

// Matrices along the diagonal of a larger one; vectors are rows, scalars have one element. The
// dtype is what they promote to.
Array block_diag(const std::vector<Array>& blocks);

// All combinations of one element of each vector, as rows: (product of the sizes, vectors).
Array cartesian_prod(const std::vector<Array>& vectors);

// The positions of all choices of `chosen` among `size` things, in order: int64 (count, chosen).
Array combinations(index_t size, index_t chosen, bool with_replacement);

}  // namespace tilewise
