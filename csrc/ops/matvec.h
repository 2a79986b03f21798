// The product of a matrix and a vector.
#pragma once

#include "base/types.h"

namespace tilewise {

// out[r * out_stride] = row r times the vector. The k elements of a row lie side by side, as those
// of the vector; each row is read once. Long ones are cut into pieces, which are added in order.
void multiply_vector(const float* matrix, index_t rows, index_t row_stride, const float* vector,
                     index_t k, float* out, index_t out_stride);

}  // namespace tilewise
