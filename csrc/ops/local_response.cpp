// Each pixel is a row of channels, which kernel and plain loops take by themselves: one pass.
#include "ops/local_response.h"

#include "base/error.h"
#include "kernels/local_response.h"
#include "ops/channel_rows.h"
#include "ops/copy.h"
#include "ref/local_response.h"

namespace tilewise {
namespace {

constexpr const char* op = "local_response_norm";

void check(const Array& x, const LocalResponseOptions& o) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating input, got ",
                name_of(x.dtype()));
  TW_CHECK(x.rank() >= 3, op, ": expected an input (N, C, spatial...), got shape ",
           to_string(x.shape()));
  TW_CHECK(o.size >= 1, op, ": expected size >= 1, got ", o.size);
}

// A window never reaches further than all channels.
ref::LocalResponse parameters(const Array& x, const LocalResponseOptions& o) {
  const index_t channels = x.extent(1);
  return {std::min(channels, o.size / 2), std::min(channels, (o.size - 1) / 2),
          o.alpha / static_cast<double>(o.size), o.beta, o.k};
}

template <typename Run>
void for_pixels(const Array& x, const Run& run) {
  const index_t channels = x.extent(1);
  const index_t grain = std::max<index_t>(1, elementwise_grain / 4 / channels);
  parallel_ranges(x.size() / channels, grain, [&](index_t first, index_t last) {
    run(first * channels, last - first, channels);
  });
}

template <typename Float, typename Plain>
void run_rows(const Array& x, const LocalResponseOptions& o, const Float& kernel,
              const Plain& plain) {
  if (x.size() == 0) return;
  const ref::LocalResponse p = parameters(x, o);
  const LocalResponse floats{p.before, p.after, static_cast<float>(p.alpha),
                             static_cast<float>(p.beta), static_cast<float>(p.k)};
  for_pixels(x, [&](index_t i, index_t rows, index_t channels) {
    if (x.dtype() == DType::float32) {
      Scratch<float> memory(at(local_response_kernels().scratch(channels, floats)));
      kernel(i, rows, channels, floats, memory.data());
      return;
    }
    for (index_t r = 0; r < rows; ++r) plain(i + r * channels, channels, p);
  });
}

}  // namespace

Array local_response_norm(const Array& input, const LocalResponseOptions& o) {
  check(input, o);
  const Array x = channels_last(input);
  Array y = empty_as(x);
  run_rows(
      x, o,
      [&](index_t i, index_t rows, index_t channels, const LocalResponse& p, float* memory) {
        local_response_kernels().forward(x.data<float>() + i, rows, channels, p, memory,
                                         y.data<float>() + i);
      },
      [&](index_t i, index_t channels, const ref::LocalResponse& p) {
        ref::local_response(x.data<double>() + i, channels, p, y.data<double>() + i);
      });
  return y;
}

Array local_response_norm_backward(const Array& grad_output, const Array& input,
                                   const LocalResponseOptions& o) {
  check(input, o);
  TW_CHECK(grad_output.shape() == input.shape(), op, ": gradient of shape ",
           to_string(grad_output.shape()), " for an input of shape ", to_string(input.shape()));
  TW_CHECK_TYPE(grad_output.dtype() == input.dtype(), op, ": expected a gradient of dtype ",
                name_of(input.dtype()), ", got ", name_of(grad_output.dtype()));
  const Array x = channels_last(input);
  const Array dy = channels_last(grad_output);
  Array dx = empty_as(x);
  run_rows(
      x, o,
      [&](index_t i, index_t rows, index_t channels, const LocalResponse& p, float* memory) {
        local_response_kernels().backward(dy.data<float>() + i, x.data<float>() + i, rows, channels,
                                          p, memory, dx.data<float>() + i);
      },
      [&](index_t i, index_t channels, const ref::LocalResponse& p) {
        ref::local_response_backward(dy.data<double>() + i, x.data<double>() + i, channels, p,
                                     dx.data<double>() + i);
      });
  return dx;
}

}  // namespace tilewise
