#include "ops/trapezoid.h"

#include <algorithm>

#include "base/error.h"
#include "ops/binary.h"
#include "ops/copy.h"
#include "ops/reduce.h"
#include "ops/scan.h"

namespace tilewise {
namespace {

Array entries_after(const Array& a, int dim) {
  const index_t size = a.extent(dim);
  return a.slice(dim, std::min<index_t>(1, size), size, 1);
}

Array entries_before(const Array& a, int dim) {
  return a.slice(dim, 0, std::max<index_t>(a.extent(dim) - 1, 0), 1);
}

}  // namespace

Array distances(const Array& x, const Array& y, index_t axis) {
  const char* op = "trapezoid";
  const int dim = normalize_axis(op, axis, y.rank());
  const int along = x.rank() == 1 ? 0 : dim + x.rank() - y.rank();
  TW_CHECK(x.rank() >= 1 && along >= 0 && x.extent(along) == y.extent(dim), op, ": expected x of ",
           y.extent(dim), " elements along dim, got ", to_string(x.shape()));
  const Array widths = sub(entries_after(x, along), entries_before(x, along));
  if (x.rank() > 1) return widths;
  Dims shape(y.rank() - dim, 1);
  shape[0] = widths.size();
  return reshape(widths, shape);
}

Array trapezoid(const Array& y, const Array& x, const Operand& width, index_t axis, bool running) {
  const char* op = "trapezoid";
  if (y.rank() == 0) throw IndexError(concat(op, ": expected at least 1 dimension, got a scalar"));
  int dim = normalize_axis(op, axis, y.rank());
  Array areas = add(entries_after(y, dim), entries_before(y, dim));
  if (x.defined()) {
    areas = mul(areas, distances(x, y, axis));
    dim += areas.rank() - y.rank();
  } else if (width.is_array() || width.scalar().floating != 1.0) {
    const int before = areas.rank();
    areas = mul(areas, width);
    dim += areas.rank() - before;
  }
  areas = mul(areas, Operand(0.5));
  return running ? scan(Scan::sum, areas, dim) : sum(areas, {dim}, false);
}

}  // namespace tilewise
