#include <atomic>

#include "base/error.h"
#include "ops/copy.h"
#include "ops/pool_loops.h"
#include "ops/pooling.h"
#include "ref/pooling.h"

namespace tilewise {
namespace {

void check_floating(const char* op, const Array& x) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating input, got ",
                name_of(x.dtype()));
}

template <typename MakeWindows>
MaxPoolResult forward(const Array& input, const Dims& shape, bool indices,
                      const MakeWindows& make_windows) {
  MaxPoolResult r{Array::empty_channels_last(shape, input.dtype()), Array()};
  if (indices) r.argmax = Array::empty_channels_last(shape, DType::int32);
  if (r.y.size() == 0) return r;
  const Array x = channels_last(input);
  const PoolWindows w = make_windows();
  std::int32_t* argmax = indices ? r.argmax.data<std::int32_t>() : nullptr;
  if (x.dtype() == DType::float64) {
    ref::max_pool_forward(x.data<double>(), w, r.y.data<double>(), argmax);
    return r;
  }
  const float* src = x.data<float>();
  float* dst = r.y.data<float>();
  const auto kernel = pooling_kernels().max_forward;
  for_each_output(w, [&](index_t in, index_t out, const PoolWindow& window, const PoolTaps&) {
    kernel(src + in, window, dst + out, argmax ? argmax + out : nullptr);
  });
  return r;
}

// Every index must name a pixel of the input before anything is written through it.
void check_range(const Array& argmax, index_t pixels, const Dims& input_shape) {
  std::atomic<bool> good{true};
  const std::int32_t* index = argmax.data<std::int32_t>();
  parallel_ranges(argmax.size(), elementwise_grain, [&](index_t first, index_t last) {
    std::uint32_t largest = 0;  // a negative index is a large unsigned one
    for (index_t i = first; i < last; ++i) {
      largest = std::max(largest, static_cast<std::uint32_t>(index[i]));
    }
    if (static_cast<index_t>(largest) >= pixels) good.store(false);
  });
  TW_CHECK(good.load(), "max_pool_backward: expected argmax in [0, ", pixels,
           ") for an input of shape ", to_string(input_shape));
}

template <typename T>
void scatter(const Array& dy, const Array& argmax, const Array& dx, index_t out_pixels,
             index_t in_pixels) {
  const index_t channels = dx.extent(1);
  parallel_for(dx.extent(0), [&](index_t n) {
    const index_t out = n * out_pixels * channels;
    ref::max_pool_backward(dy.data<T>() + out, argmax.data<std::int32_t>() + out, out_pixels,
                           in_pixels, channels, dx.data<T>() + n * in_pixels * channels);
  });
}

void backward_by_windows(const Array& dy, const Array& argmax, const Array& dx,
                         const PoolWindows& w) {
  const bool disjoint = windows_disjoint(w);
  const bool clear = !disjoint || !windows_cover(w);
  const auto kernel =
      disjoint ? pooling_kernels().max_backward : pooling_kernels().max_backward_add;
  for_each_sample(w, [&](index_t in, index_t out, index_t channels) {
    float* target = dx.data<float>() + in;
    if (clear) clear_sample(w, channels, target);
    PoolTaps taps(w);
    bool known = true;
    for (index_t row = 0; row < w.axes[0].out * w.axes[1].out; ++row) {
      for_each_run(w, row, channels, taps, [&](index_t o, const PoolWindow& window) {
        const index_t i = out + o * w.channels;
        known &= kernel(dy.data<float>() + i, argmax.data<std::int32_t>() + i, window, target);
      });
    }
    TW_CHECK(known, "max_pool_backward: an argmax lies outside its window, for an input of shape ",
             to_string(dx.shape()));
  });
}

index_t pixels_of(const Dims& shape) {
  index_t pixels = 1;
  for (int i = 2; i < shape.size(); ++i) pixels = checked_mul(pixels, shape[i]);
  return pixels;
}

