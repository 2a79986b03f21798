#include "ops/matvec.h"

#include <algorithm>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"

namespace tilewise {

void multiply_vector(const float* matrix, index_t rows, index_t row_stride, const float* vector,
                     index_t k, float* out, index_t out_stride) {
  constexpr index_t longest = 65536;
  const auto kernel = gemm_kernels().dot;
  if (k <= longest) {
    parallel_ranges(rows, ceil_div(elementwise_grain, std::max<index_t>(1, k)),
                    [&](index_t first, index_t last) {
                      for (index_t r = first; r < last; ++r) {
                        out[r * out_stride] =
                            static_cast<float>(kernel(matrix + r * row_stride, vector, k));
                      }
                    });
    return;
  }
  const index_t pieces = ceil_div(k, longest);
  Scratch<double> parts(static_cast<std::size_t>(rows * pieces));
  parallel_for(rows * pieces, [&](index_t i) {
    const index_t start = i % pieces * longest;
    const index_t count = std::min(longest, k - start);
    parts.data()[i] = kernel(matrix + i / pieces * row_stride + start, vector + start, count);
  });
  for (index_t r = 0; r < rows; ++r) {
    double total = 0;
    for (index_t i = 0; i < pieces; ++i) total += parts.data()[r * pieces + i];
    out[r * out_stride] = static_cast<float>(total);
  }
}

}  // namespace tilewise
