// Two passes over the activation each way: statistics, then normalisation. See
// kernels/batch_norm.kern.cpp for the arithmetic of the sums.
#include "ops/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/batch_norm.h"
#include "ops/copy.h"
#include "ref/batch_norm.h"

namespace tilewise {
namespace {

using Doubles = std::vector<double>;
using Floats = std::vector<float>;

std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

// Channels fewer than a few registers are folded: `fold` rows count as one row of fold * channels.
// Pieces of rows depend on the shape alone, so the sums have the same bits at any thread count.
struct Rows {
  index_t rows;  // pixels of all samples
  index_t channels;
  index_t fold = 1;
  index_t piece;  // folded rows of a piece
  index_t pieces;

  Rows(index_t row_count, index_t channel_count) : rows(row_count), channels(channel_count) {
    while (fold * channels < 64 && fold < 64) fold *= 2;
    const index_t whole = rows / fold;
    piece =
        std::max<index_t>({64, ceil_div(elementwise_grain, fold * channels), ceil_div(whole, 64)});
    pieces = std::max<index_t>(1, ceil_div(whole, piece));
  }

  index_t width() const { return fold * channels; }

  // body(first element, shape) for the rows of a piece; the last one also has the rows that are
  // too few to fold.
  template <typename Body>
  void visit(index_t p, const Body& body) const {
    const index_t whole = rows / fold;
    const index_t first = p * piece;
    const index_t count = std::min(piece, whole - first);
    if (count > 0) body(first * width(), RowsShape{count, width()});
    const index_t rest = rows - whole * fold;
    if (p == pieces - 1 && rest > 0) body(whole * width(), RowsShape{rest, channels});
  }

  Floats tiled(const Doubles& values) const {
    Floats out(at(width()));
    for (index_t i = 0; i < width(); ++i) out[at(i)] = static_cast<float>(values[at(i % channels)]);
    return out;
  }
};

// Runs accumulate(piece, first sums, second sums) on every piece and adds up, in piece order.
template <typename Accumulate>
void reduce_pieces(const Rows& r, Doubles& first, Doubles& second, const Accumulate& accumulate) {
  const index_t width = r.width();
  Scratch<double> partial(at(checked_mul(r.pieces, 2 * width)));
  parallel_for(r.pieces, [&](index_t p) {
    double* sums = partial.data() + p * 2 * width;
    std::fill(sums, sums + 2 * width, 0.0);
    accumulate(p, sums, sums + width);
  });
  for (index_t p = 0; p < r.pieces; ++p) {
    const double* sums = partial.data() + p * 2 * width;
    for (index_t f = 0; f < r.fold; ++f) {
      for (index_t c = 0; c < r.channels; ++c) {
        first[at(c)] += sums[f * r.channels + c];
        second[at(c)] += sums[width + f * r.channels + c];
      }
    }
  }
}

void statistics(const Array& x, const Rows& r, Doubles& mean, Doubles& var) {
  if (x.dtype() == DType::float64) {
    ref::batch_norm_statistics(x.data<double>(), r.rows, r.channels, mean.data(), var.data());
    return;
  }
  const float* src = x.data<float>();
  const Doubles pivot(src, src + r.channels);  // the first row
  const Floats origin = r.tiled(pivot);
  Doubles sum(at(r.channels));
  Doubles squares(at(r.channels));
  const auto kernel = batch_norm_kernels().statistics;
  reduce_pieces(r, sum, squares, [&](index_t p, double* s, double* q) {
    r.visit(p, [&](index_t i, RowsShape shape) { kernel(src + i, shape, origin.data(), s, q); });
  });
  const double n = static_cast<double>(r.rows);
  for (index_t c = 0; c < r.channels; ++c) {
    const double d = sum[at(c)] / n;
    mean[at(c)] = pivot[at(c)] + d;
    const double v = squares[at(c)] / n - d * d;
    var[at(c)] = v < 0 ? 0 : v;  // keeps NaN
  }
}

Doubles to_doubles(const Array& a, index_t channels, double otherwise) {
  Doubles out(at(channels), otherwise);
  if (!a.defined()) return out;
  for (index_t c = 0; c < channels; ++c) {
    const index_t i = c * a.strides()[0];
    out[at(c)] = a.dtype() == DType::float32 ? double{a.data<float>()[i]} : a.data<double>()[i];
  }
  return out;
}

void assign(const Array& a, const Doubles& values) {
  a.storage()->bump_version();
  for (index_t c = 0; c < a.extent(0); ++c) {
    const index_t i = c * a.strides()[0];
    if (a.dtype() == DType::float32) {
      a.data<float>()[i] = static_cast<float>(values[at(c)]);
    } else {
      a.data<double>()[i] = values[at(c)];
    }
  }
}

Array from_doubles(const Doubles& values, DType dtype) {
  Array a = Array::empty({static_cast<index_t>(values.size())}, dtype);
  if (!values.empty()) assign(a, values);
  return a;
}

void check_input(const char* op, const Array& x) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating input, got ",
                name_of(x.dtype()));
  TW_CHECK(x.rank() >= 2, op, ": expected an input (N, C) or (N, C, spatial...), got shape ",
           to_string(x.shape()));
}

