#include "base/error.h"
#include "ops/binary.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ops/pool_loops.h"
#include "ops/pooling.h"
#include "ops/reduce.h"
#include "ops/resample.h"

namespace tilewise {
namespace {

// Q of a window is the product of what its axes contribute.
ResampleAxis::Weights divisors(const AveragePool& pool, const PoolAxis& axis, bool last) {
  if (pool.divisor_override != 0) {
    const double q = last ? static_cast<double>(pool.divisor_override) : 1.0;
    return ResampleAxis::Weights(axis.first.size(), q);
  }
  const PoolTable& count = pool.count_include_pad ? axis.padded : axis.count;
  return {count.begin(), count.end()};
}

ResampleAxes tables(const AveragePool& pool, const PoolWindows& w, bool backward) {
  ResampleAxes r;
  for (int i = 0; i < 3; ++i) {
    const ResampleAxis::Weights q = divisors(pool, w.axes[i], i == 2);
    r.axes[i] = backward ? averaging_transposed(w.axes[i], q) : averaging(w.axes[i], q);
  }
  return r;
}

index_t window_pixels(const PoolShape& pool, index_t limit) {
  index_t pixels = 1;
  for (const index_t extent : pool.kernel) pixels *= std::min(extent, limit + 1);
  return pixels;
}

void sum_windows(const Array& input, const PoolWindows& w, const AveragePool& pool,
                 const Array& y) {
  const Array x = channels_last(input);
  const auto kernel = pooling_kernels().average_forward;
  for_each_output(w, sweeps_caches(x, y),
                  [&](index_t in, index_t out, const PoolWindow& window, const PoolTaps& taps) {
                    index_t q = pool.divisor_override;
                    if (q == 0) q = pool.count_include_pad ? taps.padded_count() : window.count;
                    kernel(x.data<float>() + in, window,
                           static_cast<float>(1.0 / static_cast<double>(q)), y.data<float>() + out);
                  });
}

// Names the function that was called: max_pool2d.
void check_input(const char* op, const Array& x) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, x.rank() - 2, "d: expected a floating input, got ",
                name_of(x.dtype()));
}

void check_floating(const char* op, const Array& x) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating tensor, got ",
                name_of(x.dtype()));
}

void check_gradient(const char* op, const Array& dy, const Dims& expected) {
  check_floating(op, dy);
  TW_CHECK(dy.shape() == expected, op, ": expected a gradient of shape ", to_string(expected),
           ", got ", to_string(dy.shape()));
}

void check_sizes(const char* op, const Dims& shape) {
  for (const index_t extent : shape) {
    TW_CHECK(extent >= 0, op, ": expected sizes >= 0 in the input shape, got ", to_string(shape));
  }
}

// Whether each channel becomes one number: a mean, which reads the pixels in the order of memory.
bool is_global(const Dims& shape) {
  bool one = true;
  for (int i = 2; i < shape.size(); ++i) one = one && shape[i] == 1;
  return one;
}

Dims spatial_axes(int rank) {
  Dims axes;
  for (int i = 2; i < rank; ++i) axes.push_back(i);
  return axes;
}

index_t pixels_of(const Dims& shape) {
  index_t pixels = 1;
  for (int i = 2; i < shape.size(); ++i) pixels *= shape[i];
  return pixels;
}

// dx for a gradient with no elements: all zeros.
Array zeros(const Array& dx) {
  fill(dx, 0.0);
  return dx;
}

}  // namespace

Array avg_pool_forward(const Array& x, const AveragePool& pool) {
  check_input("avg_pool", x);
  const Dims shape = pool_output_shape("avg_pool", x.shape(), pool.shape);
  Array y = Array::empty_channels_last(shape, x.dtype());
  if (y.size() == 0) return y;
  const PoolWindows w = pool_windows("avg_pool", x.shape(), shape, pool.shape);
  // Small windows are summed at once, large ones along one axis after the other.
  constexpr index_t small = 16;
  constexpr index_t tiny = 1024;  // elements: tables of the axes would cost more than they save
  if (x.dtype() == DType::float32 && (x.extent(1) >= 8 || x.size() <= tiny) &&
      window_pixels(pool.shape, small) <= small) {
    sum_windows(x, w, pool, y);
  } else {
    resample(x, tables(pool, w, false), y);
  }
  return y;
}

Array avg_pool_backward(const Array& dy, const Dims& input_shape, const AveragePool& pool) {
  const char* op = "avg_pool_backward";
  check_sizes(op, input_shape);
  const Dims shape = pool_output_shape(op, input_shape, pool.shape);
  check_gradient(op, dy, shape);
  Array dx = Array::empty_channels_last(input_shape, dy.dtype());
  if (dx.size() == 0 || dy.size() == 0) return zeros(dx);
  resample(dy, tables(pool, pool_windows(op, input_shape, shape, pool.shape), true), dx);
  return dx;
}

Array adaptive_avg_pool_forward(const Array& x, const Dims& output_size) {
  check_input("adaptive_avg_pool", x);
  const Dims shape = adaptive_output_shape("adaptive_avg_pool", x.shape(), output_size);
  if (is_global(shape) && x.size() > 0) {
    return channels_last(mean(x, spatial_axes(x.rank()), true));
  }
  Array y = Array::empty_channels_last(shape, x.dtype());
  if (y.size() > 0) resample(x, tables({}, adaptive_windows(x.shape(), shape), false), y);
  return y;
}

Array adaptive_avg_pool_backward(const Array& dy, const Dims& input_shape) {
  const char* op = "adaptive_avg_pool_backward";
  check_sizes(op, input_shape);
  TW_CHECK(input_shape.size() >= 3 && dy.rank() == input_shape.size(), op, ": gradient of shape ",
           to_string(dy.shape()), " for an input of shape ", to_string(input_shape));
  const Dims shape = adaptive_output_shape(op, input_shape, dy.shape().slice(2, dy.rank()));
  check_gradient(op, dy, shape);
  Array dx = Array::empty_channels_last(input_shape, dy.dtype());
  if (dx.size() == 0 || dy.size() == 0) return zeros(dx);
  if (is_global(shape)) {
    copy_into(dx, mul(dy, Operand(1.0 / static_cast<double>(pixels_of(input_shape)))));
    return dx;
  }
  resample(dy, tables({}, adaptive_windows(input_shape, shape), true), dx);
  return dx;
}

}  // namespace tilewise
