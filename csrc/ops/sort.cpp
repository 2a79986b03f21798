#include "ops/sort.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ops/reduce.h"
#include "ops/visit_dtype.h"

namespace tilewise {
namespace {

// Whether `a` comes before `b` in ascending order; NaN is last.
template <typename T>
bool before(T a, T b) {
  return a < b || (b != b && a == a);
}

// Ascending or descending, ties by position: no two places are equal.
template <typename T>
auto order_of(const T* x, bool descending) {
  return [x, descending](std::int64_t i, std::int64_t j) {
    const T a = x[i];
    const T b = x[j];
    if (descending ? before(b, a) : before(a, b)) return true;
    return (descending ? before(a, b) : before(b, a)) ? false : i < j;
  };
}

// The first `keep` positions of a run in the wanted order.
template <typename T>
void order_run(const T* x, index_t keep, bool descending, std::vector<std::int64_t>& order) {
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (keep < static_cast<index_t>(order.size())) {
    std::partial_sort(order.begin(), order.begin() + keep, order.end(), order_of(x, descending));
  } else {
    std::sort(order.begin(), order.end(), order_of(x, descending));
  }
}

// The position of the middle element of a run, into the first place.
template <typename T>
void find_middle(const T* x, bool ignore_nan, std::vector<std::int64_t>& order) {
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto size = static_cast<index_t>(order.size());
  index_t numbers = 0;
  for (index_t i = 0; i < size; ++i) numbers += x[i] == x[i] ? 1 : 0;
  index_t at = std::max<index_t>(0, (numbers - 1) / 2);
  if (numbers < size && !ignore_nan) at = numbers;  // the first NaN
  std::nth_element(order.begin(), order.begin() + at, order.end(), order_of(x, false));
  order[0] = order[static_cast<std::size_t>(at)];
}

// The axis moved to the end, where the runs are contiguous.
Dims axis_last(int rank, int axis) {
  Dims order;
  for (int i = 0; i < rank; ++i) {
    if (i != axis) order.push_back(i);
  }
  order.push_back(axis);
  return order;
}

Dims axis_back(int rank, int axis) {
  Dims order;
  for (int i = 0; i < rank; ++i) {
    order.push_back(i < axis ? i : i == axis ? rank - 1 : i - 1);
  }
  return order;
}

// pick(run, order) puts the positions of `keep` elements at the front of `order`.
template <typename Pick>
std::pair<Array, Array> run(const Array& a, index_t keep, int axis, const Pick& pick) {
  const Array rows = contiguous(a.permute(axis_last(a.rank(), axis)));
  const index_t length = rows.shape().back();
  Dims shape = rows.shape();
  shape[shape.size() - 1] = keep;
  const Array values = Array::empty(shape, a.dtype());
  const Array index = Array::empty(shape, DType::int64);
  const index_t count = keep == 0 ? 0 : values.size() / keep;
  visit_dtype(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using Byte = std::conditional_t<std::is_same_v<T, bool>, std::uint8_t, T>;
    parallel_ranges(count, ceil_div(elementwise_grain / 8, std::max<index_t>(1, length)),
                    [&](index_t first, index_t last) {
                      std::vector<std::int64_t> order(static_cast<std::size_t>(length));
                      // A copy: sorting memory that another thread writes to could run astray.
                      std::vector<Byte> x(static_cast<std::size_t>(length));
                      for (index_t i = first; i < last; ++i) {
                        const Byte* row = rows.data<const Byte>() + i * length;
                        std::copy(row, row + length, x.begin());
                        pick(x.data(), order);
                        for (index_t k = 0; k < keep; ++k) {
                          const std::int64_t at = order[static_cast<std::size_t>(k)];
                          index.data<std::int64_t>()[i * keep + k] = at;
                          values.data<Byte>()[i * keep + k] = x[static_cast<std::size_t>(at)];
                        }
                      }
                    });
  });
  const Dims back = axis_back(a.rank(), axis);
  return {contiguous(values.permute(back)), contiguous(index.permute(back))};
}

std::pair<Array, Array> ordered(const Array& a, index_t keep, int axis, bool descending) {
  return run(a, keep, axis, [=](const auto* x, std::vector<std::int64_t>& order) {
    order_run(x, keep, descending, order);
  });
}

}  // namespace

