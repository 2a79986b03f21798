#include <atomic>

#include "base/error.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ops/pool_loops.h"
#include "ops/pooling.h"
#include "ref/pooling.h"

namespace tilewise {
namespace {

// Names the function that was called: max_pool2d.
void check_input(const char* op, const Array& x) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, x.rank() - 2, "d: expected a floating input, got ",
                name_of(x.dtype()));
}

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
  for_each_output(w, sweeps_caches(x, r.y),
                  [&](index_t in, index_t out, const PoolWindow& window, const PoolTaps&) {
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
  parallel_for(dx.extent(0), dx.size() + dy.size(), [&](index_t n) {
    const index_t out = n * out_pixels * channels;
    ref::max_pool_backward(dy.data<T>() + out, argmax.data<std::int32_t>() + out, out_pixels,
                           in_pixels, channels, dx.data<T>() + n * in_pixels * channels);
  });
}

// Every dx is written once: it collects the gradients of the windows that chose it, in the order of
// the outputs.
class Gather {
 public:
  Gather(const Array& dy, const Array& argmax, const Array& dx, const PoolWindows& w)
      : w_(w),
        dy_(dy.data<float>()),
        argmax_(argmax.data<std::int32_t>()),
        dx_(dx.data<float>()),
        past_caches_(sweeps_caches(dy, dx)),
        d_(covers_of(w.axes[0])),
        h_(covers_of(w.axes[1])),
        x_(covers_of(w.axes[2])) {}

  // Above it, one scalar addition an output is cheaper than a look at all candidates of a pixel.
  bool worthwhile() const { return d_.most * h_.most * x_.most <= PoolCovers::most_covers; }

  // The number of gradients that found their pixel.
  index_t run() const {
    const index_t rows = w_.samples * w_.axes[0].in * w_.axes[1].in;
    const index_t cost = w_.axes[2].in * w_.channels;
    const index_t grain = std::max<index_t>({1, elementwise_grain / cost, rows / 128});
    std::atomic<index_t> taken{0};
    parallel_ranges(rows, grain, [&](index_t first, index_t last) {
      index_t found = 0;
      Rows<float> dy;
      Rows<std::int32_t> argmax;
      for (index_t row = first; row < last; ++row) found += gather_row(row, dy, argmax);
      if (past_caches_) pooling_kernels().fence();
      taken.fetch_add(found);
    });
    return taken.load();
  }

 private:
  template <typename T>
  using Rows = SmallVector<const T*, 16>;

  index_t gather_row(index_t row, Rows<float>& dy, Rows<std::int32_t>& argmax) const {
    const PoolAxis& depth = w_.axes[0];
    const PoolAxis& height = w_.axes[1];
    const PoolAxis& width = w_.axes[2];
    const auto id = static_cast<std::size_t>(row / height.in % depth.in);
    const auto ih = static_cast<std::size_t>(row % height.in);
    const index_t n = row / height.in / depth.in;
    dy.clear();
    argmax.clear();
    for (index_t od = d_.low[id]; od < d_.high[id]; ++od) {
      for (index_t oh = h_.low[ih]; oh < h_.high[ih]; ++oh) {
        const index_t at = ((n * depth.out + od) * height.out + oh) * width.out * w_.channels;
        dy.push_back(dy_ + at);
        argmax.push_back(argmax_ + at);
      }
    }
    const index_t position = row % (depth.in * height.in) * width.in;
    const PoolGather g{
        dy.data(),      argmax.data(), static_cast<index_t>(dy.size()),     x_.low.data(),
        x_.high.data(), width.in,      static_cast<std::int32_t>(position), w_.channels,
        w_.channels};
    return pooling_kernels().max_gather(g, dx_ + row * width.in * w_.channels, past_caches_);
  }

  const PoolWindows& w_;
  const float* dy_;
  const std::int32_t* argmax_;
  float* dx_;
  bool past_caches_;
  PoolCovers d_;
  PoolCovers h_;
  PoolCovers x_;
};

index_t pixels_of(const Dims& shape) {
  index_t pixels = 1;
  for (int i = 2; i < shape.size(); ++i) pixels = checked_mul(pixels, shape[i]);
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
  check_input("max_pool", x);
  for (int i = 1; i < x.rank(); ++i) {
    TW_CHECK(x.extent(i) > 0, "max_pool", x.rank() - 2,
             "d: expected an input with channels and pixels, got shape ", to_string(x.shape()));
  }
  const Dims shape = pool_output_shape("max_pool", x.shape(), pool);
  return forward(x, shape, indices,
                 [&] { return pool_windows("max_pool", x.shape(), shape, pool); });
}

MaxPoolResult adaptive_max_pool_forward(const Array& x, const Dims& output_size, bool indices) {
  check_input("adaptive_max_pool", x);
  const Dims shape = adaptive_output_shape("adaptive_max_pool", x.shape(), output_size);
  return forward(x, shape, indices, [&] { return adaptive_windows(x.shape(), shape); });
}

Array max_pool_backward(const Array& grad_output, const Array& indices, const Dims& input_shape,
                        const PoolShape* pool, bool adaptive) {
  const char* op = "max_pool_backward";
  check_backward(grad_output, indices, input_shape);
  if (pool) {
    const Dims shape = pool_output_shape(op, input_shape, *pool);
    TW_CHECK(shape == grad_output.shape(), op, ": expected a gradient of shape ", to_string(shape),
             ", got ", to_string(grad_output.shape()));
  }
  const index_t in_pixels = pixels_of(input_shape);
  Array dx = Array::empty_channels_last(input_shape, grad_output.dtype());
  if (dx.size() == 0) {
    TW_CHECK(grad_output.size() == 0, op, ": gradient of shape ", to_string(grad_output.shape()),
             " for an input of shape ", to_string(input_shape));
    return dx;
  }
  const Array dy = channels_last(grad_output);
  const Array argmax = channels_last(indices);
  const bool lanes = dx.extent(1) >= 8;  // fewer channels leave registers mostly empty
  if ((pool || adaptive) && lanes && dy.dtype() == DType::float32 && dy.size() > 0) {
    const PoolWindows windows = pool ? pool_windows(op, input_shape, dy.shape(), *pool)
                                     : adaptive_windows(input_shape, dy.shape());
    const Gather gather(dy, argmax, dx, windows);
    if (gather.worthwhile()) {
      TW_CHECK(gather.run() == dy.size(), op,
               ": an argmax lies outside its window, for an input of shape ",
               to_string(input_shape));
      return dx;
    }
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
