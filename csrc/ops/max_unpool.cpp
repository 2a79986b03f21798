#include <atomic>

#include "base/error.h"
#include "base/threads.h"
#include "ops/copy.h"
#include "ops/pooling.h"
#include "ref/pooling.h"

namespace tilewise {
namespace {

index_t pixels_of(const Dims& shape) {
  index_t pixels = 1;
  for (int i = 2; i < shape.size(); ++i) pixels = checked_mul(pixels, shape[i]);
  return pixels;
}

void check(const char* op, const Array& x, const Array& indices, const Dims& size) {
  TW_CHECK(x.rank() >= 3 && x.rank() <= 5, op,
           ": expected an input (N, C, spatial...) with 1 to 3 spatial dimensions, got shape ",
           to_string(x.shape()));
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating input, got ",
                name_of(x.dtype()));
  TW_CHECK_TYPE(indices.dtype() == DType::int64, op, ": expected int64 indices, got ",
                name_of(indices.dtype()));
  TW_CHECK(indices.shape() == x.shape(), op, ": expected indices of shape ", to_string(x.shape()),
           ", the input's, got ", to_string(indices.shape()));
  TW_CHECK(size.size() == x.rank() - 2, op, ": expected ", x.rank() - 2,
           " output sizes for an input of shape ", to_string(x.shape()), ", got ", to_string(size));
  for (const index_t extent : size) {
    TW_CHECK(extent >= 0, op, ": expected output sizes >= 0, got ", to_string(size));
  }
}

void check_range(const char* op, const Array& indices, index_t pixels, const Dims& size) {
  std::atomic<bool> good{true};
  const auto* index = indices.data<std::int64_t>();
  parallel_ranges(indices.size(), elementwise_grain, [&](index_t first, index_t last) {
    bool inside = true;
    for (index_t i = first; i < last; ++i) inside = inside && index[i] >= 0 && index[i] < pixels;
    if (!inside) good.store(false);
  });
  TW_CHECK(good.load(), op, ": expected indices in [0, ", pixels, ") for an output of size ",
           to_string(size));
}

// body(unpool) with pieces of whole pixels and some channels: no two write to one element.
template <typename Body>
void for_each_piece(const Dims& small, index_t large_pixels, const Body& body) {
  constexpr index_t block = 16;  // a cache line of floats
  const index_t blocks = ceil_div(small[1], block);
  parallel_for(small[0] * blocks, element_count(small), [&](index_t piece) {
    ref::Unpool u;
    u.small_pixels = pixels_of(small);
    u.large_pixels = large_pixels;
    u.stride = small[1];
    const index_t c = piece % blocks * block;
    u.channels = std::min(block, small[1] - c);
    const index_t n = piece / blocks;
    body(u, n * u.small_pixels * u.stride + c, n * large_pixels * u.stride + c);
  });
}

template <typename T>
void scatter(const Array& x, const Array& indices, index_t pixels, const Array& y) {
  for_each_piece(x.shape(), pixels, [&](const ref::Unpool& u, index_t small, index_t large) {
    ref::max_unpool_forward(x.data<T>() + small, indices.data<std::int64_t>() + small, u,
                            y.data<T>() + large);
  });
}

template <typename T>
void gather(const Array& dy, const Array& indices, index_t pixels, const Array& dx) {
  for_each_piece(dx.shape(), pixels, [&](const ref::Unpool& u, index_t small, index_t large) {
    ref::max_unpool_backward(dy.data<T>() + large, indices.data<std::int64_t>() + small, u,
                             dx.data<T>() + small);
  });
}

}  // namespace

Array max_unpool_forward(const Array& input, const Array& positions, const Dims& output_size) {
  const char* op = "max_unpool";
  check(op, input, positions, output_size);
  Dims shape = input.shape();
  for (int i = 0; i < output_size.size(); ++i) shape[i + 2] = output_size[i];
  const index_t pixels = pixels_of(shape);
  const Array indices = channels_last(positions);
  check_range(op, indices, pixels, output_size);
  Array y = Array::empty_channels_last(shape, input.dtype());
  if (y.size() == 0) return y;
  const Array x = channels_last(input);
  if (x.dtype() == DType::float64) {
    scatter<double>(x, indices, pixels, y);
  } else {
    scatter<float>(x, indices, pixels, y);
  }
  return y;
}

Array max_unpool_backward(const Array& grad_output, const Array& positions) {
  const char* op = "max_unpool_backward";
  TW_CHECK(grad_output.rank() >= 3 && grad_output.rank() == positions.rank() &&
               grad_output.extent(0) == positions.extent(0) &&
               grad_output.extent(1) == positions.extent(1),
           op, ": gradient of shape ", to_string(grad_output.shape()), " for indices of shape ",
           to_string(positions.shape()));
  Array dx = Array::empty_channels_last(positions.shape(), grad_output.dtype());
  const Dims size = grad_output.shape().slice(2, grad_output.rank());
  check(op, dx, positions, size);
  const index_t pixels = pixels_of(grad_output.shape());
  const Array indices = channels_last(positions);
  check_range(op, indices, pixels, size);
  if (dx.size() == 0) return dx;
  const Array dy = channels_last(grad_output);
  if (dy.dtype() == DType::float64) {
    gather<double>(dy, indices, pixels, dx);
  } else {
    gather<float>(dy, indices, pixels, dx);
  }
  return dx;
}

}  // namespace tilewise