void check_vector(const char* op, const char* name, const Array& a, const Array& x) {
  if (!a.defined()) return;
  TW_CHECK(a.rank() == 1 && a.extent(0) == x.extent(1), op, ": expected ", name, " of shape (",
           x.extent(1), ",) for an input of shape ", to_string(x.shape()), ", got shape ",
           to_string(a.shape()));
  TW_CHECK_TYPE(a.dtype() == x.dtype(), op, ": expected ", name, " of the input's dtype ",
                name_of(x.dtype()), ", got ", name_of(a.dtype()));
}

index_t rows_of(const Array& x) { return x.extent(1) == 0 ? 0 : x.size() / x.extent(1); }

void check_forward(const Array& x, const BatchNormState& s) {
  const char* op = "batch_norm";
  check_input(op, x);
  check_vector(op, "weight", s.weight, x);
  check_vector(op, "bias", s.bias, x);
  check_vector(op, "running_mean", s.running_mean, x);
  check_vector(op, "running_var", s.running_var, x);
  TW_CHECK(s.running_mean.defined() == s.running_var.defined(),
           "batch_norm: expected both running_mean and running_var, or neither");
  TW_CHECK(s.training || s.running_mean.defined(),
           "batch_norm: expected running_mean and running_var when not training");
  TW_CHECK(s.eps >= 0 && std::isfinite(s.eps), "batch_norm: expected eps >= 0, got ", s.eps);
  TW_CHECK(std::isfinite(s.momentum), "batch_norm: expected a finite momentum, got ", s.momentum);
  TW_CHECK(!s.training || rows_of(x) != 1,
           "batch_norm: expected more than 1 value per channel when training, got shape ",
           to_string(x.shape()));
}

void update_running(const BatchNormState& s, const Doubles& mean, const Doubles& var, index_t n) {
  const index_t channels = static_cast<index_t>(mean.size());
  const double count = static_cast<double>(n);
  const double m = s.momentum;
  Doubles running_mean = to_doubles(s.running_mean, channels, 0);
  Doubles running_var = to_doubles(s.running_var, channels, 0);
  for (index_t c = 0; c < channels; ++c) {
    const double unbiased = var[at(c)] * (count / (count - 1));
    running_mean[at(c)] = (1 - m) * running_mean[at(c)] + m * mean[at(c)];
    running_var[at(c)] = (1 - m) * running_var[at(c)] + m * unbiased;
  }
  assign(s.running_mean, running_mean);
  assign(s.running_var, running_var);
}

void normalise(const Array& x, const Rows& r, const Doubles& mean, const Doubles& scale,
               const Doubles& bias, const Array& y) {
  if (x.dtype() == DType::float64) {
    ref::batch_norm_normalise(x.data<double>(), r.rows, r.channels, mean.data(), scale.data(),
                              bias.data(), y.data<double>());
    return;
  }
  const Floats mean32 = r.tiled(mean);
  const Floats scale32 = r.tiled(scale);
  const Floats bias32 = r.tiled(bias);
  const NormaliseVectors v{mean32.data(), scale32.data(), bias32.data()};
  const auto kernel = batch_norm_kernels().normalise;
  const float* src = x.data<float>();
  float* dst = y.data<float>();
  parallel_for(r.pieces, [&](index_t p) {
    r.visit(p, [&](index_t i, RowsShape shape) { kernel(src + i, shape, v, dst + i); });
  });
}

}  // namespace

