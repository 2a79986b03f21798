#pragma once

#include "base/array.h"

namespace tilewise {

// Rows of length 1, each orthogonal to those before it, that span with them what the first rows of
// the float64 matrix x span: Q^T of x^T = Q R with positive numbers on R's diagonal. x has at most
// as many rows as columns.
Array orthonormal_rows(const Array& x);

}  // namespace tilewise
