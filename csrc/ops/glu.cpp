// In memory the input is rows of two halves: what lies inside the axis belongs to a half, what lies
// outside counts the rows.
#include "ops/glu.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/glu.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ref/glu.h"

namespace tilewise {
namespace {

int checked_axis(const Array& x, index_t axis) {
  TW_CHECK_TYPE(is_floating(x.dtype()), "glu: expected a floating tensor, got ",
                name_of(x.dtype()));
  TW_CHECK(x.rank() > 0, "glu: expected a tensor of one dimension or more, got a scalar");
  TW_CHECK(axis >= -x.rank() && axis < x.rank(), "glu: axis ", axis, " is out of range for shape ",
           to_string(x.shape()));
  const int a = static_cast<int>(axis < 0 ? axis + x.rank() : axis);
  TW_CHECK(x.extent(a) % 2 == 0, "glu: expected an even size along axis ", a, ", got shape ",
           to_string(x.shape()));
  return a;
}

// Of the dense array: the elements of half a row.
index_t half_row(const Array& x, int axis) {
  index_t inner = 1;
  for (int i = 0; i < x.rank(); ++i) {
    const bool inside = x.is_contiguous() ? i > axis : axis != 1 && (i > axis || i == 1);
    if (inside) inner *= x.extent(i);
  }
  return x.extent(axis) / 2 * inner;
}

Dims halved(const Array& x, int axis) {
  Dims shape = x.shape();
  shape[axis] /= 2;
  return shape;
}

// The layout of x: contiguous, or channels-last.
Array empty_half(const Array& x, const Dims& shape) {
  return x.is_contiguous() ? Array::empty(shape, x.dtype())
                           : Array::empty_channels_last(shape, x.dtype());
}

// run(first element of the half-sized array, of the whole one, count) for parts of rows.
template <typename Run>
void for_halves(index_t total, index_t half, const Run& run) {
  if (total == 0) return;
  const index_t parts = ceil_div(half, elementwise_grain);
  const index_t rows = std::max<index_t>(1, elementwise_grain / half);
  parallel_for(ceil_div(total / half, rows) * parts, total, [&](index_t piece) {
    const index_t first = piece / parts * rows;
    const index_t last = std::min(first + rows, total / half);
    const index_t from = piece % parts * elementwise_grain;
    const index_t count = std::min(elementwise_grain, half - from);
    for (index_t r = first; r < last; ++r) run(r * half + from, 2 * r * half + from, count);
  });
}

}  // namespace

Array glu(const Array& input, index_t wanted_axis) {
  const int axis = checked_axis(input, wanted_axis);
  const Array x = dense(input);
  const index_t half = half_row(x, axis);
  Array y = empty_half(x, halved(x, axis));
  const bool past_caches = larger_than_caches(y);
  for_halves(y.size(), half, [&](index_t to, index_t from, index_t count) {
    if (x.dtype() == DType::float64) {
      const double* a = x.data<double>() + from;
      return ref::glu_forward(a, a + half, y.data<double>() + to, count);
    }
    const float* a = x.data<float>() + from;
    glu_kernels().forward(a, a + half, y.data<float>() + to, count, past_caches);
  });
  return y;
}

Array glu_backward(const Array& grad_output, const Array& input, index_t wanted_axis) {
  const int axis = checked_axis(input, wanted_axis);
  TW_CHECK(grad_output.shape() == halved(input, axis), "glu backward: gradient of shape ",
           to_string(grad_output.shape()), " for an input of shape ", to_string(input.shape()));
  TW_CHECK_TYPE(grad_output.dtype() == input.dtype(), "glu backward: expected a gradient of dtype ",
                name_of(input.dtype()), ", got ", name_of(grad_output.dtype()));
  const Array x = dense(input);
  const index_t half = half_row(x, axis);
  const Array dy = x.is_contiguous() ? contiguous(grad_output) : channels_last(grad_output);
  Array dx = Array::empty_like(x);
  for_halves(dy.size(), half, [&](index_t from, index_t to, index_t count) {
    if (x.dtype() == DType::float64) {
      const double* a = x.data<double>() + to;
      double* da = dx.data<double>() + to;
      return ref::glu_backward(dy.data<double>() + from, a, a + half, da, da + half, count);
    }
    const float* a = x.data<float>() + to;
    float* da = dx.data<float>() + to;
    glu_kernels().backward({dy.data<float>() + from, a, a + half, da, da + half, count});
  });
  return dx;
}

}  // namespace tilewise
