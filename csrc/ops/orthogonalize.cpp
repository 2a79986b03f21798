// Gram and Schmidt by blocks of rows, everything twice: once leaves errors in proportion to the
// matrix's condition, twice is enough (L. Giraud, J. Langou, M. Rozloznik, "The loss of
// orthogonality in the Gram-Schmidt orthogonalization process", 2005).
#include "ops/orthogonalize.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/orthogonalize.h"
#include "ops/copy.h"

namespace tilewise {
namespace {

constexpr index_t block_rows = 32;
constexpr index_t basis_piece = 16;    // rows of the basis that a thread takes
constexpr index_t column_piece = 256;  // columns

struct Rows {
  double* data;
  index_t length;
  double* dots;

  // Takes from rows [first, last) what lies along rows [from, first).
  void project(index_t from, index_t first, index_t last) const {
    const OrthogonalizeKernels& kernels = orthogonalize_kernels();
    const index_t basis = first - from;
    const index_t rows = last - first;
    if (basis == 0) return;
    const double* v = data + from * length;
    double* x = data + first * length;
    const index_t work = basis * rows * length;
    parallel_for(ceil_div(basis, basis_piece), work, [&](index_t piece) {
      const index_t i = piece * basis_piece;
      kernels.products(v + i * length, std::min(basis_piece, basis - i), x, rows, length,
                       dots + i * rows);
    });
    parallel_for(ceil_div(length, column_piece), work, [&](index_t piece) {
      const index_t k = piece * column_piece;
      kernels.subtract(v, basis, dots, x, rows, length, k, std::min(length, k + column_piece));
    });
  }

  void normalize(index_t row) const {
    double* x = data + row * length;
    double square = 0;
    orthogonalize_kernels().products(x, 1, x, 1, length, &square);
    TW_CHECK(square > 0, "orthonormal_rows: row ", row, " depends on those before it");
    const double factor = 1 / std::sqrt(square);
    for (index_t k = 0; k < length; ++k) x[k] *= factor;
  }
};

}  // namespace

Array orthonormal_rows(const Array& x) {
  TW_CHECK(x.rank() == 2 && x.extent(0) <= x.extent(1),
           "orthonormal_rows: expected a matrix with at most as many rows as columns, got shape ",
           to_string(x.shape()));
  TW_CHECK_TYPE(x.dtype() == DType::float64, "orthonormal_rows: expected float64, got ",
                name_of(x.dtype()));
  Array q = clone(contiguous(x));
  const index_t count = q.extent(0);
  if (q.size() == 0) return q;
  Scratch<double> dots(static_cast<std::size_t>(count * block_rows));
  const Rows rows{q.data<double>(), q.extent(1), dots.data()};
  for (index_t first = 0; first < count; first += block_rows) {
    const index_t last = std::min(count, first + block_rows);
    for (int pass = 0; pass < 2; ++pass) {
      rows.project(0, first, last);
      for (index_t row = first; row < last; ++row) {
        rows.project(first, row, row + 1);
        rows.project(first, row, row + 1);
        rows.normalize(row);
      }
    }
  }
  return q;
}

}  // namespace tilewise
