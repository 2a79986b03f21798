// Pooling over 1, 2 or 3 spatial dimensions; inputs (N, C, spatial...), outputs channels-last.
#pragma once

#include "base/array.h"
#include "ops/pool_geometry.h"

namespace tilewise {

struct MaxPoolResult {
  Array y;
  Array argmax;  // int32: flat position of each maximum among the input's pixels
};

// Undefined argmax where `indices` is false. A NaN in a window is its maximum.
MaxPoolResult max_pool_forward(const Array& x, const PoolShape& pool, bool indices);
MaxPoolResult adaptive_max_pool_forward(const Array& x, const Dims& output_size, bool indices);

// With the geometry of the forward call each dx is written once where windows do not overlap;
// without it (`pool` null) gradients are scattered to wherever argmax points.
Array max_pool_backward(const Array& dy, const Array& argmax, const Dims& input_shape,
                        const PoolShape* pool);

// The int64 positions that return_indices=True promises.
Array max_pool_indices(const Array& argmax);

struct AveragePool {
  PoolShape shape;
  bool count_include_pad = true;
  index_t divisor_override = 0;  // 0: the number of pixels
};
Array avg_pool_forward(const Array& x, const AveragePool& pool);
Array avg_pool_backward(const Array& dy, const Dims& input_shape, const AveragePool& pool);

Array adaptive_avg_pool_forward(const Array& x, const Dims& output_size);
Array adaptive_avg_pool_backward(const Array& dy, const Dims& input_shape);

}  // namespace tilewise
