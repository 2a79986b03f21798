// Two passes over the activation each way: statistics, then normalisation. See
// kernels/batch_norm.kern.cpp for the arithmetic of the sums.
#include "ops/batch_norm.h"

#include <cmath>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/batch_norm.h"
#include "ops/channel_rows.h"
#include "ops/copy.h"
#include "ref/batch_norm.h"

namespace tilewise {
namespace {

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
  TW_CHECK(s.batch_mean.defined() == s.batch_variance.defined(),
           "batch_norm: expected both the batch's mean and its variance, or neither");
  for (const Array* a : {&s.batch_mean, &s.batch_variance}) {
    TW_CHECK(!a->defined() || (a->dtype() == DType::float64 && a->shape() == Dims{x.extent(1)}),
             "batch_norm: expected the batch's statistics in float64 of shape (", x.extent(1),
             ",)");
  }
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

// The per-channel numbers of y = (x - mean) scale + bias, and their float32 form for the kernels.
struct Affine {
  Doubles mean;
  Doubles scale;
  Doubles bias;
  bool relu;
  Floats mean32;
  Floats scale32;
  Floats bias32;

  Affine(const Rows& r, Doubles mean_of, const Array& invstd, const Array& weight,
         const Array& bias_of, bool with_relu)
      : mean(std::move(mean_of)),
        scale(to_doubles(weight, r.channels, 1)),
        bias(to_doubles(bias_of, r.channels, 0)),
        relu(with_relu) {
    const Doubles factor = to_doubles(invstd, r.channels, 0);
    for (index_t c = 0; c < r.channels; ++c) scale[at(c)] *= factor[at(c)];
    mean32 = r.tiled(mean);
    scale32 = r.tiled(scale);
    bias32 = r.tiled(bias);
  }

