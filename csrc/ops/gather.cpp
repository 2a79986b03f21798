#include "ops/gather.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "ops/copy.h"
#include "ops/loop_nest.h"
#include "ops/operand.h"
#include "ops/reduce.h"
#include "ops/visit_dtype.h"
#include "ref/binary.h"

namespace tilewise {
namespace {

void check_index(const char* op, const Array& index, const Dims& shape, int axis) {
  TW_CHECK_TYPE(index.dtype() == DType::int64, op, ": expected an int64 index, got ",
                name_of(index.dtype()));
  bool fits = index.rank() == shape.size();
  for (int i = 0; fits && i < index.rank(); ++i) {
    fits = i == axis || index.extent(i) <= shape[i];
  }
  TW_CHECK(fits, op, ": expected an index of ", shape.size(), " dimensions, no larger than shape ",
           to_string(shape), " except along axis ", axis, ", got ", to_string(index.shape()));
}

index_t checked_index(const char* op, std::int64_t index, index_t size) {
  if (index < 0 || index >= size) {
    throw IndexError(concat(op, ": index ", index, " is out of range for size ", size));
  }
  return index;
}

Array at_least_1d(const Array& a) { return a.rank() == 0 ? a.with_layout({1}, {1}) : a; }

// Dimensions without the axis: the lines along which scattering goes in order.
Dims without(const Dims& dims, int axis) {
  Dims rest;
  for (int i = 0; i < dims.size(); ++i) {
    if (i != axis) rest.push_back(dims[i]);
  }
  return rest;
}

struct Line {
  index_t out = 0;
  index_t index = 0;
  index_t src = 0;
};

template <typename T, typename F>
void scatter_lines(const Array& out, int axis, const Array& index, const Array& src, F combine) {
  const Dims shape = without(index.shape(), axis);
  const Dims out_strides = without(out.strides(), axis);
  const Dims index_strides = without(index.strides(), axis);
  const Dims src_strides = without(src.strides(), axis);
  const index_t count = index.extent(axis);
  const index_t size = out.extent(axis);
  const index_t out_step = out.strides()[axis];
  const index_t index_step = index.strides()[axis];
  const index_t src_step = src.strides()[axis];
  parallel_ranges(element_count(shape), ceil_div(elementwise_grain, count),
                  [&](index_t first, index_t last) {
                    for (index_t flat = first; flat < last; ++flat) {
                      Line line;
                      index_t rest = flat;
                      for (int d = shape.size() - 1; d >= 0; --d) {
                        const index_t i = rest % shape[d];
                        rest /= shape[d];
                        line.out += i * out_strides[d];
                        line.index += i * index_strides[d];
                        line.src += i * src_strides[d];
                      }
                      T* z = out.data<T>() + line.out;
                      const std::int64_t* at = index.data<const std::int64_t>() + line.index;
                      const T* x = src.data<const T>() + line.src;
                      for (index_t i = 0; i < count; ++i) {
                        const index_t k = checked_index("scatter", at[i * index_step], size);
                        combine(z[k * out_step], x[i * src_step]);
                      }
                    }
                  });
}

}  // namespace

Array gather(const Array& input, index_t axis, const Array& index_input) {
  const Array a = at_least_1d(input);
  const Array index = at_least_1d(index_input);
  const int dim = normalize_axis("gather", axis, a.rank());
  check_index("gather", index, a.shape(), dim);
  Array out = Array::empty(index.shape(), a.dtype());
  Dims strides = a.strides();
  const index_t step = strides[dim];
  strides[dim] = 0;
  const LoopNest nest(index.shape(), {&out.strides(), &index.strides(), &strides});
  visit_dtype(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using Byte = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
    nest.parallel_blocks([&](const LoopBlock& block) {
      for (index_t r = 0; r < block.rows; ++r) {
        Byte* z = out.data<Byte>() + block.offset[0] + r * block.row_stride[0];
        const std::int64_t* at =
            index.data<const std::int64_t>() + block.offset[1] + r * block.row_stride[1];
        const Byte* x = a.data<const Byte>() + block.offset[2] + r * block.row_stride[2];
        for (index_t c = 0; c < block.cols; ++c) {
          const index_t k = checked_index("gather", at[c * block.col_stride[1]], a.extent(dim));
          z[c * block.col_stride[0]] = x[c * block.col_stride[2] + k * step];
        }
      }
    });
  });
  return index_input.rank() == 0 ? out.with_layout({}, {}) : out;
}

namespace {

// `a` expanded to the dimensions of `like` but `axis`.
Array spread_along(const char* op, const Array& a, const Array& like, int axis) {
  TW_CHECK(a.rank() == like.rank(), op, ": expected as many dimensions, got ", to_string(a.shape()),
           " and ", to_string(like.shape()));
  Dims shape = a.shape();
  for (int i = 0; i < a.rank(); ++i) {
    if (i == axis || like.extent(i) == a.extent(i)) continue;
    TW_CHECK(a.extent(i) == 1 || like.extent(i) == 1, op, ": shapes ", to_string(a.shape()),
             " and ", to_string(like.shape()), " do not broadcast together");
    shape[i] = a.extent(i) == 1 ? like.extent(i) : a.extent(i);
  }
  return a.expand(shape);
}

// Indices that count from the start, where some counted from the end.
Array from_start(const Array& index, index_t size) {
  Array out = contiguous(index);
  bool negative = false;
  for (index_t i = 0; i < out.size(); ++i) negative |= out.data<const std::int64_t>()[i] < 0;
  if (!negative) return out;
  if (out.storage() == index.storage()) out = clone(out);
  auto* at = out.data<std::int64_t>();
  for (index_t i = 0; i < out.size(); ++i) at[i] += at[i] < 0 ? size : 0;
  return out;
}

}  // namespace

