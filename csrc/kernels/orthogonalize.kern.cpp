// Blocks of 4 by 4 rows, whose products stay in registers along the rows.
#include "kernels/orthogonalize.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

#if TW_ISA_LEVEL == 2
constexpr int bytes = 64;
#elif TW_ISA_LEVEL == 1
constexpr int bytes = 32;
#else
constexpr int bytes = 16;
#endif
typedef double VecD __attribute__((vector_size(bytes)));
constexpr index_t w = bytes / static_cast<int>(sizeof(double));
constexpr index_t rows_at_once = 4;

TW_INLINE VecD load_double(const double* p) {
  VecD a;
  __builtin_memcpy(&a, p, sizeof(a));
  return a;
}
TW_INLINE void store_double(double* p, VecD a) { __builtin_memcpy(p, &a, sizeof(a)); }

// dots[i * stride + j] of A rows and B rows.
template <int A, int B>
TW_INLINE void product_block(const double* a, const double* b, index_t length, double* dots,
                             index_t stride) {
  VecD sums[A][B] = {};
  index_t k = 0;
  for (; k + w <= length; k += w) {
    VecD right[B];
    for (int j = 0; j < B; ++j) right[j] = load_double(b + j * length + k);
    for (int i = 0; i < A; ++i) {
      const VecD left = load_double(a + i * length + k);
      for (int j = 0; j < B; ++j) sums[i][j] += left * right[j];
    }
  }
  for (int i = 0; i < A; ++i) {
    for (int j = 0; j < B; ++j) {
      double sum = 0;
      for (index_t l = 0; l < w; ++l) sum += sums[i][j][l];
      for (index_t l = k; l < length; ++l) sum += a[i * length + l] * b[j * length + l];
      dots[i * stride + j] = sum;
    }
  }
}

void products(const double* basis, index_t basis_rows, const double* x, index_t rows,
              index_t length, double* dots) {
  for (index_t i = 0; i < basis_rows; i += rows_at_once) {
    const bool four = basis_rows - i >= rows_at_once;
    for (index_t j = 0; j < rows; j += rows_at_once) {
      if (four && rows - j >= rows_at_once) {
        product_block<4, 4>(basis + i * length, x + j * length, length, dots + i * rows + j, rows);
        continue;
      }
      const index_t more_i = four ? i + rows_at_once : basis_rows;
      const index_t more_j = rows - j >= rows_at_once ? j + rows_at_once : rows;
      for (index_t n = j; n < more_j; ++n) {
        const double* right = x + n * length;
        if (four) {
          product_block<4, 1>(basis + i * length, right, length, dots + i * rows + n, rows);
          continue;
        }
        for (index_t m = i; m < more_i; ++m) {
          product_block<1, 1>(basis + m * length, right, length, dots + m * rows + n, rows);
        }
      }
    }
  }
}

// Two registers of B rows of x, all of the basis.
template <int B>
TW_INLINE void subtract_block(const double* basis, index_t basis_rows, const double* dots,
                              double* x, index_t rows, index_t length) {
  VecD left[B][2];
  for (int j = 0; j < B; ++j) {
    for (int v = 0; v < 2; ++v) left[j][v] = load_double(x + j * length + v * w);
  }
  for (index_t i = 0; i < basis_rows; ++i) {
    const VecD b0 = load_double(basis + i * length);
    const VecD b1 = load_double(basis + i * length + w);
    for (int j = 0; j < B; ++j) {
      const double c = dots[i * rows + j];
      left[j][0] -= b0 * c;
      left[j][1] -= b1 * c;
    }
  }
  for (int j = 0; j < B; ++j) {
    for (int v = 0; v < 2; ++v) store_double(x + j * length + v * w, left[j][v]);
  }
}

void subtract(const double* basis, index_t basis_rows, const double* dots, double* x, index_t rows,
              index_t length, index_t first, index_t last) {
  index_t k = first;
  for (; k + 2 * w <= last; k += 2 * w) {
    index_t j = 0;
    for (; j + rows_at_once <= rows; j += rows_at_once) {
      subtract_block<4>(basis + k, basis_rows, dots + j, x + j * length + k, rows, length);
    }
    for (; j < rows; ++j) {
      subtract_block<1>(basis + k, basis_rows, dots + j, x + j * length + k, rows, length);
    }
  }
  for (index_t j = 0; j < rows; ++j) {
    for (index_t l = k; l < last; ++l) {
      double value = x[j * length + l];
      for (index_t i = 0; i < basis_rows; ++i) value -= dots[i * rows + j] * basis[i * length + l];
      x[j * length + l] = value;
    }
  }
}

}  // namespace

const OrthogonalizeKernels orthogonalize_kernels{products, subtract};

}  // namespace TW_ISA
}  // namespace tilewise
