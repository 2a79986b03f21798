#include "ops/rearrange.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "ops/binary.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ops/permute_copy.h"
#include "ops/reduce.h"
#include "ops/view.h"

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

Array stack_arrays(const std::vector<Array>& arrays, index_t axis) {
  TW_CHECK(!arrays.empty(), "stack: expected at least one array, got none");
  std::vector<Array> entries;
  entries.reserve(arrays.size());
  for (const Array& a : arrays) {
    TW_CHECK(a.shape() == arrays.front().shape(), "stack: expected arrays of one shape, got ",
             to_string(arrays.front().shape()), " and ", to_string(a.shape()));
    entries.push_back(unsqueeze(a, axis));
  }
  return concat_arrays(entries, axis < 0 ? axis + entries.front().rank() : axis);
}

namespace {

// One copy: the result seen with the repetition as a dimension of its own, to which `a` broadcasts.
Array repeat_along(const Array& a, int dim, index_t count) {
  Dims shape = a.shape();
  shape[dim] = checked_mul(shape[dim], count);
  Array out = Array::empty(shape, a.dtype());
  if (out.size() == 0) return out;
  const index_t extent = a.extent(dim);
  for (index_t first = 1; first <= count; first = 2 * first) {
    // The first copy comes from `a`; each further one doubles what is there.
    const index_t before = first / 2;
    if (before == 0) {
      copy_into(out.slice(dim, 0, extent, 1), a);
      continue;
    }
    copy_into(out.slice(dim, before * extent, first * extent, 1),
              Array(out.slice(dim, 0, before * extent, 1)));
  }
  return out;
}

}  // namespace

Array repeat(const Array& a, const Dims& counts) {
  const int added = counts.size() - a.rank();
  TW_CHECK(added >= 0, "repeat: expected at least ", a.rank(), " counts for shape ",
           to_string(a.shape()), ", got ", to_string(counts));
  Dims shape(counts.size(), 1);
  Dims source;  // (1, size) for each dimension that repeats, (size) for others
  Dims target;
  bool fits = true;
  for (int i = 0; i < counts.size(); ++i) {
    TW_CHECK(counts[i] >= 0, "repeat: expected counts >= 0, got ", to_string(counts));
    const index_t extent = i < added ? 1 : a.extent(i - added);
    shape[i] = checked_mul(extent, counts[i]);
    const int parts = counts[i] != 1 && extent != 1 ? 2 : 1;
    fits = fits && source.size() + parts <= Dims::max_rank;
    if (!fits) continue;
    if (parts == 2) {
      source.push_back(1);
      target.push_back(counts[i]);
    }
    source.push_back(extent);
    target.push_back(parts == 2 ? extent : shape[i]);
  }
  element_count(shape);
  if (fits) {
    Array out = Array::empty(target, a.dtype());
    if (out.size() > 0) copy_into(out, reshape(a, source));
    return out.with_layout(shape,
                           contiguous_strides(out.size() > 0 ? shape : Dims(shape.size(), 0)));
  }
  Dims leading(added, 1);
  for (index_t extent : a.shape()) leading.push_back(extent);
  Array out = reshape(a, leading);
  for (int i = counts.size() - 1; i >= 0; --i) {
    if (counts[i] != 1) out = repeat_along(out, i, counts[i]);
  }
  return out.storage() == a.storage() ? clone(out) : out;
}

namespace {

// Copies src, rolled from dimension `dim` on, to dst: what stays before the end of a dimension and
// what comes round to its start, part by part, so that each element moves once.
void roll_parts(const Array& dst, const Array& src, const Dims& shifts, int dim) {
  while (dim < shifts.size() && shifts[dim] == 0) ++dim;
  if (dim == shifts.size()) return copy_into(dst, src);
  const index_t extent = src.extent(dim);
  const index_t shift = shifts[dim];
  const bool innermost =
      std::all_of(shifts.begin() + dim + 1, shifts.end(), [](index_t later) { return later == 0; });
  if (innermost && copy_rotated(dst, src, dim, shift)) return;
  roll_parts(dst.slice(dim, shift, extent, 1), src.slice(dim, 0, extent - shift, 1), shifts,
             dim + 1);
  roll_parts(dst.slice(dim, 0, shift, 1), src.slice(dim, extent - shift, extent, 1), shifts,
             dim + 1);
}

}  // namespace

Array roll(const Array& a, const Dims& shifts, const Dims& dims) {
  TW_CHECK(shifts.size() == dims.size(), "roll: expected a shift for each dimension, got ",
           to_string(shifts), " and ", to_string(dims));
  Dims total(a.rank(), 0);  // of each dimension, in [0, extent)
  for (int i = 0; i < dims.size(); ++i) {
    const int dim = normalize_axis("roll", dims[i], a.rank());
    const index_t extent = std::max<index_t>(1, a.extent(dim));
    const index_t shift = (shifts[i] % extent + extent) % extent;
    total[dim] = (total[dim] + shift) % extent;
  }
  Array out = Array::empty_like(a);
  if (a.size() > 0) roll_parts(out, a, total, 0);
  return out;
}

Array triangle(const Array& input, index_t diagonal, bool upper) {
  const char* op = upper ? "triu" : "tril";
  TW_CHECK(input.rank() >= 2, op, ": expected at least 2 dimensions, got shape ",
           to_string(input.shape()));
  const Array a = contiguous(input);
  const Array out = Array::empty(a.shape(), a.dtype());
  if (out.size() == 0) return out;
  const index_t rows = a.extent(a.rank() - 2);
  const index_t cols = a.extent(a.rank() - 1);
  const auto bytes = static_cast<index_t>(itemsize(a.dtype()));
  const index_t limit = std::max(rows, cols);
  const index_t shift = std::clamp(diagonal, -limit, limit);
  parallel_ranges(out.size() / cols, ceil_div(elementwise_grain, cols),
                  [&](index_t first, index_t last) {
                    for (index_t line = first; line < last; ++line) {
                      // tril keeps columns up to row + diagonal, triu those from there on.
                      const index_t bound = line % rows + shift + (upper ? 0 : 1);
                      const index_t cut = std::clamp<index_t>(bound, 0, cols) * bytes;
                      const std::byte* x = a.bytes() + line * cols * bytes;
                      std::byte* z = out.bytes() + line * cols * bytes;
                      const index_t kept = upper ? cut : 0;
                      const index_t length = upper ? cols * bytes - cut : cut;
                      std::memset(z, 0, static_cast<std::size_t>(cols * bytes));
                      std::memcpy(z + kept, x + kept, static_cast<std::size_t>(length));
                    }
                  });
  return out;
}

Array windows_backward(const Array& dy, const Dims& shape, index_t dim, index_t step) {
  const char* op = "unfold_backward";
  TW_CHECK(dy.rank() > 0, op, ": expected a gradient of at least one dimension");
  const index_t size = dy.shape().back();
  const Array dx = Array::empty(shape, dy.dtype());
  const Array seen = windows(dx, dim, size, step);
  TW_CHECK(seen.shape() == dy.shape(), op, ": expected a gradient of shape ",
           to_string(seen.shape()), ", got ", to_string(dy.shape()));
  fill(dx, 0.0);
  const int last = dy.rank() - 1;
  // Windows overlap: one place of all windows at a time.
  for (index_t i = 0; i < size; ++i) {
    binary_in_place(BinaryOp::add, seen.slice(last, i, i + 1, 1), dy.slice(last, i, i + 1, 1));
  }
  return dx;
}

}  // namespace tilewise
