#include "ops/arg_reduce.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/reduce.h"
#include "ops/copy.h"
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

// A dense array as (outer, count, inner) in the order of its memory: the float32 kernels. False
// for others, and for an axis that is too long.
bool search_dense(Extreme which, const Array& a, int axis, const Array& index,
                  const Array& values) {
  constexpr index_t longest = index_t{1} << 24;
  if (a.dtype() != DType::float32 || !a.is_contiguous() || a.extent(axis) >= longest) return false;
  index_t outer = 1;
  index_t inner = 1;
  for (int i = 0; i < a.rank(); ++i) (i < axis ? outer : inner) *= i == axis ? 1 : a.extent(i);
  const index_t count = a.extent(axis);
  const ReduceKernels& k = reduce_kernels();
  const bool largest = which == Extreme::largest;
  const auto* x = a.data<const float>();
  auto* at = index.data<std::int64_t>();
  auto* best = values.data<float>();
  if (inner == 1) {
    const auto kernel = largest ? k.arg_max_rows : k.arg_min_rows;
    parallel_ranges(outer, ceil_div(elementwise_grain, count), [&](index_t first, index_t last) {
      kernel({x + first * count, last - first, count, count}, best + first, at + first);
    });
    return true;
  }
  constexpr index_t strip = 512;
  const index_t strips = ceil_div(inner, strip);
  const auto kernel = largest ? k.arg_max_cols : k.arg_min_cols;
  parallel_ranges(outer * strips, ceil_div(elementwise_grain, count * std::min(inner, strip)),
                  [&](index_t first, index_t last) {
                    float places[strip];
                    for (index_t piece = first; piece < last; ++piece) {
                      const index_t col = piece % strips * strip;
                      const index_t start = piece / strips * inner + col;
                      kernel({x + piece / strips * count * inner + col, count,
                              std::min(strip, inner - col), inner},
                             best + start, at + start, places);
                    }
                  });
  return true;
}

std::pair<Array, Array> run(Extreme which, const Array& input, index_t axis, bool keepdims,
                            bool with_values);

std::pair<Array, Array> run_channels_last(Extreme which, const Array& a, int dim, bool keepdims) {
  Dims order{0};
  for (int i = 2; i < a.rank(); ++i) order.push_back(i);
  order.push_back(1);
  Dims back{0, a.rank() - 1};
  for (int i = 1; i < a.rank() - 1; ++i) back.push_back(i);
  const int at = dim == 0 ? 0 : dim == 1 ? a.rank() - 1 : dim - 1;
  const auto found = run(which, a.permute(order), at, true, true);
  const auto finish = [&](const Array& x) {
    Dims shape = a.shape();
    shape[dim] = 1;
    const Array kept = x.permute(back);
    return keepdims ? dense(kept) : reshape(kept, without(shape, dim));
  };
  return {finish(found.first), finish(found.second)};
}

std::pair<Array, Array> run(Extreme which, const Array& input, index_t axis, bool keepdims,
                            bool with_values) {
  const char* op = which == Extreme::largest ? "max" : "min";
  const int dim = normalize_axis(op, axis, input.rank());
  const Array a = input.rank() == 0 ? input.with_layout({1}, {1}) : input;
  // Channels-last: the same search with the channels at the end, where they are in memory.
  if (a.rank() >= 3 && a.dtype() == DType::float32 && !a.is_contiguous() && a.is_channels_last()) {
    return run_channels_last(which, a, dim, keepdims);
  }
  Dims shape = a.shape();
  shape[dim] = 1;
  if (!keepdims || input.rank() == 0) shape = without(shape, dim);
  TW_CHECK(a.extent(dim) > 0 || element_count(shape) == 0, op,
           ": expected at least one element along axis ", dim, ", got shape ",
           to_string(a.shape()));
  const Array index = Array::empty(shape, DType::int64);
  const bool kernels = a.dtype() == DType::float32;
  const Array values = with_values || kernels ? Array::empty(shape, a.dtype()) : Array();
  if (index.size() == 0) return {values, index};
  if (kernels && search_dense(which, a, dim, index, values)) return {values, index};
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
