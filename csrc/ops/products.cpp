#include "ops/products.h"

#include <algorithm>

#include "base/error.h"
#include "ops/binary.h"
#include "ops/copy.h"
#include "ops/matmul.h"
#include "ops/reduce.h"

namespace tilewise {
namespace {

// Dimensions named once, from the start.
Dims checked_dims(const char* op, const Dims& dims, int rank) {
  Dims out;
  bool seen[Dims::max_rank] = {};
  for (index_t dim : dims) {
    const int i = normalize_axis(op, dim, rank);
    TW_CHECK(rank > 0 && !seen[i], op, ": expected distinct dimensions, got ", to_string(dims));
    seen[i] = true;
    out.push_back(i);
  }
  return out;
}

bool contains(const Dims& dims, int dim) {
  for (index_t d : dims) {
    if (d == dim) return true;
  }
  return false;
}

// The shape of a Kronecker product's operand with a dimension of size 1 after, or before, each.
Dims spaced(const Dims& shape, int rank, bool before) {
  Dims out;
  for (int i = 0; i < rank; ++i) {
    const int at = i - (rank - shape.size());
    const index_t extent = at < 0 ? 1 : shape[at];
    out.push_back(before ? 1 : extent);
    out.push_back(before ? extent : 1);
  }
  return out;
}

// The dimensions of the other operand in a product of spaced shapes.
Dims others(int rank, bool before) {
  Dims out;
  for (int i = 0; i < rank; ++i) out.push_back(2 * i + (before ? 0 : 1));
  return out;
}

}  // namespace

Array tensordot(const Array& a, const Array& b, const Dims& left_input, const Dims& right_input) {
  const char* op = "tensordot";
  const Dims left = checked_dims(op, left_input, a.rank());
  const Dims right = checked_dims(op, right_input, b.rank());
  bool fits = left.size() == right.size();
  index_t inner = 1;
  for (int i = 0; fits && i < left.size(); ++i) {
    const auto l = static_cast<int>(left[i]);
    fits = a.extent(l) == b.extent(static_cast<int>(right[i]));
    inner *= a.extent(l);
  }
  TW_CHECK(fits, op, ": expected equal sizes of dimensions ", to_string(left), " of ",
           to_string(a.shape()), " and ", to_string(right), " of ", to_string(b.shape()));
  Dims shape;
  Dims order_a;
  Dims order_b = right;
  index_t rows = 1;
  index_t cols = 1;
  for (int i = 0; i < a.rank(); ++i) {
    if (contains(left, i)) continue;
    order_a.push_back(i);
    shape.push_back(a.extent(i));
    rows = checked_mul(rows, a.extent(i));
  }
  for (index_t dim : left) order_a.push_back(dim);
  for (int i = 0; i < b.rank(); ++i) {
    if (contains(right, i)) continue;
    order_b.push_back(i);
    shape.push_back(b.extent(i));
    cols = checked_mul(cols, b.extent(i));
  }
  return reshape(matmul(reshape(a.permute(order_a), {rows, inner}),
                        reshape(b.permute(order_b), {inner, cols})),
                 shape);
}

Array kron(const Array& a, const Array& b) {
  const int rank = std::max(a.rank(), b.rank());
  TW_CHECK(2 * rank <= Dims::max_rank, "kron: expected at most ", Dims::max_rank / 2,
           " dimensions, got ", rank);
  const Dims sizes_a = spaced(a.shape(), rank, false);
  const Dims sizes_b = spaced(b.shape(), rank, true);
  const Array product = mul(reshape(a, sizes_a), reshape(b, sizes_b));
  Dims shape;
  for (int i = 0; i < rank; ++i) {
    shape.push_back(product.extent(2 * i) * product.extent(2 * i + 1));
  }
  return reshape(product, shape);
}

Array kron_backward_a(const Array& dy, const Array& b, const Dims& shape) {
  const int rank = std::max(shape.size(), b.rank());
  const Dims sizes_b = spaced(b.shape(), rank, true);
  const Array terms =
      mul(reshape(dy, broadcast_shapes("kron", spaced(shape, rank, false), sizes_b)),
          reshape(b, sizes_b));
  return reshape(rank > 0 ? sum(terms, others(rank, false), false) : terms, shape);
}

Array kron_backward_b(const Array& dy, const Array& a, const Dims& shape) {
  const int rank = std::max(shape.size(), a.rank());
  const Dims sizes_a = spaced(a.shape(), rank, false);
  const Array terms = mul(reshape(dy, broadcast_shapes("kron", sizes_a, spaced(shape, rank, true))),
                          reshape(a, sizes_a));
  return reshape(rank > 0 ? sum(terms, others(rank, true), false) : terms, shape);
}

Array combine_product(const Array& product, const Scalar& alpha, const Array& a,
                      const Scalar& beta) {
  const Dims shape = broadcast_shapes("addmm", a.shape(), product.shape());
  TW_CHECK(shape == product.shape(), "expected input that broadcasts to ",
           to_string(product.shape()), ", got ", to_string(a.shape()));
  const Array scaled = alpha.floating == 1.0 ? product : mul(product, alpha);
  if (beta.floating == 0.0) return scaled;
  const Array added = beta.floating == 1.0 ? a : mul(a, beta);
  if (result_type(scaled, added) != scaled.dtype()) return add(scaled, added);
  binary_in_place(BinaryOp::add, scaled, added);
  return scaled;
}

}  // namespace tilewise
