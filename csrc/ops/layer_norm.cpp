// A C-contiguous array is a matrix of rows. A channels-last one is too where all dimensions but the
// first are normalised: weight and bias then follow the order of memory. Any other layout is copied
// to C order first.
#include "ops/layer_norm.h"

#include <cmath>

#include "base/error.h"
#include "ops/copy.h"
#include "ops/row_passes.h"

namespace tilewise {
namespace {

void check_parameter(const LayerNormState& s, const char* name, const Array& a, const Array& x) {
  if (!a.defined()) return;
  TW_CHECK(a.shape() == s.shape, s.op, ": expected ", name, " of shape ", to_string(s.shape),
           ", the normalized_shape, got ", to_string(a.shape()));
  TW_CHECK_TYPE(a.dtype() == x.dtype(), s.op, ": expected ", name, " of the input's dtype ",
                name_of(x.dtype()), ", got ", name_of(a.dtype()));
}

void check(const Array& x, const LayerNormState& s) {
  TW_CHECK_TYPE(is_floating(x.dtype()), s.op, ": expected a floating input, got ",
                name_of(x.dtype()));
  TW_CHECK(!s.shape.empty(), s.op, ": expected normalized_shape of at least one dimension, got ()");
  const int kept = x.rank() - s.shape.size();
  TW_CHECK(kept >= 0 && x.shape().slice(kept, x.rank()) == s.shape, s.op,
           ": expected an input whose last dimensions are ", to_string(s.shape), ", got shape ",
           to_string(x.shape()));
  check_parameter(s, "weight", s.weight, x);
  check_parameter(s, "bias", s.bias, x);
}

RowMatrix matrix_of(const Array& x, const LayerNormState& s) {
  index_t columns = 1;
  for (index_t extent : s.shape) columns *= extent;
  index_t rows = 1;
  for (int i = 0; i < x.rank() - s.shape.size(); ++i) rows *= x.extent(i);
  return {rows, columns};
}

// Whether rows lie in memory as channels-last samples.
bool rows_are_samples(const Array& x, const LayerNormState& s) {
  return x.rank() >= 3 && s.shape.size() == x.rank() - 1 && !x.is_contiguous() &&
         x.is_channels_last();
}

// A parameter of shape (C, spatial...) in the order of memory of a channels-last sample.
Array as_sample(const Array& a) {
  if (!a.defined()) return a;
  Dims shape{1};
  for (index_t extent : a.shape()) shape.push_back(extent);
  return channels_last(reshape(a, shape));
}

Array in_order(const Array& a, bool samples) {
  if (samples) return as_sample(a);
  return a.defined() ? contiguous(a) : a;
}

// The inverse: numbers in the order of memory as a C-contiguous array of the parameter's shape.
Array parameter_gradient(const Doubles& values, const LayerNormState& s, bool samples,
                         DType dtype) {
  const Array flat = from_doubles(values, dtype);
  if (!samples) return flat.try_view(s.shape);
  Dims shape{1};
  for (index_t extent : s.shape) shape.push_back(extent);
  return reshape(contiguous(flat.with_layout(shape, channels_last_strides(shape))), s.shape);
}

}  // namespace

LayerNormResult layer_norm_forward(const Array& input, const LayerNormState& s) {
  check(input, s);
  const bool samples = rows_are_samples(input, s);
  const Array x = samples ? input : contiguous(input);
  const RowMatrix m = matrix_of(x, s);
  LayerNormResult r{Array::empty_like(x), Array::empty({m.rows, 2}, x.dtype())};
  const double n = static_cast<double>(m.columns);
  const auto scale_of = [&](index_t /*row*/, double deviations) {
    return 1 / std::sqrt((deviations < 0 ? 0 : deviations) / n + s.eps);
  };
  normalise_rows(x,
                 {m, s.centred, in_order(s.weight, samples), in_order(s.bias, samples), scale_of},
                 r.statistics, r.y);
  return r;
}

LayerNormGradients layer_norm_backward(const Array& grad_output, const Array& input,
                                       const LayerNormState& s, const Array& statistics,
                                       bool parameters) {
  check(input, s);
  TW_CHECK(grad_output.shape() == input.shape(), s.op, ": gradient of shape ",
           to_string(grad_output.shape()), " for an input of shape ", to_string(input.shape()));
  const bool samples = rows_are_samples(input, s);
  const Array x = samples ? input : contiguous(input);
  const RowMatrix m = matrix_of(x, s);
  TW_CHECK(statistics.shape() == (Dims{m.rows, 2}) && statistics.is_contiguous(), s.op,
           ": expected the statistics of ", m.rows, " rows, got shape ",
           to_string(statistics.shape()));
  TW_CHECK_TYPE(grad_output.dtype() == x.dtype() && statistics.dtype() == x.dtype(), s.op,
                ": expected a gradient and statistics of dtype ", name_of(x.dtype()));
  const Array dy = dense_as(grad_output, x);
  LayerNormGradients g{Array::empty_like(x), Array(), Array()};
  Doubles dweight(parameters ? at(m.columns) : 0);
  Doubles dbias(dweight.size());
  const double n = static_cast<double>(m.columns);
  const auto slopes_of = [&](index_t /*row*/, double scale, double sum, double sum_x) {
    return RowSlopes{scale * scale * sum_x / n, s.centred ? sum / n : 0.0};
  };
  rows_backward(dy, x,
                {m, in_order(s.weight, samples), statistics, slopes_of,
                 parameters ? &dweight : nullptr, parameters ? &dbias : nullptr},
                g.dx);
  if (parameters) {
    g.dweight = parameter_gradient(dweight, s, samples, x.dtype());
    g.dbias = parameter_gradient(dbias, s, samples, x.dtype());
  }
  return g;
}

}  // namespace tilewise
