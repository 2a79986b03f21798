#include "ops/sort.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ops/reduce.h"
#include "ops/sort_keys.h"
#include "ops/visit_dtype.h"

namespace tilewise {
namespace {

// Whether `a` comes before `b` in ascending order; NaN is last.
template <typename T>
bool before(T a, T b) {
  return a < b || (b != b && a == a);
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

// pick(entries, length) puts those of `keep` elements at the front.
template <typename T, typename Entry, typename Pick>
void pick_rows(const Array& rows, bool descending, index_t keep, const Pick& pick,
               const std::pair<Array, Array>& out) {
  const index_t length = rows.shape().back();
  const index_t count = keep == 0 ? 0 : out.first.size() / keep;
  parallel_ranges(count, ceil_div(elementwise_grain / 8, std::max<index_t>(1, length)),
                  [&](index_t first, index_t last) {
                    SmallScratch<Entry, 256> entries(static_cast<std::size_t>(length));
                    for (index_t i = first; i < last; ++i) {
                      const T* row = rows.data<const T>() + i * length;
                      sorting::make_entries(row, length, descending, entries.data());
                      pick(entries.data(), length, T{});
                      for (index_t k = 0; k < keep; ++k) {
                        const index_t at = entries.data()[k].at();
                        out.second.data<std::int64_t>()[i * keep + k] = at;
                        out.first.data<T>()[i * keep + k] = row[at];
                      }
                    }
                  });
}

template <typename Pick>
std::pair<Array, Array> run(const Array& a, index_t keep, int axis, bool descending,
                            const Pick& pick) {
  const Array rows = contiguous(a.permute(axis_last(a.rank(), axis)));
  Dims shape = rows.shape();
  shape[shape.size() - 1] = keep;
  const std::pair<Array, Array> out{Array::empty(shape, a.dtype()),
                                    Array::empty(shape, DType::int64)};
  visit_dtype(a.dtype(), [&](auto tag) {
    using Type = decltype(tag);
    using T = std::conditional_t<std::is_same_v<Type, bool>, std::uint8_t, Type>;
    if (rows.shape().back() < sorting::longest_packed) {
      pick_rows<T, sorting::EntryOf<T>>(rows, descending, keep, pick, out);
    } else {
      pick_rows<T, sorting::Wide>(rows, descending, keep, pick, out);
    }
  });
  if (axis == a.rank() - 1) return out;
  const Dims back = axis_back(a.rank(), axis);
  return {contiguous(out.first.permute(back)), contiguous(out.second.permute(back))};
}

std::pair<Array, Array> ordered(const Array& a, index_t keep, int axis, bool descending) {
  return run(a, keep, axis, descending, [=](auto* entries, index_t length, auto) {
    sorting::sort_front(entries, length, keep);
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
  return run(a, 1, dim, false, [=](auto* entries, index_t length, auto tag) {
    const index_t numbers = sorting::count_numbers<decltype(tag)>(entries, length);
    index_t at = std::max<index_t>(0, (numbers - 1) / 2);
    if (numbers < length && !ignore_nan) at = numbers;  // the first NaN
    std::nth_element(entries, entries + at, entries + length);
    entries[0] = entries[at];
  });
}

std::pair<Array, Array> kth_smallest(const Array& a, index_t k, index_t axis) {
  TW_CHECK(a.rank() > 0, "kthvalue: expected an array of at least one dimension");
  const int dim = normalize_axis("kthvalue", axis, a.rank());
  TW_CHECK(k >= 1 && k <= a.extent(dim), "kthvalue: expected k between 1 and ", a.extent(dim),
           " for axis ", dim, " of shape ", to_string(a.shape()), ", got ", k);
  return run(a, 1, dim, false, [=](auto* entries, index_t length, auto) {
    std::nth_element(entries, entries + k - 1, entries + length);
    entries[0] = entries[k - 1];
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

namespace {

constexpr index_t search_width = 16;

// Some values at a time: each step of a search waits for memory, those of different values wait
// together.
template <typename T, typename RowOf>
void search_together(const RowOf& row_of, index_t length, const T* values, index_t count,
                     bool right, std::int64_t* out) {
  const T* row[search_width];
  index_t start[search_width] = {};
  T value[search_width];
  for (index_t j = 0; j < count; ++j) {
    row[j] = row_of(j);
    value[j] = values[j];
  }
  // Whether the value belongs after an element.
  const auto after = [right](T element, T wanted) {
    return right ? !before(wanted, element) : before(element, wanted);
  };
  index_t rest = length;
  while (rest > 1) {
    const index_t half = rest / 2;
    for (index_t j = 0; j < count; ++j) {
      start[j] += after(row[j][start[j] + half - 1], value[j]) ? half : 0;
    }
    rest -= half;
  }
  for (index_t j = 0; j < count; ++j) {
    out[j] = start[j] + (rest == 1 && after(row[j][start[j]], value[j]) ? 1 : 0);
  }
}

}  // namespace

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
      for (index_t i = first; i < last; i += search_width) {
        const index_t count = std::min(search_width, last - i);
        const auto row_of = [&](index_t j) {
          return rows.data<const T>() + (i + j) / each * length;
        };
        search_together(row_of, length, values.data<const T>() + i, count, right,
                        out.data<std::int64_t>() + i);
      }
    });
  });
  return out;
}

}  // namespace tilewise