  NormaliseVectors vectors() const { return {mean32.data(), scale32.data(), bias32.data(), relu}; }
};

bool streams(const Array& x, const Rows& r) {
  return x.size() >= streaming_elements && r.width() % 16 == 0;
}

void normalise(const Array& x, const Rows& r, const Affine& f, const Array& y) {
  if (x.dtype() == DType::float64) {
    ref::batch_norm_normalise(x.data<double>(), r.rows, r.channels, f.mean.data(), f.scale.data(),
                              f.bias.data(), f.relu, y.data<double>());
    return;
  }
  const auto kernel =
      streams(x, r) ? batch_norm_kernels().normalise_streaming : batch_norm_kernels().normalise;
  const float* src = x.data<float>();
  float* dst = y.data<float>();
  parallel_backwards(r.pieces, [&](index_t p) {
    r.visit(p, [&](index_t i, RowsShape shape) { kernel(src + i, shape, f.vectors(), dst + i); });
  });
}

}  // namespace

BatchNormResult batch_norm_forward(const Array& input, const BatchNormState& s) {
  if (input.rank() == 1 && input.size() == 0 && is_floating(input.dtype())) {  // as PyTorch
    const Array none = Array::empty({0}, input.dtype());
    return {none, none, none};
  }
  check_forward(input, s);
  const Array x = channels_last(input);
  const DType dtype = x.dtype();
  const index_t channels = x.extent(1);
  Array y = empty_as(x);
  if (x.size() == 0) {  // an empty batch leaves the running statistics alone
    const Doubles zeros(at(channels), 0.0);
    return {y, from_doubles(zeros, dtype), from_doubles(zeros, dtype)};
  }
  const Rows r(rows_of(x), channels);
  Doubles mean(at(channels));
  Doubles var(at(channels));
  if (s.training) {
    if (s.batch_mean.defined()) {
      mean = to_doubles(s.batch_mean, channels, 0);
      var = to_doubles(s.batch_variance, channels, 0);
    } else {
      statistics(x, r, mean, var);
    }
    if (s.running_mean.defined()) update_running(s, mean, var, r.rows);
  } else {
    mean = to_doubles(s.running_mean, channels, 0);
    var = to_doubles(s.running_var, channels, 0);
  }
  for (double& v : var) v = 1.0 / std::sqrt(v + s.eps);
  // Both passes scale by the same rounded number: backward finds the same zeros of the ReLU.
  const Array invstd = from_doubles(var, dtype);
  normalise(x, r, Affine(r, mean, invstd, s.weight, s.bias, s.relu), y);
  return {y, from_doubles(mean, dtype), invstd};
}

namespace {

struct Sums {
  Doubles dy;
  Doubles dy_x;
};

Sums backward_sums(const Array& dy, const Array& x, const Rows& r, const Affine& f) {
  Sums sums{Doubles(at(r.channels)), Doubles(at(r.channels))};
  if (x.dtype() == DType::float64) {
    ref::batch_norm_backward_sums(dy.data<double>(), x.data<double>(), r.rows, r.channels,
                                  f.mean.data(), sums.dy.data(), sums.dy_x.data());
    return sums;
  }
  const auto kernel = batch_norm_kernels().backward_sums;
  reduce_pieces(r, sums.dy, sums.dy_x, [&](index_t p, double* s, double* q) {
    r.visit(p, [&](index_t i, RowsShape shape) {
      kernel(dy.data<float>() + i, x.data<float>() + i, shape, f.vectors(), s, q);
    });
  });
  return sums;
}

// What every dx of a channel has in common.
struct Shared {
  Doubles slope;
  Doubles offset;
  bool input_relu;
};

void backward_input(const Array& dy, const Array& x, const Rows& r, const Affine& f,
                    const Shared& g, const Array& dx) {
  if (x.dtype() == DType::float64) {
    ref::batch_norm_backward_input(
        dy.data<double>(), x.data<double>(), r.rows, r.channels,
        {f.mean.data(), f.scale.data(), g.slope.data(), g.offset.data(), g.input_relu},
        dx.data<double>());
    return;
  }
  const Floats slope = r.tiled(g.slope);
  const Floats offset = r.tiled(g.offset);
  const NormaliseGradVectors v{f.vectors(), slope.data(), offset.data(), g.input_relu};
  const auto kernel = streams(x, r) ? batch_norm_kernels().backward_input_streaming
                                    : batch_norm_kernels().backward_input;
  parallel_backwards(r.pieces, [&](index_t p) {
    r.visit(p, [&](index_t i, RowsShape shape) {
      kernel(dy.data<float>() + i, x.data<float>() + i, shape, v, dx.data<float>() + i);
    });
  });
}

void check_backward(const Array& dy, const Array& x, const BatchNormSaved& s) {
  const char* op = "batch_norm_backward";
  check_input(op, x);
  TW_CHECK(dy.shape() == x.shape(), op, ": gradient of shape ", to_string(dy.shape()),
           " for an input of shape ", to_string(x.shape()));
  TW_CHECK_TYPE(dy.dtype() == x.dtype(), op, ": expected a gradient of dtype ", name_of(x.dtype()),
                ", got ", name_of(dy.dtype()));
  check_vector(op, "weight", s.weight, x);
  check_vector(op, "mean", s.mean, x);
  check_vector(op, "invstd", s.invstd, x);
  check_vector(op, "bias", s.bias, x);
}

}  // namespace

BatchNormGradients batch_norm_backward(const Array& grad_output, const Array& input,
                                       const BatchNormSaved& s) {
  if (input.rank() == 1 && input.size() == 0 && grad_output.shape() == input.shape()) {
    const Array none = Array::empty({0}, input.dtype());
    return {none, none, none};
  }
  check_backward(grad_output, input, s);
  const Array x = channels_last(input);
  Array dy = channels_last(grad_output);
  const DType dtype = x.dtype();
  const index_t channels = x.extent(1);
  Array dx = empty_as(x);
  if (x.size() == 0) {
    const Doubles zeros(at(channels), 0.0);
    return {dx, from_doubles(zeros, dtype), from_doubles(zeros, dtype)};
  }
  const Rows r(rows_of(x), channels);
  const Affine f(r, to_doubles(s.mean, channels, 0), s.invstd, s.weight, s.bias, s.relu);
  if (s.relu && dtype == DType::float64) {
    const Array before = empty_as(x);
    ref::batch_norm_relu_backward(dy.data<double>(), x.data<double>(), r.rows, channels,
                                  f.mean.data(), f.scale.data(), f.bias.data(),
                                  before.data<double>());
    dy = before;
  }
  const Sums sums = backward_sums(dy, x, r, f);
  const double n = static_cast<double>(r.rows);
  const Doubles invstd = to_doubles(s.invstd, channels, 0);
  Shared shared{Doubles(at(channels)), Doubles(at(channels)), s.input_relu};
  Doubles dweight(at(channels));
  for (index_t c = 0; c < channels; ++c) {
    dweight[at(c)] = sums.dy_x[at(c)] * invstd[at(c)];
    if (!s.training) continue;
    shared.slope[at(c)] = f.scale[at(c)] * invstd[at(c)] * dweight[at(c)] / n;
    shared.offset[at(c)] = f.scale[at(c)] * sums.dy[at(c)] / n;
  }
  if (s.training || s.relu || s.input_relu) {
    backward_input(dy, x, r, f, shared, dx);
  } else {  // dy scale, which x does not enter, not even as NaN
    const Array none;
    normalise(dy, r, Affine(r, Doubles(at(channels), 0.0), s.invstd, s.weight, none, false), dx);
  }
  return {dx, from_doubles(dweight, dtype), from_doubles(sums.dy, dtype)};
}

}  // namespace tilewise
