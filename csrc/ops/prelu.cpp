// Memory is seen as rows of a period: the channels, repeated until a row is whole
// strips of registers (a single slope is one channel). Rows are cut into pieces by the problem;
// each piece sums its part of the slopes' gradient, and the pieces are added in order.
#include "ops/prelu.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/prelu.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ref/prelu.h"

namespace tilewise {
namespace {

constexpr index_t strip = 64;  // floats that the kernel takes at once

void check(const Array& x, const Array& slope) {
  TW_CHECK_TYPE(is_floating(x.dtype()) && slope.dtype() == x.dtype(),
                "prelu: expected input and weight of one floating dtype, got ", name_of(x.dtype()),
                " and ", name_of(slope.dtype()));
  TW_CHECK(slope.rank() <= 1, "prelu: expected weight of at most one dimension, got shape ",
           to_string(slope.shape()));
  const index_t channels = x.rank() >= 2 ? x.extent(1) : 1;
  TW_CHECK(slope.size() == 1 || slope.size() == channels, "prelu: expected weight of 1 or ",
           channels, " elements for an input of shape ", to_string(x.shape()), ", got shape ",
           to_string(slope.shape()));
}

// Channels innermost, where there are several slopes.
Array arranged(const Array& x, const Array& slope) {
  if (slope.size() == 1) return dense(x);
  return x.rank() >= 3 ? channels_last(x) : contiguous(x);
}

// A few channels are repeated until whole strips hold them.
struct Period {
  explicit Period(index_t channels)
      : columns(channels < strip ? std::lcm(std::max<index_t>(1, channels), strip) : channels) {}
  index_t columns;
  index_t rows_a_piece() const { return std::max<index_t>(1, elementwise_grain / columns); }
};

// The slopes, repeated over a period.
void repeat(const Array& slope, index_t columns, float* out) {
  const index_t channels = slope.size();
  const float* from = slope.data<float>();
  for (index_t c = 0; c < columns; c += channels) std::copy(from, from + channels, out + c);
}

// run(first element, rows, columns, piece) for the pieces of whole rows and, last, a shorter row.
template <typename Run>
index_t for_pieces(index_t count, const Period& period, const Run& run) {
  const index_t rows = count / period.columns;
  const index_t whole = ceil_div(rows, period.rows_a_piece());
  const index_t rest = count % period.columns;
  const index_t pieces = whole + (rest > 0 ? 1 : 0);
  parallel_for(pieces, count, [&](index_t p) {
    if (p == whole) return run(rows * period.columns, index_t{1}, rest, p);
    const index_t first = p * period.rows_a_piece();
    const index_t here = std::min(period.rows_a_piece(), rows - first);
    run(first * period.columns, here, period.columns, p);
  });
  return pieces;
}

Array prelu_backward_double(const Array& dy, const Array& x, const Array& w, Array* dw) {
  Array dx = Array::empty_like(x);
  ref::prelu_backward_input(dy.data<double>(), x.data<double>(), w.data<double>(), w.size(),
                            dx.data<double>(), x.size());
  if (dw != nullptr) {
    ref::prelu_backward_slope(dy.data<double>(), x.data<double>(), w.size(), dw->data<double>(),
                              x.size());
  }
  return dx;
}

void check_slopes(const Array& x, const Array& slopes) {
  TW_CHECK_TYPE(is_floating(x.dtype()) && slopes.dtype() == x.dtype(),
                "rrelu: expected input and slopes of one floating dtype, got ", name_of(x.dtype()),
                " and ", name_of(slopes.dtype()));
  TW_CHECK(x.shape() == slopes.shape(), "rrelu: slopes of shape ", to_string(slopes.shape()),
           " for an input of shape ", to_string(x.shape()));
}

void check_gradient(const char* op, const Array& dy, const Array& x) {
  TW_CHECK(dy.shape() == x.shape(), op, " backward: gradient of shape ", to_string(dy.shape()),
           " for an input of shape ", to_string(x.shape()));
  TW_CHECK_TYPE(dy.dtype() == x.dtype(), op, " backward: expected a gradient of dtype ",
                name_of(x.dtype()), ", got ", name_of(dy.dtype()));
}

}  // namespace

Array prelu(const Array& input, const Array& weight) {
  check(input, weight);
  const Array x = arranged(input, weight);
  const Array slope = contiguous(weight);
  Array y = Array::empty_like(x);
  if (x.size() == 0) return y;
  if (x.dtype() == DType::float64) {
    ref::prelu_forward(x.data<double>(), slope.data<double>(), slope.size(), y.data<double>(),
                       x.size());
    return y;
  }
  const Period period(slope.size());
  Scratch<float> slopes(static_cast<std::size_t>(period.columns));
  repeat(slope, period.columns, slopes.data());
  const bool past_caches = larger_than_caches(y);
  const auto kernel = prelu_kernels().forward;
  for_pieces(x.size(), period, [&](index_t first, index_t rows, index_t columns, index_t) {
    kernel({x.data<float>() + first, slopes.data(), y.data<float>() + first, rows, columns},
           past_caches);
  });
  return y;
}

PreluGradients prelu_backward(const Array& grad_output, const Array& input, const Array& weight,
                              bool wants_dx, bool wants_dslope) {
  check(input, weight);
  check_gradient("prelu", grad_output, input);
  const Array x = arranged(input, weight);
  const Array dy = dense_as(grad_output, x);
  const Array slope = contiguous(weight);
  PreluGradients out;
  if (wants_dslope) out.dslope = Array::empty_like(slope);
  if (x.dtype() == DType::float64) {
    const Array dx = prelu_backward_double(dy, x, slope, wants_dslope ? &out.dslope : nullptr);
    if (wants_dx) out.dx = dx;
    return out;
  }
  if (wants_dx) out.dx = Array::empty_like(x);
  if (wants_dslope) fill(out.dslope, 0.0);
  if (x.size() == 0) return out;

  const Period period(slope.size());
  Scratch<float> slopes(static_cast<std::size_t>(period.columns));
  repeat(slope, period.columns, slopes.data());
  const index_t most_pieces = x.size() / period.columns / period.rows_a_piece() + 2;
  Scratch<double> sums(static_cast<std::size_t>(wants_dslope ? most_pieces * period.columns : 0));
  const auto kernel = prelu_kernels().backward;
  const auto run = [&](index_t first, index_t rows, index_t columns, index_t piece) {
    kernel({dy.data<float>() + first, x.data<float>() + first, slopes.data(),
            wants_dx ? out.dx.data<float>() + first : nullptr,
            wants_dslope ? sums.data() + piece * period.columns : nullptr, rows, columns});
  };
  const index_t pieces = for_pieces(x.size(), period, run);
  if (!wants_dslope) return out;
  const index_t rest = x.size() % period.columns;
  for (index_t c = 0; c < slope.size(); ++c) {
    double sum = 0;
    for (index_t p = 0; p < pieces; ++p) {
      const index_t columns = p == pieces - 1 && rest > 0 ? rest : period.columns;
      const double* part = sums.data() + p * period.columns;
      for (index_t i = c; i < columns; i += slope.size()) sum += part[i];
    }
    out.dslope.data<float>()[c] = static_cast<float>(sum);
  }
  return out;
}

Array rrelu(const Array& input, const Array& drawn) {
  check_slopes(input, drawn);
  const Array x = dense(input);
  const Array slopes = dense_as(drawn, x);
  Array y = Array::empty_like(x);
  if (x.dtype() == DType::float64) {
    ref::prelu_forward(x.data<double>(), slopes.data<double>(), std::max<index_t>(1, x.size()),
                       y.data<double>(), x.size());
    return y;
  }
  const auto kernel = prelu_kernels().forward;
  const bool past_caches = larger_than_caches(y);
  parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
    kernel({x.data<float>() + first, slopes.data<float>() + first, y.data<float>() + first, 1,
            last - first},
           past_caches);
  });
  return y;
}

Array rrelu_backward(const Array& grad_output, const Array& input, const Array& drawn) {
  check_slopes(input, drawn);
  check_gradient("rrelu", grad_output, input);
  const Array x = dense(input);
  const Array slopes = dense_as(drawn, x);
  const Array dy = dense_as(grad_output, x);
  Array dx = Array::empty_like(x);
  if (x.dtype() == DType::float64) {
    ref::prelu_backward_input(dy.data<double>(), x.data<double>(), slopes.data<double>(),
                              std::max<index_t>(1, x.size()), dx.data<double>(), x.size());
    return dx;
  }
  const auto kernel = prelu_kernels().backward;
  parallel_ranges(x.size(), elementwise_grain, [&](index_t first, index_t last) {
    kernel({dy.data<float>() + first, x.data<float>() + first, slopes.data<float>() + first,
            dx.data<float>() + first, nullptr, 1, last - first});
  });
  return dx;
}

}  // namespace tilewise
