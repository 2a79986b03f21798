// In memory the array is outer x axis x inner. Where inner is 1 the kernels go along rows; else
// they take neighbouring rows side by side, a lane each, without moving anything.
#include "ops/softmax.h"

#include <algorithm>
#include <vector>

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

// A dense array as outer x length x inner elements of memory.
struct Extents {
  Extents(const Array& x, int axis) {
    length = x.rank() == 0 ? 1 : x.extent(axis);
    inner = length == 1 ? 1 : x.strides()[axis];
    outer = x.size() == 0 ? 0 : x.size() / length / inner;
  }
  index_t outer;
  index_t length;
  index_t inner;
};

// run(first element, lanes) for parts of the inner extent; rows(first element, rows) where it is 1.
template <typename Rows, typename Lanes>
void for_parts(const Extents& e, const Rows& rows, const Lanes& lanes) {
  if (e.outer == 0) return;
  const index_t grain = std::max<index_t>(1, elementwise_grain / 4 / e.length);
  if (e.inner == 1) {
    parallel_ranges(e.outer, grain,
                    [&](index_t first, index_t last) { rows(first * e.length, last - first); });
    return;
  }
  const index_t wide = round_up(grain, 64);  // lanes a piece: whole strips of registers
  const index_t strips = ceil_div(e.inner, wide);
  const index_t images = std::max<index_t>(1, grain / e.inner);  // of outer, where inner is short
  parallel_for(ceil_div(e.outer, images) * strips, checked_mul(e.outer, e.length) * e.inner * 8,
               [&](index_t piece) {
                 const index_t first = piece / strips * images;
                 const index_t last = std::min(first + images, e.outer);
                 const index_t c = piece % strips * wide;
                 for (index_t o = first; o < last; ++o) {
                   lanes(o * e.length * e.inner + c, std::min(wide, e.inner - c));
                 }
               });
}

// The plain loops take rows of their own: strided ones are gathered.
template <typename Ref>
void by_rows(const Extents& e, const double* const (&in)[2], double* out, const Ref& ref) {
  parallel_for(e.outer * e.inner, e.outer * e.inner * e.length * 8, [&](index_t row) {
    const index_t at = row / e.inner * e.length * e.inner + row % e.inner;
    const auto length = static_cast<std::size_t>(e.length);
    std::vector<double> a(length);
    std::vector<double> b(length);
    std::vector<double> y(length);
    for (std::size_t i = 0; i < length; ++i) {
      const index_t from = at + static_cast<index_t>(i) * e.inner;
      a[i] = in[0][from];
      b[i] = in[1][from];
    }
    ref(a.data(), b.data(), y.data());
    for (std::size_t i = 0; i < length; ++i) out[at + static_cast<index_t>(i) * e.inner] = y[i];
  });
}

using ForwardKernel = void (*)(const float*, MatrixShape, float*);
using ForwardLanes = void (*)(const float*, const LaneShape&, float*);
using BackwardKernel = void (*)(const float*, const float*, MatrixShape, float*);
using BackwardLanes = void (*)(const float*, const float*, const LaneShape&, float*);

struct Forward {
  const char* name;
  ForwardKernel rows;
  ForwardLanes lanes;
  void (*ref)(const double* x, index_t columns, double* y);
};

struct Backward {
  const char* name;
  BackwardKernel rows;
  BackwardLanes lanes;
  void (*ref)(const double* dy, const double* y, index_t columns, double* dx);
};

Array run(const Forward& f, const Array& input, index_t wanted_axis) {
  const int axis = checked_axis(f.name, input, wanted_axis);
  const Array x = dense(input);
  Array y = Array::empty_like(x);
  const Extents e(x, axis);
  if (x.dtype() == DType::float64) {
    const double* src = x.data<double>();
    by_rows(e, {src, src}, y.data<double>(),
            [&](const double* row, const double*, double* out) { f.ref(row, e.length, out); });
    return y;
  }
  for_parts(
      e,
      [&](index_t i, index_t rows) {
        f.rows(x.data<float>() + i, {rows, e.length}, y.data<float>() + i);
      },
      [&](index_t i, index_t lanes) {
        f.lanes(x.data<float>() + i, {e.length, lanes, e.inner}, y.data<float>() + i);
      });
  return y;
}

Array run(const Backward& f, const Array& grad_output, const Array& output, index_t wanted_axis) {
  const int axis = checked_axis(f.name, output, wanted_axis);
  TW_CHECK(grad_output.shape() == output.shape(), f.name, ": gradient of shape ",
           to_string(grad_output.shape()), " for an output of shape ", to_string(output.shape()));
  TW_CHECK_TYPE(grad_output.dtype() == output.dtype(), f.name, ": expected a gradient of dtype ",
                name_of(output.dtype()), ", got ", name_of(grad_output.dtype()));
  const Array y = dense(output);
  const Array dy = dense_as(grad_output, y);
  Array dx = Array::empty_like(y);
  const Extents e(y, axis);
  if (y.dtype() == DType::float64) {
    by_rows(e, {dy.data<double>(), y.data<double>()}, dx.data<double>(),
            [&](const double* g, const double* row, double* out) { f.ref(g, row, e.length, out); });
    return dx;
  }
  const float* g = dy.data<float>();
  for_parts(
      e,
      [&](index_t i, index_t rows) {
        f.rows(g + i, y.data<float>() + i, {rows, e.length}, dx.data<float>() + i);
      },
      [&](index_t i, index_t lanes) {
        f.lanes(g + i, y.data<float>() + i, {e.length, lanes, e.inner}, dx.data<float>() + i);
      });
  return dx;
}

}  // namespace

Array softmax(const Array& x, index_t axis) {
  const SoftmaxKernels& k = softmax_kernels();
  return run(Forward{"softmax", k.softmax, k.softmax_lanes, ref::softmax_row<double>}, x, axis);
}

Array log_softmax(const Array& x, index_t axis) {
  const SoftmaxKernels& k = softmax_kernels();
  return run(
      Forward{"log_softmax", k.log_softmax, k.log_softmax_lanes, ref::log_softmax_row<double>}, x,
      axis);
}

Array softmax_backward(const Array& dy, const Array& y, index_t axis) {
  const SoftmaxKernels& k = softmax_kernels();
  return run(Backward{"softmax_backward", k.softmax_backward, k.softmax_backward_lanes,
                      ref::softmax_backward_row<double>},
             dy, y, axis);
}

Array log_softmax_backward(const Array& dy, const Array& y, index_t axis) {
  const SoftmaxKernels& k = softmax_kernels();
  return run(Backward{"log_softmax_backward", k.log_softmax_backward, k.log_softmax_backward_lanes,
                      ref::log_softmax_backward_row<double>},
             dy, y, axis);
}

}  // namespace tilewise
