// Views: other shapes and strides on the same memory. Dimensions may be negative; IndexError for
// one out of range.
#pragma once

#include <vector>

#include "base/array.h"

namespace tilewise {

Array squeeze(const Array& a);  // without all dimensions of size 1
Array squeeze(const Array& a, const Dims& dims);
Array unsqueeze(const Array& a, index_t dim);  // a new dimension of size 1 at `dim`
Array transpose(const Array& a, index_t dim0, index_t dim1);
// The diagonals of the planes (dim1, dim2), as a new last dimension; `offset` > 0 lies above.
Array diagonal(const Array& a, index_t offset, index_t dim1, index_t dim2);
// Windows of `size` along a dimension, `step` apart, as a new last dimension.
Array windows(const Array& a, index_t dim, index_t size, index_t step);
// Pieces of these lengths, which must add up to the size of the dimension.
std::vector<Array> split(const Array& a, const std::vector<index_t>& lengths, index_t dim);
// Pieces between cuts, which are limited to the dimension as in Python's slices.
std::vector<Array> split_at(const Array& a, const std::vector<index_t>& cuts, index_t dim);
// That many pieces, the first ones longer by one where the size does not divide.
std::vector<Array> split_into(const Array& a, index_t sections, index_t dim);
std::vector<Array> unbind(const Array& a, index_t dim);

// Dimensions `source` moved to the places `destination`, the rest in their order.
Array movedim(const Array& a, const Dims& source, const Dims& destination);
// Array::expand, where -1 keeps a size.
Array expand_to(const Array& a, const Dims& sizes);
// Several arrays expanded to the shape that they broadcast to.
std::vector<Array> broadcast_arrays(const std::vector<Array>& arrays);
// Each vector expanded over the dimensions of the others; `swapped` exchanges the first two.
std::vector<Array> grid_of(const std::vector<Array>& vectors, bool swapped);

}  // namespace tilewise