std::pair<Array, Array> sort(const Array& a, index_t axis, bool descending) {
  const int dim = normalize_axis("sort", axis, a.rank());
  if (a.rank() == 0) {
    const auto [values, index] = ordered(a.with_layout({1}, {1}), 1, 0, descending);
    return {values.with_layout({}, {}), index.with_layout({}, {})};
  }
  return ordered(a, a.extent(dim), dim, descending);
}

std::pair<Array, Array> topk(const Array& a, index_t k, index_t axis, bool largest) {
  const int dim = normalize_axis("topk", axis, a.rank());
  const Array x = a.rank() == 0 ? a.with_layout({1}, {1}) : a;
  TW_CHECK(k >= 0 && k <= x.extent(dim), "topk: expected k between 0 and ", x.extent(dim),
           " for axis ", dim, " of shape ", to_string(a.shape()), ", got ", k);
  return ordered(x, k, dim, largest);
}

std::pair<Array, Array> middle(const Array& a, index_t axis, bool ignore_nan) {
  TW_CHECK(a.rank() > 0, "median: expected an array of at least one dimension");
  const int dim = normalize_axis("median", axis, a.rank());
  TW_CHECK(a.extent(dim) > 0, "median: expected at least one element along axis ", dim,
           " of shape ", to_string(a.shape()));
  return run(a, 1, dim, [=](const auto* x, std::vector<std::int64_t>& order) {
    find_middle(x, ignore_nan, order);
  });
}

Array order_rows(const Array& matrix) {
  TW_CHECK(matrix.rank() == 2, "order_rows: expected a matrix, got shape ",
           to_string(matrix.shape()));
  const Array rows = contiguous(matrix);
  const index_t length = rows.extent(1);
  const Array out = Array::empty({rows.extent(0)}, DType::int64);
  auto* order = out.data<std::int64_t>();
  std::iota(order, order + out.size(), std::int64_t{0});
  if (length == 0) return out;
  visit_dtype(rows.dtype(), [&](auto tag) {
    using Type = decltype(tag);
    using T = std::conditional_t<std::is_same_v<Type, bool>, std::uint8_t, Type>;
    // A copy: sorting memory that another thread writes to could run astray.
    const std::vector<T> x(rows.data<const T>(), rows.data<const T>() + rows.size());
    std::sort(order, order + out.size(), [&](std::int64_t i, std::int64_t j) {
      const T* a = x.data() + i * length;
      const T* b = x.data() + j * length;
      for (index_t k = 0; k < length; ++k) {
        if (before(a[k], b[k])) return true;
        if (before(b[k], a[k])) return false;
      }
      return i < j;
    });
  });
  return out;
}

Array search_sorted(const Array& rows_input, const Array& values_input, bool right) {
  TW_CHECK(rows_input.rank() >= 1, "searchsorted: expected a sequence of at least 1 dimension");
  const int lead = rows_input.rank() - 1;
  TW_CHECK(lead == 0 || (values_input.rank() == lead + 1 &&
                         rows_input.shape().slice(0, lead) == values_input.shape().slice(0, lead)),
           "searchsorted: expected a vector, or sequences with the leading dimensions of ",
           to_string(values_input.shape()), ", got ", to_string(rows_input.shape()));
  const DType dtype = promote(rows_input.dtype(), values_input.dtype());
  const Array rows = contiguous(cast(rows_input, dtype));
  const Array values = contiguous(cast(values_input, dtype));
  const Array out = Array::empty(values.shape(), DType::int64);
  const index_t length = rows.extent(lead);
  const index_t each = lead > 0 ? values.extent(lead) : values.size();  // values that share a row
  if (values.size() == 0) return out;
  visit_dtype(dtype, [&](auto tag) {
    using Type = decltype(tag);
    using T = std::conditional_t<std::is_same_v<Type, bool>, std::uint8_t, Type>;
    parallel_ranges(values.size(), elementwise_grain / 16, [&](index_t first, index_t last) {
      for (index_t i = first; i < last; ++i) {
        const T* row = rows.data<const T>() + i / each * length;
        const T value = values.data<const T>()[i];
        const T* at = right ? std::upper_bound(row, row + length, value, before<T>)
                            : std::lower_bound(row, row + length, value, before<T>);
        out.data<std::int64_t>()[i] = at - row;
      }
    });
  });
  return out;
}

}  // namespace tilewise