std::pair<Array, Array> take_along(const Array& a, const Array& index_input, index_t axis) {
  const char* op = "take_along_dim";
  const int dim = normalize_axis(op, axis, a.rank());
  TW_CHECK_TYPE(index_input.dtype() == DType::int64, op, ": expected indices of int64, got ",
                name_of(index_input.dtype()));
  const Array spread = spread_along(op, a, index_input, dim);
  const index_t size = a.rank() > 0 ? a.extent(dim) : 1;
  const Array index = spread_along(op, from_start(index_input, size), a, dim);
  return {gather(spread, dim, index), index};
}

Array scatter_add(const Dims& wanted, index_t axis, const Array& index_input,
                  const Array& src_input) {
  const Array index = at_least_1d(index_input);
  const Array src = at_least_1d(src_input);
  const Dims shape = wanted.empty() ? Dims{1} : wanted;
  const int dim = normalize_axis("scatter_add", axis, shape.size());
  check_index("scatter_add", index, shape, dim);
  TW_CHECK(src.shape() == index.shape(), "scatter_add: expected a source of the index's shape ",
           to_string(index.shape()), ", got ", to_string(src.shape()));
  TW_CHECK_TYPE(src.dtype() != DType::boolean, "scatter_add: expected numbers, got bool");
  Array out = Array::empty(shape, src.dtype());
  fill(out, 0.0);
  if (index.size() > 0) {
    visit_dtype(src.dtype(), [&](auto tag) {
      using T = decltype(tag);
      if constexpr (!std::is_same_v<T, bool>) {
        scatter_lines<T>(out, dim, index, src, [](T& z, T x) { z = ref::Add::apply(z, x); });
      }
    });
  }
  return wanted.empty() ? out.with_layout({}, {}) : out;
}

void scatter_into(Scatter how, const Array& target, index_t axis, const Array& index_input,
                  const Array& src_input) {
  const Array a = at_least_1d(target);
  const Array index = at_least_1d(index_input);
  Array src = at_least_1d(src_input);
  const int dim = normalize_axis("scatter", axis, a.rank());
  if (index.size() == 0) return;
  check_index("scatter", index, a.shape(), dim);
  check_writable("scatter", a);
  TW_CHECK_TYPE(src.dtype() == a.dtype(), "scatter: expected a source of ", name_of(a.dtype()),
                ", got ", name_of(src.dtype()));
  bool fits = src.rank() == index.rank();
  for (int i = 0; fits && i < src.rank(); ++i) {
    fits = src.extent(i) >= index.extent(i);
    if (fits) src = src.slice(i, 0, index.extent(i), 1);
  }
  TW_CHECK(fits, "scatter: expected a source no smaller than the index ", to_string(index.shape()),
           ", got ", to_string(src_input.shape()));
  if (src.storage() == a.storage()) src = clone(src);
  a.storage()->bump_version();
  visit_dtype(a.dtype(), [&](auto tag) {
    using Type = decltype(tag);
    using T = std::conditional_t<std::is_same_v<Type, bool>, std::uint8_t, Type>;
    switch (how) {
      case Scatter::assign:
        return scatter_lines<T>(a, dim, index, src, [](T& z, T x) { z = x; });
      case Scatter::add:
        return scatter_lines<T>(a, dim, index, src, [](T& z, T x) { z = ref::Add::apply(z, x); });
      case Scatter::multiply:
        return scatter_lines<T>(a, dim, index, src, [](T& z, T x) { z = ref::Mul::apply(z, x); });
      case Scatter::largest:
        return scatter_lines<T>(a, dim, index, src,
                                [](T& z, T x) { z = ref::Maximum::apply(x, z); });
      case Scatter::smallest:
        return scatter_lines<T>(a, dim, index, src,
                                [](T& z, T x) { z = ref::Minimum::apply(x, z); });
    }
  });
}

Array one_hot(const Array& labels_input, index_t wanted) {
  TW_CHECK_TYPE(labels_input.dtype() == DType::int64,
                "one_hot: expected labels of dtype int64, got ", name_of(labels_input.dtype()));
  const Array labels = contiguous(labels_input);
  const auto* label = labels.data<const std::int64_t>();
  const index_t count = labels.size();
  TW_CHECK(wanted >= 0 || count > 0,
           "one_hot: expected num_classes for labels of no elements, got -1");
  std::int64_t low = 0;
  std::int64_t high = -1;
  for (index_t i = 0; i < count; ++i) {
    low = std::min(low, label[i]);
    high = std::max(high, label[i]);
  }
  const index_t classes = wanted < 0 ? high + 1 : wanted;
  TW_CHECK(low >= 0 && high < classes, "one_hot: expected labels between 0 and ", classes - 1,
           ", got ", low, " to ", high);
  Dims shape = labels.shape();
  shape.push_back(classes);
  const Array out = Array::empty(shape, DType::int64);
  fill(out, 0.0);
  auto* rows = out.data<std::int64_t>();
  for (index_t i = 0; i < count; ++i) {
    // Another thread may write to the labels meanwhile.
    rows[i * classes + std::clamp<std::int64_t>(label[i], 0, classes - 1)] = 1;
  }
  return out;
}

}  // namespace tilewise
