#include "ops/norms.h"

#include <cmath>

#include "base/error.h"
#include "ops/binary.h"
#include "ops/copy.h"
#include "ops/reduce.h"
#include "ops/select.h"
#include "ops/statistics.h"
#include "ops/unary.h"

namespace tilewise {

Array vector_norm(const Array& a, double p, const Dims& axes, bool keepdims) {
  TW_CHECK_TYPE(is_floating(a.dtype()), "norm: expected a floating-point tensor, got ",
                name_of(a.dtype()));
  if (p == 0.0 || p == 1.0 || p == 2.0) return norm(a, p, axes, keepdims);
  const Array sizes = unary(UnaryOp::abs, a);
  if (std::isinf(p)) {
    if (a.size() == 0 && p > 0) {  // the largest of nothing is 0, unless a result asks for one
      bool reduces_empty = false;
      for (index_t axis : normalize_axes("norm", axes, a.rank())) {
        reduces_empty = reduces_empty || a.extent(static_cast<int>(axis)) == 0;
      }
      if (!reduces_empty) return sum(sizes, axes, keepdims);
    }
    return p > 0 ? max_values(sizes, axes, keepdims) : min_values(sizes, axes, keepdims);
  }
  const Array total = sum(binary(BinaryOp::pow, sizes, Operand(p)), axes, keepdims);
  return binary(BinaryOp::pow, total, Operand(1.0 / p));
}

std::pair<Array, Array> renorm(const Array& a, double p, index_t axis, double limit) {
  const char* op = "renorm";
  TW_CHECK(a.rank() >= 2, op, ": expected at least 2 dimensions, got shape ", to_string(a.shape()));
  TW_CHECK(p > 0 && limit >= 0, op, ": expected p > 0 and maxnorm >= 0, got ", p, " and ", limit);
  const int dim = normalize_axis(op, axis, a.rank());
  Dims others;
  for (int i = 0; i < a.rank(); ++i) {
    if (i != dim) others.push_back(i);
  }
  const Array sizes = vector_norm(a, p, others, true);
  const Array scale = div(Operand(limit), add(sizes, Operand(1e-7)));
  const Array factor = where(binary(BinaryOp::gt, sizes, Operand(limit)), scale, Operand(1.0));
  return {mul(a, factor), sizes};
}

}  // namespace tilewise
