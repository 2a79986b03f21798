#include "ops/rearrange.h"

#include "base/error.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ops/reduce.h"

namespace tilewise {

Array concat_arrays(const std::vector<Array>& arrays, index_t axis) {
  TW_CHECK(!arrays.empty(), "concat: expected at least one array, got none");
  const Array& first = arrays.front();
  TW_CHECK(first.rank() > 0, "concat: expected arrays of at least one dimension, got shape ()");
  const int dim = normalize_axis("concat", axis, first.rank());
  Dims shape = first.shape();
  shape[dim] = 0;
  DType dtype = first.dtype();
  bool channels_last = false;
  for (const Array& a : arrays) {
    bool fits = a.rank() == first.rank();
    for (int i = 0; fits && i < a.rank(); ++i) fits = i == dim || a.extent(i) == first.extent(i);
    TW_CHECK(fits, "concat: expected shapes that differ along axis ", dim, " only, got ",
             to_string(first.shape()), " and ", to_string(a.shape()));
    shape[dim] = checked_add(shape[dim], a.extent(dim));
    dtype = promote(dtype, a.dtype());
    channels_last = channels_last || (!a.is_contiguous() && a.is_channels_last());
  }
  Array out = channels_last ? Array::empty_channels_last(shape, dtype) : Array::empty(shape, dtype);
  index_t start = 0;
  for (const Array& a : arrays) {
    const index_t stop = start + a.extent(dim);
    if (a.size() > 0) copy_into(out.slice(dim, start, stop, 1), a);
    start = stop;
  }
  return out;
}

Array flip(const Array& a, const Dims& axes) {
  Array out = Array::empty_like(a);
  if (a.size() == 0) return out;
  Dims strides = a.strides();
  index_t offset = 0;
  for (index_t axis : normalize_axes("flip", axes, a.rank())) {
    const int dim = static_cast<int>(axis);
    offset += (a.extent(dim) - 1) * strides[dim];
    strides[dim] = -strides[dim];
  }
  copy_into(out, a.with_layout(a.shape(), strides, offset));
  return out;
}

}  // namespace tilewise
