// Products of arrays that are a matrix product or a broadcast product in another shape.
#pragma once

#include "ops/operand.h"

namespace tilewise {

// Products summed over pairs of dimensions: `left` of a with `right` of b, of equal sizes. The
// result has the other dimensions of a, then those of b.
Array tensordot(const Array& a, const Array& b, const Dims& left, const Dims& right);

// `b` scaled by every element of `a`, side by side.
Array kron(const Array& a, const Array& b);
// Its gradient for `a`: dy b summed over the elements of b; and for `b`.
Array kron_backward_a(const Array& dy, const Array& b, const Dims& shape);
Array kron_backward_b(const Array& dy, const Array& a, const Dims& shape);

// beta a + alpha product; `a` broadcasts to the product and is not read for a beta of 0. The
// product's memory may be used for the result.
Array combine_product(const Array& product, const Scalar& alpha, const Array& a,
                      const Scalar& beta);

}  // namespace tilewise
