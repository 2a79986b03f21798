// Rows of doubles made orthogonal to other rows: the two products of Gram and Schmidt.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

struct OrthogonalizeKernels {
  // dots[i * rows + j] = the product of row i of `basis` and row j of `x`, both `length` long and
  // dense, for basis_rows and rows of them.
  void (*products)(const double* basis, index_t basis_rows, const double* x, index_t rows,
                   index_t length, double* dots);
  // Columns [first, last) of x[j] -= the sum over i of dots[i * rows + j] basis[i], in the order of
  // i, where rows have `length` columns.
  void (*subtract)(const double* basis, index_t basis_rows, const double* dots, double* x,
                   index_t rows, index_t length, index_t first, index_t last);
};
TW_KERNEL_TABLE(OrthogonalizeKernels, orthogonalize_kernels)

}  // namespace tilewise