BatchNormResult batch_norm_forward(const Array& input, const BatchNormState& s) {
  check_forward(input, s);
  const Array x = channels_last(input);
  const DType dtype = x.dtype();
  const index_t channels = x.extent(1);
  Array y =
      x.rank() >= 3 ? Array::empty_channels_last(x.shape(), dtype) : Array::empty(x.shape(), dtype);
  if (x.size() == 0) {  // an empty batch leaves the running statistics alone
    const Doubles zeros(at(channels), 0.0);
    return {y, from_doubles(zeros, dtype), from_doubles(zeros, dtype)};
  }
  const Rows r(rows_of(x), channels);
  Doubles mean(at(channels));
  Doubles var(at(channels));
  if (s.training) {
    statistics(x, r, mean, var);
    if (s.running_mean.defined()) update_running(s, mean, var, r.rows);
  } else {
    mean = to_doubles(s.running_mean, channels, 0);
    var = to_doubles(s.running_var, channels, 0);
  }
  Doubles invstd(at(channels));
  for (index_t c = 0; c < channels; ++c) invstd[at(c)] = 1.0 / std::sqrt(var[at(c)] + s.eps);
  Doubles scale = to_doubles(s.weight, channels, 1);
  for (index_t c = 0; c < channels; ++c) scale[at(c)] *= invstd[at(c)];
  normalise(x, r, mean, scale, to_doubles(s.bias, channels, 0), y);
  return {y, from_doubles(mean, dtype), from_doubles(invstd, dtype)};
}

BatchNormGradients batch_norm_backward(const Array& grad_output, const Array& input,
                                       const Array& weight, const Array& saved_mean,
                                       const Array& saved_invstd, bool training) {
  const char* op = "batch_norm_backward";
  check_input(op, input);
  TW_CHECK(grad_output.shape() == input.shape(), op, ": gradient of shape ",
           to_string(grad_output.shape()), " for an input of shape ", to_string(input.shape()));
  TW_CHECK_TYPE(grad_output.dtype() == input.dtype(), op, ": expected a gradient of dtype ",
                name_of(input.dtype()), ", got ", name_of(grad_output.dtype()));
  check_vector(op, "weight", weight, input);
  check_vector(op, "mean", saved_mean, input);
  check_vector(op, "invstd", saved_invstd, input);
  const Array x = channels_last(input);
  const Array dy = channels_last(grad_output);
  const DType dtype = x.dtype();
  const index_t channels = x.extent(1);
  Array dx =
      x.rank() >= 3 ? Array::empty_channels_last(x.shape(), dtype) : Array::empty(x.shape(), dtype);
  Doubles sum_dy(at(channels));
  Doubles sum_dy_x(at(channels));
  if (x.size() == 0) return {dx, from_doubles(sum_dy_x, dtype), from_doubles(sum_dy, dtype)};

  const Rows r(rows_of(x), channels);
  const bool fast = dtype == DType::float32;
  const Doubles mean = to_doubles(saved_mean, channels, 0);
  const Doubles invstd = to_doubles(saved_invstd, channels, 0);
  const Floats mean32 = fast ? r.tiled(mean) : Floats();
  const auto& kernels = batch_norm_kernels();
  if (fast) {
    reduce_pieces(r, sum_dy, sum_dy_x, [&](index_t p, double* s, double* q) {
      r.visit(p, [&](index_t i, RowsShape shape) {
        kernels.backward_sums(dy.data<float>() + i, x.data<float>() + i, shape, mean32.data(), s,
                              q);
      });
    });
  } else {
    ref::batch_norm_backward_sums(dy.data<double>(), x.data<double>(), r.rows, channels,
                                  mean.data(), sum_dy.data(), sum_dy_x.data());
  }

  const double n = static_cast<double>(r.rows);
  Doubles scale = to_doubles(weight, channels, 1);
  Doubles slope(at(channels));
  Doubles offset(at(channels));
  Doubles dweight(at(channels));
  for (index_t c = 0; c < channels; ++c) {
    const double inv = invstd[at(c)];
    scale[at(c)] *= inv;
    dweight[at(c)] = sum_dy_x[at(c)] * inv;
    if (!training) continue;
    slope[at(c)] = scale[at(c)] * inv * dweight[at(c)] / n;
    offset[at(c)] = scale[at(c)] * sum_dy[at(c)] / n;
  }
  if (fast) {
    const Floats scale32 = r.tiled(scale);
    const Floats slope32 = r.tiled(slope);
    const Floats offset32 = r.tiled(offset);
    const NormaliseGradVectors v{mean32.data(), scale32.data(), slope32.data(), offset32.data()};
    parallel_for(r.pieces, [&](index_t p) {
      r.visit(p, [&](index_t i, RowsShape shape) {
        kernels.backward_input(dy.data<float>() + i, x.data<float>() + i, shape, v,
                               dx.data<float>() + i);
      });
    });
  } else {
    ref::batch_norm_backward_input(dy.data<double>(), x.data<double>(), r.rows, channels,
                                   {mean.data(), scale.data(), slope.data(), offset.data()},
                                   dx.data<double>());
  }
  return {dx, from_doubles(dweight, dtype), from_doubles(sum_dy, dtype)};
}

}  // namespace tilewise
