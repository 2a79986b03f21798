#include "ops/arg_reduce.h"

#include "base/error.h"
#include "base/threads.h"
#include "ops/reduce.h"
#include "ops/visit_dtype.h"
#include "ref/reduce.h"

namespace tilewise {
namespace {

Dims without(const Dims& dims, int at) {
  Dims rest;
  for (int i = 0; i < dims.size(); ++i) {
    if (i != at) rest.push_back(dims[i]);
  }
  return rest;
}

// Element offset of position `flat` of a row-major walk.
index_t offset_of(index_t flat, const Dims& shape, const Dims& strides) {
  index_t offset = 0;
  for (int i = shape.size() - 1; i >= 0; --i) {
    offset += flat % shape[i] * strides[i];
    flat /= shape[i];
  }
  return offset;
}

template <typename T>
void search(Extreme which, const Array& a, int axis, std::int64_t* index, T* values) {
  const Dims shape = without(a.shape(), axis);
  const Dims strides = without(a.strides(), axis);
  const index_t count = a.extent(axis);
  const index_t step = a.strides()[axis];
  const T* x = a.data<const T>();
  const index_t grain = ceil_div(elementwise_grain, count);
  parallel_ranges(element_count(shape), grain, [&](index_t first, index_t last) {
    for (index_t i = first; i < last; ++i) {
      const T* run = x + offset_of(i, shape, strides);
      const index_t at = which == Extreme::largest ? ref::arg_extreme<true>(run, count, step)
                                                   : ref::arg_extreme<false>(run, count, step);
      index[i] = at;
      if (values != nullptr) values[i] = run[at * step];
    }
  });
}

std::pair<Array, Array> run(Extreme which, const Array& input, index_t axis, bool keepdims,
                            bool with_values) {
  const char* op = which == Extreme::largest ? "max" : "min";
  const int dim = normalize_axis(op, axis, input.rank());
  const Array a = input.rank() == 0 ? input.with_layout({1}, {1}) : input;
  Dims shape = a.shape();
  shape[dim] = 1;
  if (!keepdims || input.rank() == 0) shape = without(shape, dim);
  TW_CHECK(a.extent(dim) > 0 || element_count(shape) == 0, op,
           ": expected at least one element along axis ", dim, ", got shape ",
           to_string(a.shape()));
  const Array index = Array::empty(shape, DType::int64);
  const Array values = with_values ? Array::empty(shape, a.dtype()) : Array();
  if (index.size() == 0) return {values, index};
  visit_dtype(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using Byte = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
    search<Byte>(which, a, dim, index.data<std::int64_t>(),
                 with_values ? values.data<Byte>() : nullptr);
  });
  return {values, index};
}

}  // namespace

std::pair<Array, Array> extreme_with_index(Extreme which, const Array& a, index_t axis,
                                           bool keepdims) {
  return run(which, a, axis, keepdims, true);
}

Array arg_extreme(Extreme which, const Array& a, index_t axis, bool keepdims) {
  return run(which, a, axis, keepdims, false).second;
}

}  // namespace tilewise
