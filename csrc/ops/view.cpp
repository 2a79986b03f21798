#include "ops/view.h"

#include <algorithm>

#include "base/error.h"
#include "ops/operand.h"
#include "ops/reduce.h"

namespace tilewise {
namespace {

int dim_of(const char* op, const Array& a, index_t dim) {
  TW_CHECK(a.rank() > 0, op, ": expected at least 1 dimension, got a scalar");
  return normalize_axis(op, dim, a.rank());
}

Array without_unit_dims(const Array& a, const bool* chosen) {
  Dims shape;
  Dims strides;
  for (int i = 0; i < a.rank(); ++i) {
    if (chosen[i] && a.extent(i) == 1) continue;
    shape.push_back(a.extent(i));
    strides.push_back(a.strides()[i]);
  }
  return a.with_layout(shape, strides);
}

// The array at `start` of a dimension, which is dropped.
Array select(const Array& a, int dim, index_t start) {
  Dims shape;
  Dims strides;
  for (int i = 0; i < a.rank(); ++i) {
    if (i == dim) continue;
    shape.push_back(a.extent(i));
    strides.push_back(a.strides()[i]);
  }
  return a.with_layout(shape, strides, start * a.strides()[dim]);
}

}  // namespace

Array squeeze(const Array& a) {
  bool chosen[Dims::max_rank];
  std::fill(chosen, chosen + Dims::max_rank, true);
  return without_unit_dims(a, chosen);
}

Array squeeze(const Array& a, const Dims& dims) {
  bool chosen[Dims::max_rank] = {};
  for (index_t dim : dims) {
    const int i = normalize_axis("squeeze", dim, a.rank());
    TW_CHECK(!chosen[i], "squeeze: dimension ", i, " appears twice in ", to_string(dims));
    chosen[i] = true;
  }
  return without_unit_dims(a, chosen);
}

Array unsqueeze(const Array& a, index_t dim) {
  const int at = normalize_axis("unsqueeze", dim, a.rank() + 1);
  Dims shape;
  Dims strides;
  for (int i = 0; i <= a.rank(); ++i) {
    if (i == at) {
      shape.push_back(1);
      strides.push_back(i < a.rank() ? a.strides()[i] * a.extent(i) : 1);
    }
    if (i == a.rank()) break;
    shape.push_back(a.extent(i));
    strides.push_back(a.strides()[i]);
  }
  return a.with_layout(shape, strides);
}

Array transpose(const Array& a, index_t dim0, index_t dim1) {
  const int i = normalize_axis("transpose", dim0, a.rank());
  const int j = normalize_axis("transpose", dim1, a.rank());
  if (a.rank() == 0) return a;
  Dims shape = a.shape();
  Dims strides = a.strides();
  std::swap(shape[i], shape[j]);
  std::swap(strides[i], strides[j]);
  return a.with_layout(shape, strides);
}

Array diagonal(const Array& a, index_t offset, index_t dim1, index_t dim2) {
  TW_CHECK(a.rank() >= 2, "diagonal: expected at least 2 dimensions, got shape ",
           to_string(a.shape()));
  const int row = normalize_axis("diagonal", dim1, a.rank());
  const int col = normalize_axis("diagonal", dim2, a.rank());
  TW_CHECK(row != col, "diagonal: expected two different dimensions, got ", dim1, " and ", dim2);
  Dims shape;
  Dims strides;
  for (int i = 0; i < a.rank(); ++i) {
    if (i == row || i == col) continue;
    shape.push_back(a.extent(i));
    strides.push_back(a.strides()[i]);
  }
  const index_t rows = a.extent(row);
  const index_t cols = a.extent(col);
  index_t length = 0;
  index_t start = 0;
  if (offset >= 0 && offset < cols) {
    length = std::min(rows, cols - offset);
    start = offset * a.strides()[col];
  } else if (offset < 0 && offset > -rows) {
    length = std::min(rows + offset, cols);
    start = -offset * a.strides()[row];
  }
  shape.push_back(length);
  strides.push_back(a.strides()[row] + a.strides()[col]);
  return a.with_layout(shape, strides, length > 0 ? start : 0);
}

Array windows(const Array& a, index_t dim, index_t size, index_t step) {
  const int at = normalize_axis("unfold", dim, a.rank());
  const index_t extent = a.rank() > 0 ? a.extent(at) : 1;
  const index_t stride = a.rank() > 0 ? a.strides()[at] : 1;
  TW_CHECK(size >= 0 && size <= extent, "unfold: expected size between 0 and ", extent,
           " for dimension ", at, " of shape ", to_string(a.shape()), ", got ", size);
  TW_CHECK(step > 0, "unfold: expected step > 0, got ", step);
  Dims shape = a.shape();
  Dims strides = a.strides();
  if (a.rank() > 0) {
    shape[at] = (extent - size) / step + 1;
    strides[at] = shape[at] > 1 ? stride * step : stride;
  }
  shape.push_back(size);
  strides.push_back(stride);
  return a.with_layout(shape, strides);
}

std::vector<Array> split(const Array& a, const std::vector<index_t>& lengths, index_t dim) {
  const int at = dim_of("split", a, dim);
  index_t total = 0;
  for (index_t length : lengths) {
    TW_CHECK(length >= 0, "split: expected sizes >= 0, got ", length);
    total = checked_add(total, length);
  }
  TW_CHECK(total == a.extent(at), "split: expected sizes that add up to ", a.extent(at),
           " for dimension ", at, " of shape ", to_string(a.shape()), ", got ", total);
  std::vector<Array> pieces;
  pieces.reserve(lengths.size());
  index_t start = 0;
  for (index_t length : lengths) {
    pieces.push_back(a.slice(at, start, start + length, 1));
    start += length;
  }
  return pieces;
}

std::vector<Array> split_at(const Array& a, const std::vector<index_t>& cuts, index_t dim) {
  const int at = dim_of("tensor_split", a, dim);
  const index_t extent = a.extent(at);
  const auto place = [extent](index_t cut) {
    return std::clamp<index_t>(cut < 0 ? cut + extent : cut, 0, extent);
  };
  std::vector<Array> pieces;
  pieces.reserve(cuts.size() + 1);
  index_t start = 0;
  for (index_t cut : cuts) {
    pieces.push_back(a.slice(at, start, std::max(start, place(cut)), 1));
    start = place(cut);
  }
  pieces.push_back(a.slice(at, start, extent, 1));
  return pieces;
}

std::vector<Array> split_into(const Array& a, index_t sections, index_t dim) {
  const int at = dim_of("tensor_split", a, dim);
  TW_CHECK(sections >= 1, "tensor_split: expected sections >= 1, got ", sections);
  const index_t least = a.extent(at) / sections;
  const index_t longer = a.extent(at) % sections;
  std::vector<Array> pieces;
  index_t start = 0;
  for (index_t i = 0; i < sections; ++i) {
    const index_t stop = start + least + (i < longer ? 1 : 0);
    pieces.push_back(a.slice(at, start, stop, 1));
    start = stop;
  }
  return pieces;
}

Array movedim(const Array& a, const Dims& source, const Dims& destination) {
  const char* op = "movedim";
  TW_CHECK(source.size() == destination.size(), op,
           ": expected as many sources as destinations, got ", to_string(source), " and ",
           to_string(destination));
  int from[Dims::max_rank];  // of each dimension of the result; -1 where the rest go in order
  bool moved[Dims::max_rank] = {};
  std::fill(from, from + Dims::max_rank, -1);
  for (int i = 0; i < source.size(); ++i) {
    const int s = normalize_axis(op, source[i], a.rank());
    const int d = normalize_axis(op, destination[i], a.rank());
    TW_CHECK(!moved[s] && from[d] < 0, op, ": expected distinct dimensions, got ",
             to_string(source), " and ", to_string(destination));
    moved[s] = true;
    from[d] = s;
  }
  Dims order;
  int next = 0;
  for (int i = 0; i < a.rank(); ++i) {
    if (from[i] < 0) {
      while (moved[next]) ++next;
      from[i] = next++;
    }
    order.push_back(from[i]);
  }
  return a.permute(order);
}

Array expand_to(const Array& a, const Dims& sizes) {
  Dims shape = sizes;
  const int added = sizes.size() - a.rank();
  for (int i = 0; i < sizes.size(); ++i) {
    if (sizes[i] != -1) continue;
    TW_CHECK(i >= added, "expand: expected sizes for shape ", to_string(a.shape()), ", got ",
             to_string(sizes));
    shape[i] = a.extent(i - added);
  }
  return a.expand(shape);
}

std::vector<Array> broadcast_arrays(const std::vector<Array>& arrays) {
  Dims shape;
  for (const Array& a : arrays) shape = broadcast_shapes("broadcast_tensors", shape, a.shape());
  std::vector<Array> out;
  out.reserve(arrays.size());
  for (const Array& a : arrays) out.push_back(a.expand(shape));
  return out;
}

std::vector<Array> grid_of(const std::vector<Array>& vectors, bool swapped) {
  const char* op = "meshgrid";
  TW_CHECK(!vectors.empty(), op, ": expected at least one tensor, got none");
  const int rank = static_cast<int>(vectors.size());
  TW_CHECK(vectors.size() <= Dims::max_rank, op, ": expected at most ", Dims::max_rank,
           " tensors, got ", vectors.size());
  const auto place = [&](int i) { return swapped && rank > 1 && i < 2 ? 1 - i : i; };
  Dims shape(rank, 1);
  for (int i = 0; i < rank; ++i) {
    const Array& x = vectors[static_cast<std::size_t>(i)];
    TW_CHECK(x.rank() <= 1, op, ": expected vectors, got shape ", to_string(x.shape()));
    TW_CHECK_TYPE(x.dtype() == vectors[0].dtype(), op, ": expected one dtype, got ",
                  name_of(vectors[0].dtype()), " and ", name_of(x.dtype()));
    shape[place(i)] = x.size();
  }
  element_count(shape);
  std::vector<Array> out;
  out.reserve(vectors.size());
  for (int i = 0; i < rank; ++i) {
    const Array& x = vectors[static_cast<std::size_t>(i)];
    Dims strides(rank, 0);
    if (x.rank() == 1) strides[place(i)] = x.strides()[0];
    out.push_back(x.with_layout(shape, strides));
  }
  return out;
}

std::vector<Array> unbind(const Array& a, index_t dim) {
  const int at = dim_of("unbind", a, dim);
  std::vector<Array> pieces;
  pieces.reserve(static_cast<std::size_t>(a.extent(at)));
  for (index_t i = 0; i < a.extent(at); ++i) pieces.push_back(select(a, at, i));
  return pieces;
}

}  // namespace tilewise
