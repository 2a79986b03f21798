#include "ops/row_sums.h"

#include <algorithm>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"

namespace tilewise {
namespace {

constexpr index_t kBlock = 256;  // rows summed in float32

void sum_columns_double(const double* x, index_t rows, index_t columns, double* out) {
  std::fill(out, out + columns, 0.0);
  for (index_t r = 0; r < rows; ++r) {
    for (index_t c = 0; c < columns; ++c) out[c] += x[r * columns + c];
  }
}

}  // namespace

Array row_sums(const Array& matrix) {
  const index_t rows = matrix.extent(0);
  const index_t columns = matrix.extent(1);
  Array out = Array::empty({columns}, matrix.dtype());
  if (matrix.dtype() == DType::float64) {
    sum_columns_double(matrix.data<double>(), rows, columns, out.data<double>());
    return out;
  }
  const index_t blocks = ceil_div(rows, kBlock);
  Scratch<float> partial(static_cast<std::size_t>(checked_mul(blocks, columns)));
  const float* x = matrix.data<float>();
  const auto add = gemm_kernels().add;
  parallel_for(blocks, [&](index_t block) {
    float* sum = partial.data() + block * columns;
    std::fill(sum, sum + columns, 0.0F);
    const index_t last = std::min((block + 1) * kBlock, rows);
    for (index_t r = block * kBlock; r < last; ++r) add(sum, x + r * columns, columns);
  });
  float* y = out.data<float>();
  for (index_t c = 0; c < columns; ++c) {
    double sum = 0;
    for (index_t block = 0; block < blocks; ++block)
      sum += partial[static_cast<std::size_t>(block * columns + c)];
    y[c] = static_cast<float>(sum);
  }
  return out;
}

}  // namespace tilewise
