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

// With the geometry of the forward call (`pool`, or `adaptive` windows) each dx is gathered and
// written once; without it gradients are scattered to wherever argmax points.
Array max_pool_backward(const Array& dy, const Array& argmax, const Dims& input_shape,
                        const PoolShape* pool, bool adaptive = false);

// The int64 positions that return_indices=True promises.
Array max_pool_indices(const Array& argmax);

// Sends each x to the position of its (int64) index in an image of zeros; indices outside it are a
// ValueError. backward reads the gradient there.
Array max_unpool_forward(const Array& x, const Array& indices, const Dims& output_size);
Array max_unpool_backward(const Array& dy, const Array& indices);

struct FractionalPool {
  Dims kernel;
  Dims output_size;
};
// Two or three spatial dimensions; samples (N, C, dimensions) in [0, 1) place the windows.
MaxPoolResult fractional_max_pool_forward(const Array& x, const FractionalPool& pool,
                                          const Array& samples);

// The p-norm of each window.
Array lp_pool_forward(const Array& x, const PoolShape& pool, double p);
Array lp_pool_backward(const Array& dy, const Array& x, const Array& y, const PoolShape& pool,
                       double p);

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
