#include "ops/softmax.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/softmax.h"
#include "ops/copy.h"
#include "ref/softmax.h"

namespace tilewise {
namespace {

int checked_axis(const char* op, const Array& x, index_t axis) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating tensor, got ",
                name_of(x.dtype()));
  const index_t rank = std::max(1, x.rank());  // a scalar counts as a row of one
  TW_CHECK(axis >= -rank && axis < rank, op, ": axis ", axis, " is out of range for shape ",
           to_string(x.shape()));
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

index_t extent_of(const Array& x, int axis) { return x.rank() == 0 ? 1 : x.extent(axis); }

// Whether the rows of a dense array are contiguous in memory.
bool innermost(const Array& x, int axis) {
  return extent_of(x, axis) == 1 || x.strides()[axis] == 1;
}

Dims moved_last(int rank, int axis) {
  Dims order;
  for (int i = 0; i < rank; ++i) {
    if (i != axis) order.push_back(i);
  }
  order.push_back(axis);
  return order;
}

Dims moved_back(int rank, int axis) {
  Dims order;
  for (int i = 0; i < rank; ++i) order.push_back(i < axis ? i : (i == axis ? rank - 1 : i - 1));
  return order;
}

Array canonical(const Array& x) { return x.rank() >= 3 ? channels_last(x) : contiguous(x); }

// rows(first row, shape) in parallel.
template <typename Rows>
void for_rows(const Array& x, index_t columns, const Rows& rows) {
  const index_t grain = std::max<index_t>(1, elementwise_grain / 4 / columns);
  parallel_ranges(x.size() / columns, grain, [&](index_t first, index_t last) {
    rows(first * columns, MatrixShape{last - first, columns});
  });
}

// Calls run(input, output, moved) on arrays with the axis innermost, transposed where it was not.
template <typename Run>
Array along_axis(const Array& input, int axis, const Run& run) {
  const Array x = dense(input);
  if (x.size() == 0 || innermost(x, axis)) {
    Array y = Array::empty_like(x);
    if (y.size() > 0) run(x, y, false);
    return y;
  }
  const Array moved = contiguous(x.permute(moved_last(x.rank(), axis)));
  Array y = Array::empty_like(moved);
  run(moved, y, true);
  return canonical(y.permute(moved_back(x.rank(), axis)));
}

template <typename Kernel, typename Ref>
Array forward(const char* op, const Array& input, index_t wanted_axis, Kernel kernel, Ref ref) {
  const int axis = checked_axis(op, input, wanted_axis);
  const index_t columns = extent_of(input, axis);
  return along_axis(input, axis, [&](const Array& x, const Array& y, bool /*moved*/) {
    for_rows(x, columns, [&](index_t i, MatrixShape shape) {
      if (x.dtype() == DType::float32) {
        kernel(x.data<float>() + i, shape, y.data<float>() + i);
        return;
      }
      for (index_t r = 0; r < shape.rows; ++r, i += columns) {
        ref(x.data<double>() + i, columns, y.data<double>() + i);
      }
    });
  });
}

template <typename Kernel, typename Ref>
Array backward(const char* op, const Array& grad_output, const Array& output, index_t wanted_axis,
               Kernel kernel, Ref ref) {
  const int axis = checked_axis(op, output, wanted_axis);
  TW_CHECK(grad_output.shape() == output.shape(), op, ": gradient of shape ",
           to_string(grad_output.shape()), " for an output of shape ", to_string(output.shape()));
  TW_CHECK_TYPE(grad_output.dtype() == output.dtype(), op, ": expected a gradient of dtype ",
                name_of(output.dtype()), ", got ", name_of(grad_output.dtype()));
  const index_t columns = extent_of(output, axis);
  return along_axis(output, axis, [&](const Array& y, const Array& dx, bool moved) {
    const Array dy =
        dense_as(moved ? grad_output.permute(moved_last(output.rank(), axis)) : grad_output, y);
    for_rows(y, columns, [&](index_t i, MatrixShape shape) {
      if (y.dtype() == DType::float32) {
        kernel(dy.data<float>() + i, y.data<float>() + i, shape, dx.data<float>() + i);
        return;
      }
      for (index_t r = 0; r < shape.rows; ++r, i += columns) {
        ref(dy.data<double>() + i, y.data<double>() + i, columns, dx.data<double>() + i);
      }
    });
  });
}

}  // namespace

Array softmax(const Array& x, index_t axis) {
  return forward("softmax", x, axis, softmax_kernels().softmax, ref::softmax_row<double>);
}

Array log_softmax(const Array& x, index_t axis) {
  return forward("log_softmax", x, axis, softmax_kernels().log_softmax,
                 ref::log_softmax_row<double>);
}

Array softmax_backward(const Array& dy, const Array& y, index_t axis) {
  return backward("softmax_backward", dy, y, axis, softmax_kernels().softmax_backward,
                  ref::softmax_backward_row<double>);
}

Array log_softmax_backward(const Array& dy, const Array& y, index_t axis) {
  return backward("log_softmax_backward", dy, y, axis, softmax_kernels().log_softmax_backward,
                  ref::log_softmax_backward_row<double>);
}

}  // namespace tilewise
