#include "ops/diagonals.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ops/reduce.h"
#include "ops/view.h"

namespace tilewise {

Array diag_embed(const Array& a, index_t offset, index_t dim1, index_t dim2) {
  const char* op = "diag_embed";
  TW_CHECK(a.rank() > 0, op, ": expected at least 1 dimension, got a scalar");
  const int rank = a.rank() + 1;
  const int row = normalize_axis(op, dim1, rank);
  const int col = normalize_axis(op, dim2, rank);
  TW_CHECK(row != col, op, ": expected two different dimensions, got ", dim1, " and ", dim2);
  const index_t size = checked_add(a.shape().back(), offset < 0 ? -offset : offset);
  Dims shape;
  int next = 0;
  for (int i = 0; i < rank; ++i) {
    shape.push_back(i == row || i == col ? size : a.extent(next));
    if (i != row && i != col) ++next;
  }
  Array out = Array::empty(shape, a.dtype());
  fill(out, 0.0);
  copy_into(diagonal(out, offset, row, col), a);
  return out;
}

Array block_diag(const std::vector<Array>& blocks) {
  const char* op = "block_diag";
  TW_CHECK(!blocks.empty(), op, ": expected at least one tensor, got none");
  index_t rows = 0;
  index_t cols = 0;
  DType dtype = blocks.front().dtype();
  const auto rows_of = [](const Array& x) { return x.rank() == 2 ? x.extent(0) : index_t{1}; };
  const auto cols_of = [](const Array& x) { return x.rank() > 0 ? x.shape().back() : index_t{1}; };
  for (const Array& x : blocks) {
    TW_CHECK(x.rank() <= 2, op, ": expected at most 2 dimensions, got shape ",
             to_string(x.shape()));
    rows = checked_add(rows, rows_of(x));
    cols = checked_add(cols, cols_of(x));
    dtype = promote(dtype, x.dtype());
  }
  Array out = Array::empty({rows, cols}, dtype);
  fill(out, 0.0);
  index_t row = 0;
  index_t col = 0;
  for (const Array& x : blocks) {
    const Array place = out.slice(0, row, row + rows_of(x), 1).slice(1, col, col + cols_of(x), 1);
    if (x.size() > 0) copy_into(place, x);
    row += rows_of(x);
    col += cols_of(x);
  }
  return out;
}

Array cartesian_prod(const std::vector<Array>& vectors) {
  const char* op = "cartesian_prod";
  TW_CHECK(!vectors.empty(), op, ": expected at least one tensor, got none");
  const auto count = static_cast<index_t>(vectors.size());
  index_t total = 1;
  for (const Array& x : vectors) {
    TW_CHECK(x.rank() == 1, op, ": expected vectors, got shape ", to_string(x.shape()));
    TW_CHECK_TYPE(x.dtype() == vectors[0].dtype(), op, ": expected one dtype, got ",
                  name_of(vectors[0].dtype()), " and ", name_of(x.dtype()));
    total = checked_mul(total, x.size());
  }
  Array out = Array::empty({total, count}, vectors[0].dtype());
  if (total == 0) return out;
  index_t repeats = total;  // of each element, one after the other
  index_t before = 1;
  for (index_t i = 0; i < count; ++i) {
    const Array& x = vectors[static_cast<std::size_t>(i)];
    repeats /= x.size();
    const Array column = out.with_layout({before, x.size(), repeats},
                                         {x.size() * repeats * count, repeats * count, count}, i);
    copy_into(column, x.with_layout({1, x.size(), 1}, {1, x.strides()[0], 1}));
    before *= x.size();
  }
  return out;
}

namespace {

// How many choices there are.
index_t count_choices(index_t size, index_t chosen) {
  index_t count = 1;
  for (index_t i = 1; i <= chosen; ++i) count = checked_mul(count, size - chosen + i) / i;
  return count;
}

}  // namespace

Array combinations(index_t size, index_t chosen, bool with_replacement) {
  TW_CHECK(size >= 0 && chosen >= 1, "combinations: expected a choice of at least 1, got ", chosen);
  const index_t distinct = with_replacement ? size + chosen - 1 : size;
  const index_t count = size == 0 || distinct < chosen ? 0 : count_choices(distinct, chosen);
  Array out = Array::empty({count, chosen}, DType::int64);
  if (count == 0) return out;
  const index_t step = with_replacement ? 0 : 1;  // from one position to the least of the next
  std::vector<index_t> places(static_cast<std::size_t>(chosen), 0);
  if (!with_replacement) std::iota(places.begin(), places.end(), index_t{0});
  auto* row = out.data<std::int64_t>();
  for (index_t i = 0; i < count; ++i, row += chosen) {
    std::copy(places.begin(), places.end(), row);
    index_t last = chosen - 1;  // the last position that can still move on
    const auto most = [&](index_t k) { return size - 1 - step * (chosen - 1 - k); };
    while (last >= 0 && places[static_cast<std::size_t>(last)] == most(last)) --last;
    if (last < 0) break;
    index_t next = ++places[static_cast<std::size_t>(last)];
    for (index_t k = last + 1; k < chosen; ++k) {
      next += step;
      places[static_cast<std::size_t>(k)] = next;
    }
  }
  return out;
}

}  // namespace tilewise
