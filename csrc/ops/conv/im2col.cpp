#include "ops/conv/im2col.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/threads.h"
#include "ops/conv/algorithm.h"
#include "ops/copy.h"
#include "ops/matmul.h"

namespace tilewise {
namespace {

// Calls visit(tap, offset of the input pixel in pixels) for the taps of output pixel `out`;
// offset is -1 in zero padding.
template <typename Visit>
void for_each_tap(const ConvProblem& p, index_t out, Visit visit) {
  const index_t od = out / (p.out[1] * p.out[2]);
  const index_t oh = out / p.out[2] % p.out[1];
  const index_t ow = out % p.out[2];
  index_t tap = 0;
  for (index_t td = 0; td < p.kernel[0]; ++td) {
    const index_t d =
        border_source(p.border, od * p.stride[0] + td * p.dilation[0] - p.pad_begin[0], p.in[0]);
    for (index_t th = 0; th < p.kernel[1]; ++th) {
      const index_t h =
          border_source(p.border, oh * p.stride[1] + th * p.dilation[1] - p.pad_begin[1], p.in[1]);
      for (index_t tw = 0; tw < p.kernel[2]; ++tw, ++tap) {
        const index_t w = border_source(
            p.border, ow * p.stride[2] + tw * p.dilation[2] - p.pad_begin[2], p.in[2]);
        const bool inside = d >= 0 && h >= 0 && w >= 0;
        visit(tap, inside ? (d * p.in[1] + h) * p.in[2] + w : -1);
      }
    }
  }
}

template <typename T>
void unfold(const ConvProblem& p, const T* x, T* columns) {
  const index_t width = p.c * p.taps();
  const index_t grain = std::max<index_t>(1, elementwise_grain / std::max<index_t>(1, width));
  parallel_ranges(p.n * p.out_pixels(), grain, [&](index_t first, index_t last) {
    for (index_t i = first; i < last; ++i) {
      const T* image = x + i / p.out_pixels() * p.in_pixels() * p.c;
      T* row = columns + i * width;
      for_each_tap(p, i % p.out_pixels(), [&](index_t tap, index_t pixel) {
        for (index_t c = 0; c < p.c; ++c) {
          row[c * p.taps() + tap] = pixel < 0 ? T(0) : image[pixel * p.c + c];
        }
      });
    }
  });
}

template <typename T>
void fold(const ConvProblem& p, const T* columns, T* x) {
  constexpr index_t block = 16;  // channels; no two pieces add to the same numbers
  const index_t width = p.c * p.taps();
  const index_t blocks = ceil_div(p.c, block);
  parallel_for(p.n * blocks, [&](index_t piece) {
    const index_t n = piece / blocks;
    const index_t c0 = piece % blocks * block;
    const index_t c1 = std::min(c0 + block, p.c);
    T* image = x + n * p.in_pixels() * p.c;
    for (index_t i = 0; i < p.in_pixels(); ++i) {
      std::fill(image + i * p.c + c0, image + i * p.c + c1, T(0));
    }
    for (index_t out = 0; out < p.out_pixels(); ++out) {
      const T* row = columns + (n * p.out_pixels() + out) * width;
      for_each_tap(p, out, [&](index_t tap, index_t pixel) {
        if (pixel < 0) return;
        for (index_t c = c0; c < c1; ++c) image[pixel * p.c + c] += row[c * p.taps() + tap];
      });
    }
  });
}

ConvProblem one_group(const ConvProblem& problem) {
  ConvProblem p = problem;
  p.c = problem.group_c();
  p.k = problem.group_k();
  p.groups = 1;
  return p;
}

Array channel_range(const Array& a, int dim, index_t group, index_t count) {
  return a.slice(dim, group * count, (group + 1) * count, 1);
}

Array filter_matrix(const Array& weight) {
  const Array w = contiguous(weight);
  return reshape(w, {w.extent(0), element_count(w.shape().slice(1, w.rank()))});
}

// An activation (n, k, spatial...) as (n, pixels, k): a view of channels-last memory.
Array pixel_rows(const Array& a) {
  const Array x = channels_last(a);
  const index_t channels = x.extent(1);
  const index_t pixels = element_count(x.shape().slice(2, x.rank()));
  return x.with_layout({x.extent(0), pixels, channels}, {pixels * channels, channels, 1});
}

}  // namespace

Array im2col(const ConvProblem& p, const Array& x) {
  TW_CHECK_TYPE(is_floating(x.dtype()), "im2col: expected a floating tensor, got ",
                name_of(x.dtype()));
  Array columns = Array::empty({p.n, p.out_pixels(), checked_mul(p.c, p.taps())}, x.dtype());
  if (columns.size() == 0) return columns;
  if (x.dtype() == DType::float64) {
    unfold(p, x.data<double>(), columns.data<double>());
  } else {
    unfold(p, x.data<float>(), columns.data<float>());
  }
  return columns;
}

Array col2im(const ConvProblem& p, const Array& columns_in, const Dims& input_shape) {
  const Dims expected{p.n, p.out_pixels(), checked_mul(p.c, p.taps())};
  TW_CHECK(columns_in.shape() == expected, "col2im: expected columns of shape ",
           to_string(expected), ", got ", to_string(columns_in.shape()));
  TW_CHECK_TYPE(is_floating(columns_in.dtype()), "col2im: expected a floating tensor, got ",
                name_of(columns_in.dtype()));
  const Array columns = contiguous(columns_in);
  Array x = Array::empty_channels_last(input_shape, columns.dtype());
  if (x.size() == 0) return x;
  if (x.dtype() == DType::float64) {
    fold(p, columns.data<double>(), x.data<double>());
  } else {
    fold(p, columns.data<float>(), x.data<float>());
  }
  return x;
}

namespace {

const char* refuses(const ConvProblem&, ConvDirection) { return nullptr; }

// The matrix is written and read once: 4 bytes an element at some 10 GB/s each way.
double cost(const ConvProblem& p, ConvDirection) {
  const double elements = double(p.n) * double(p.out_pixels()) * double(p.taps()) * double(p.c);
  return 1e3 + multiply_adds(p) / nominal_multiply_adds + elements * 0.8;
}

// The matrix, the product beside it, and where there are groups the group's part of the input.
index_t workspace(const ConvProblem& p, ConvDirection, int) {
  const index_t columns = p.n * p.out_pixels() * p.taps() * p.group_c();
  const index_t product = p.n * p.out_pixels() * p.group_k() + p.group_k() * p.group_c() * p.taps();
  const index_t part = p.groups > 1 ? p.n * p.in_pixels() * p.group_c() : 0;
  return (columns + product + part) * static_cast<index_t>(sizeof(float));
}

void forward(const ConvForward& job) {
  const Array rows = pixel_rows(job.y);
  const ConvProblem p = one_group(job.problem);
  for (index_t group = 0; group < job.problem.groups; ++group) {
    const Array columns = im2col(p, channels_last(channel_range(job.x, 1, group, p.c)));
    const Array filters = filter_matrix(channel_range(job.weight, 0, group, p.k));
    copy_into(channel_range(rows, 2, group, p.k), linear_forward(columns, filters, std::nullopt));
  }
}

void backward_data(const ConvBackwardData& job) {
  const Array rows = pixel_rows(job.dy);
  const ConvProblem p = one_group(job.problem);
  Dims group_shape = job.dx.shape();
  group_shape[1] = p.c;
  for (index_t group = 0; group < job.problem.groups; ++group) {
    const Array filters = filter_matrix(channel_range(job.weight, 0, group, p.k));
    const Array columns =
        linear_backward_data(contiguous(channel_range(rows, 2, group, p.k)), filters);
    copy_into(channel_range(job.dx, 1, group, p.c), col2im(p, columns, group_shape));
  }
}

void backward_weight(const ConvBackwardWeight& job) {
  const Array rows = pixel_rows(job.dy);
  const ConvProblem p = one_group(job.problem);
  for (index_t group = 0; group < job.problem.groups; ++group) {
    const Array columns = im2col(p, channels_last(channel_range(job.x, 1, group, p.c)));
    const Array gradient = contiguous(channel_range(rows, 2, group, p.k));
    const Array part = channel_range(job.dweight, 0, group, p.k);
    copy_into(part, reshape(linear_backward_weight(gradient, columns, false).first, part.shape()));
  }
}

}  // namespace

const ConvAlgorithm im2col_gemm{"im2col",       {true, false, {}, false, {true, true, true}},
                                refuses,        cost,
                                workspace,      nullptr,
                                forward,        backward_data,
                                backward_weight};

}  // namespace tilewise
