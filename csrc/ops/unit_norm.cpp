// A dense array with an axis singled out is [outer][count][inner] in memory, whatever its layout.
// With inner = 1 the vectors are rows (ops/row_passes.h); otherwise they are the columns of `outer`
// matrices, which the kernels of batch normalisation sum and scale, with means of zero.
#include "ops/unit_norm.h"

#include <cmath>

#include "base/error.h"
#include "kernels/batch_norm.h"
#include "ops/copy.h"
#include "ops/row_passes.h"
#include "ref/unit_norm.h"

namespace tilewise {
namespace {

using ref::VectorShape;

constexpr const char* op = "normalize";

VectorShape shape_of(const Array& x, index_t axis) {
  const int dim = static_cast<int>(axis);
  const index_t count = x.rank() == 0 ? 1 : x.extent(dim);
  if (count == 1 || x.size() == 0) return {x.size(), 1, 1};
  const index_t inner = x.strides()[dim];
  return {x.size() / (count * inner), count, inner};
}

void check(const Array& x, index_t axis, const Array& gain) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating input, got ",
                name_of(x.dtype()));
  TW_CHECK(axis >= 0 && axis < std::max(1, x.rank()), op, ": axis ", axis,
           " is out of range for shape ", to_string(x.shape()));
  if (!gain.defined()) return;
  TW_CHECK(x.rank() == 2 && axis == 1 && gain.shape() == Dims{x.extent(0)}, op,
           ": expected a gain a row of ", to_string(x.shape()), ", got shape ",
           to_string(gain.shape()));
  TW_CHECK_TYPE(gain.dtype() == x.dtype(), op, ": expected a gain of dtype ", name_of(x.dtype()),
                ", got ", name_of(gain.dtype()));
}

double longer(double length, double eps) { return length < eps ? eps : length; }  // keeps NaN

// Sums and vectors of the matrices whose columns are the vectors.
struct Columns {
  VectorShape shape;
  Rows rows;
  Scratch<double> sums;   // 2 width a piece
  Scratch<float> values;  // zeros, scale, slope: width each, for every matrix

  explicit Columns(const VectorShape& s)
      : shape(s),
        rows(s.count, s.inner),
        sums(at(checked_mul(s.outer * rows.pieces, 2 * rows.width()))),
        values(at(checked_mul(s.outer, 3 * rows.width()))) {
    std::fill(values.data(), values.data() + values.size(), 0.0F);
  }

  index_t first_element(index_t o) const { return o * shape.count * shape.inner; }
  float* zeros(index_t o) { return values.data() + o * 3 * rows.width(); }
  float* scale(index_t o) { return zeros(o) + rows.width(); }
  float* slope(index_t o) { return scale(o) + rows.width(); }
  double* piece_sums(index_t o, index_t p) {
    double* s = sums.data() + (o * rows.pieces + p) * 2 * rows.width();
    std::fill(s, s + 2 * rows.width(), 0.0);
    return s;
  }
  Doubles combined(index_t o) {
    Doubles first(at(shape.inner));
    Doubles second(at(shape.inner));
    for (index_t p = 0; p < rows.pieces; ++p) {
      add_folded(rows, sums.data() + (o * rows.pieces + p) * 2 * rows.width(), first.data(),
                 second.data());
    }
    return second;
  }
};

void columns_forward(const float* x, const VectorShape& s, double eps, double* lengths, float* y) {
  Columns c(s);
  const index_t width = c.rows.width();
  const auto& kernels = batch_norm_kernels();
  const auto first = [&](index_t o, index_t p) {
    double* sums = c.piece_sums(o, p);
    c.rows.visit(p, [&](index_t i, RowsShape block) {
      kernels.statistics(x + c.first_element(o) + i, block, c.zeros(o), sums, sums + width);
    });
  };
  const auto finish = [&](index_t o) {
    Doubles squares = c.combined(o);
    for (index_t i = 0; i < s.inner; ++i) {
      double& value = squares[at(i)];
      lengths[o * s.inner + i] = std::sqrt(value < 0 ? 0 : value);
      value = 1 / longer(lengths[o * s.inner + i], eps);
    }
    c.rows.tile(squares.data(), c.scale(o));
  };
  const auto second = [&](index_t o, index_t p) {
    c.rows.visit(p, [&](index_t i, RowsShape block) {
      const index_t e = c.first_element(o) + i;
      kernels.normalise(x + e, block, {c.zeros(o), c.scale(o), c.zeros(o), false}, y + e);
    });
  };
  two_passes(s.outer, c.rows.pieces, first, finish, second);
}

void columns_backward(const float* dy, const float* x, const VectorShape& s, double eps,
                      const double* lengths, float* dx) {
  Columns c(s);
  const index_t width = c.rows.width();
  const auto& kernels = batch_norm_kernels();
  const auto first = [&](index_t o, index_t p) {
    double* sums = c.piece_sums(o, p);
    c.rows.visit(p, [&](index_t i, RowsShape block) {
      const index_t e = c.first_element(o) + i;
      kernels.backward_sums(dy + e, x + e, block, {c.zeros(o), nullptr, nullptr, false}, sums,
                            sums + width);
    });
  };
  const auto finish = [&](index_t o) {
    Doubles dots = c.combined(o);
    Doubles scale(at(s.inner));
    for (index_t i = 0; i < s.inner; ++i) {
      const double length = lengths[o * s.inner + i];
      scale[at(i)] = 1 / longer(length, eps);
      dots[at(i)] *= length < eps || length == 0 ? 0 : scale[at(i)] / (length * length);
    }
    c.rows.tile(scale.data(), c.scale(o));
    c.rows.tile(dots.data(), c.slope(o));
  };
  const auto second = [&](index_t o, index_t p) {
    const NormaliseVectors forward{c.zeros(o), c.scale(o), c.zeros(o), false};
    c.rows.visit(p, [&](index_t i, RowsShape block) {
      const index_t e = c.first_element(o) + i;
      kernels.backward_input(dy + e, x + e, block, {forward, c.slope(o), c.zeros(o), false},
                             dx + e);
    });
  };
  two_passes(s.outer, c.rows.pieces, first, finish, second);
}

}  // namespace