index_t kernel_pixels(const PoolShape& pool) {
  index_t pixels = 1;
  for (const index_t extent : pool.kernel)
    pixels = checked_mul(pixels, std::min<index_t>(extent, 99));
  return pixels;
}

void check_backward(const Array& dy, const Array& argmax, const Dims& input_shape) {
  check_floating("max_pool_backward", dy);
  TW_CHECK(input_shape.size() >= 3 && input_shape.size() <= 5 && dy.rank() == input_shape.size(),
           "max_pool_backward: gradient of shape ", to_string(dy.shape()),
           " for an input of shape ", to_string(input_shape));
  for (const index_t extent : input_shape) {
    TW_CHECK(extent >= 0, "max_pool_backward: expected sizes >= 0 in the input shape, got ",
             to_string(input_shape));
  }
  TW_CHECK(dy.extent(0) == input_shape[0] && dy.extent(1) == input_shape[1],
           "max_pool_backward: gradient of shape ", to_string(dy.shape()),
           " for an input of shape ", to_string(input_shape));
  TW_CHECK_TYPE(argmax.dtype() == DType::int32, "max_pool_backward: expected int32 argmax, got ",
                name_of(argmax.dtype()));
  TW_CHECK(argmax.shape() == dy.shape(), "max_pool_backward: argmax of shape ",
           to_string(argmax.shape()), " for a gradient of shape ", to_string(dy.shape()));
}

}  // namespace

MaxPoolResult max_pool_forward(const Array& x, const PoolShape& pool, bool indices) {
  check_floating("max_pool", x);
  const Dims shape = pool_output_shape("max_pool", x.shape(), pool);
  return forward(x, shape, indices,
                 [&] { return pool_windows("max_pool", x.shape(), shape, pool); });
}

MaxPoolResult adaptive_max_pool_forward(const Array& x, const Dims& output_size, bool indices) {
  check_floating("adaptive_max_pool", x);
  const Dims shape = adaptive_output_shape("adaptive_max_pool", x.shape(), output_size);
  return forward(x, shape, indices, [&] { return adaptive_windows(x.shape(), shape); });
}

Array max_pool_backward(const Array& grad_output, const Array& indices, const Dims& input_shape,
                        const PoolShape* pool) {
  check_backward(grad_output, indices, input_shape);
  if (pool) {
    const Dims shape = pool_output_shape("max_pool_backward", input_shape, *pool);
    TW_CHECK(shape == grad_output.shape(), "max_pool_backward: expected a gradient of shape ",
             to_string(shape), ", got ", to_string(grad_output.shape()));
  }
  const index_t in_pixels = pixels_of(input_shape);
  Array dx = Array::empty_channels_last(input_shape, grad_output.dtype());
  if (dx.size() == 0) {
    TW_CHECK(grad_output.size() == 0, "max_pool_backward: gradient of shape ",
             to_string(grad_output.shape()), " for an input of shape ", to_string(input_shape));
    return dx;
  }
  const Array dy = channels_last(grad_output);
  const Array argmax = channels_last(indices);
  // Windows of more pixels than a register has lanes are cheaper to scatter one by one.
  if (pool && dy.dtype() == DType::float32 && dy.size() > 0 && kernel_pixels(*pool) <= 16) {
    backward_by_windows(dy, argmax, dx,
                        pool_windows("max_pool_backward", input_shape, dy.shape(), *pool));
    return dx;
  }
  check_range(argmax, in_pixels, input_shape);
  const index_t out_pixels = pixels_of(dy.shape());
  if (dy.dtype() == DType::float64) {
    scatter<double>(dy, argmax, dx, out_pixels, in_pixels);
  } else {
    scatter<float>(dy, argmax, dx, out_pixels, in_pixels);
  }
  return dx;
}

Array max_pool_indices(const Array& argmax) {
  TW_CHECK_TYPE(argmax.dtype() == DType::int32, "max_pool_indices: expected int32 argmax, got ",
                name_of(argmax.dtype()));
  return cast(argmax, DType::int64);
}

}  // namespace tilewise
