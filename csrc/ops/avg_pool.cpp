#include "base/error.h"
#include "ops/copy.h"
#include "ops/pool_loops.h"
#include "ops/pooling.h"
#include "ref/pooling.h"

namespace tilewise {
namespace {

// Q of each window: what its sum is divided by.
class Divisor {
 public:
  Divisor() : Divisor(true, 0) {}
  Divisor(bool include_padding, index_t fixed) : include_padding_(include_padding), fixed_(fixed) {}
  double operator()(const PoolTaps& taps) const {
    if (fixed_ != 0) return static_cast<double>(fixed_);
    return include_padding_ ? static_cast<double>(taps.padded_count())
                            : static_cast<double>(taps.positions().size());
  }
  float scale(const PoolTaps& taps) const { return static_cast<float>(1.0 / (*this)(taps)); }

 private:
  bool include_padding_;
  index_t fixed_;
};

void forward(const Array& input, const PoolWindows& w, const Divisor& divisor, const Array& y) {
  const Array x = channels_last(input);
  if (x.dtype() == DType::float64) {
    ref::average_pool_forward(x.data<double>(), w, divisor, y.data<double>());
    return;
  }
  const auto kernel = pooling_kernels().average_forward;
  for_each_output(w, [&](index_t in, index_t out, const PoolWindow& window, const PoolTaps& taps) {
    kernel(x.data<float>() + in, window, divisor.scale(taps), y.data<float>() + out);
  });
}

void backward(const Array& grad_output, const PoolWindows& w, const Divisor& divisor,
              const Array& dx) {
  const Array dy = channels_last(grad_output);
  if (dy.dtype() == DType::float64) {
    ref::average_pool_backward(dy.data<double>(), w, divisor, dx.data<double>());
    return;
  }
  const bool disjoint = windows_disjoint(w);
  const bool clear = !disjoint || !windows_cover(w);
  const auto kernel =
      disjoint ? pooling_kernels().average_backward : pooling_kernels().average_backward_add;
  for_each_sample(w, [&](index_t in, index_t out, index_t channels) {
    float* target = dx.data<float>() + in;
    if (clear) clear_sample(w, channels, target);
    PoolTaps taps(w);
    for (index_t row = 0; row < w.axes[0].out * w.axes[1].out; ++row) {
      for_each_run(w, row, channels, taps, [&](index_t o, const PoolWindow& window) {
        kernel(dy.data<float>() + out + o * w.channels, window, divisor.scale(taps), target);
      });
    }
  });
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

// dx for a gradient with no elements: all zeros.
Array zeros(const Array& dx) {
  fill(dx, 0.0);
  return dx;
}

}  // namespace

Array avg_pool_forward(const Array& x, const AveragePool& pool) {
  check_floating("avg_pool", x);
  const Dims shape = pool_output_shape("avg_pool", x.shape(), pool.shape);
  Array y = Array::empty_channels_last(shape, x.dtype());
  if (y.size() == 0) return y;
  forward(x, pool_windows("avg_pool", x.shape(), shape, pool.shape),
          Divisor(pool.count_include_pad, pool.divisor_override), y);
  return y;
}

Array avg_pool_backward(const Array& dy, const Dims& input_shape, const AveragePool& pool) {
  const char* op = "avg_pool_backward";
  check_sizes(op, input_shape);
  const Dims shape = pool_output_shape(op, input_shape, pool.shape);
  check_gradient(op, dy, shape);
  Array dx = Array::empty_channels_last(input_shape, dy.dtype());
  if (dx.size() == 0 || dy.size() == 0) return zeros(dx);
  backward(dy, pool_windows(op, input_shape, shape, pool.shape),
           Divisor(pool.count_include_pad, pool.divisor_override), dx);
  return dx;
}

Array adaptive_avg_pool_forward(const Array& x, const Dims& output_size) {
  check_floating("adaptive_avg_pool", x);
  const Dims shape = adaptive_output_shape("adaptive_avg_pool", x.shape(), output_size);
  Array y = Array::empty_channels_last(shape, x.dtype());
  if (y.size() > 0) forward(x, adaptive_windows(x.shape(), shape), Divisor(), y);
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
  backward(dy, adaptive_windows(input_shape, shape), Divisor(), dx);
  return dx;
}

}  // namespace tilewise