UnitNormResult unit_norm_forward(const Array& input, index_t axis, double eps, const Array& gain) {
  check(input, axis, gain);
  const Array x = dense(input);
  const VectorShape s = shape_of(x, axis);
  UnitNormResult r{Array::empty_like(x), Array::empty({s.outer * s.inner}, DType::float64)};
  auto* lengths = r.lengths.data<double>();
  if (x.size() == 0) return r;
  const Doubles gains = to_doubles(gain, s.outer, 1);
  if (s.inner == 1) {
    const auto scale_of = [&](index_t row, double squares) {
      lengths[row] = std::sqrt(squares);
      return gains[at(row)] / longer(lengths[row], eps);
    };
    normalise_rows(x, {{s.outer, s.count}, false, Array(), Array(), scale_of},
                   Array::empty({s.outer, 2}, x.dtype()), r.y);
  } else if (x.dtype() == DType::float32) {
    columns_forward(x.data<float>(), s, eps, lengths, r.y.data<float>());
  } else {
    ref::unit_norm_lengths(x.data<double>(), s, lengths);
    Doubles scale(at(s.outer * s.inner));
    for (std::size_t v = 0; v < scale.size(); ++v) scale[v] = 1 / longer(lengths[v], eps);
    ref::scale_vectors(x.data<double>(), x.data<double>(), s, scale.data(), nullptr,
                       r.y.data<double>());
  }
  return r;
}

namespace {

// Rows as a matrix whose statistics are means of zero and the scales of the forward pass.
void rows_gradient(const Array& dy, const Array& x, const VectorShape& s, double eps,
                   const double* lengths, const Doubles& gains, Doubles& dgain, const Array& dx) {
  Array statistics = Array::empty({s.outer, 2}, x.dtype());
  for (index_t r = 0; r < s.outer; ++r) {
    const double scale = gains[at(r)] / longer(lengths[r], eps);
    if (x.dtype() == DType::float32) {
      statistics.data<float>()[2 * r] = 0;
      statistics.data<float>()[2 * r + 1] = static_cast<float>(scale);
    } else {
      statistics.data<double>()[2 * r] = 0;
      statistics.data<double>()[2 * r + 1] = scale;
    }
  }
  const auto slopes_of = [&](index_t row, double /*scale*/, double /*sum*/, double dot) {
    const double length = lengths[row];
    if (!dgain.empty()) dgain[at(row)] = dot / longer(length, eps);
    const bool constant = length < eps || length == 0;
    return RowSlopes{constant ? 0.0 : dot / (length * length), 0.0};
  };
  rows_backward(dy, x, {{s.outer, s.count}, Array(), statistics, slopes_of, nullptr, nullptr}, dx);
}

}  // namespace

UnitNormGradients unit_norm_backward(const Array& grad_output, const Array& input,
                                     const Array& lengths, index_t axis, double eps,
                                     const Array& gain) {
  check(input, axis, gain);
  TW_CHECK(grad_output.shape() == input.shape(), op, ": gradient of shape ",
           to_string(grad_output.shape()), " for an input of shape ", to_string(input.shape()));
  TW_CHECK_TYPE(grad_output.dtype() == input.dtype(), op, ": expected a gradient of dtype ",
                name_of(input.dtype()), ", got ", name_of(grad_output.dtype()));
  const Array x = dense(input);
  const Array dy = dense_as(grad_output, x);
  const VectorShape s = shape_of(x, axis);
  TW_CHECK(lengths.shape() == Dims{s.outer * s.inner} && lengths.dtype() == DType::float64, op,
           ": expected ", s.outer * s.inner, " lengths in float64, got ", name_of(lengths.dtype()),
           " of shape ", to_string(lengths.shape()));
  UnitNormGradients g{Array::empty_like(x), Array()};
  const Array kept = contiguous(lengths);
  const auto* length = kept.data<double>();
  Doubles dgain(gain.defined() ? at(s.outer) : 0);
  if (x.size() > 0 && s.inner == 1) {
    rows_gradient(dy, x, s, eps, length, to_doubles(gain, s.outer, 1), dgain, g.dx);
  } else if (x.size() > 0 && x.dtype() == DType::float32) {
    columns_backward(dy.data<float>(), x.data<float>(), s, eps, length, g.dx.data<float>());
  } else if (x.size() > 0) {
    Doubles scale(at(s.outer * s.inner));
    Doubles slope(scale.size());
    ref::dot_vectors(dy.data<double>(), x.data<double>(), s, slope.data());
    for (std::size_t v = 0; v < scale.size(); ++v) {
      scale[v] = 1 / longer(length[v], eps);
      slope[v] *= length[v] < eps || length[v] == 0 ? 0 : scale[v] / (length[v] * length[v]);
    }
    ref::scale_vectors(dy.data<double>(), x.data<double>(), s, scale.data(), slope.data(),
                       g.dx.data<double>());
  }
  if (gain.defined()) g.dgain = from_doubles(dgain, x.dtype());
  return g;
}

}  // namespace tilewise
