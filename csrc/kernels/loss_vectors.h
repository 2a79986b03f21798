// Pairs of vectors (rows of two matrices) and overlaps of masks; float32.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// A stride of 0 repeats one row.
template <typename T>
struct PairRows {
  const T* a;
  const T* b;
  index_t rows;
  index_t columns;
  index_t a_stride;
  index_t b_stride;
};

enum class NormKind : std::uint8_t { one, two, largest, smallest, count, power };
struct Norm {
  NormKind kind;
  float p;
  float eps;  // added to each difference
};

struct VectorLossKernels {
  // Of each row, d = a - b + eps: the sum of |d|^p, or the extreme of |d|.
  void (*norm_terms)(const PairRows<float>& in, const Norm& norm, float* out);
  // da = scale times the derivative of the norm by d, up to the factor that `scale` holds; `bound`
  // is the norm of each row, its logarithm where the kind is `power`.
  void (*norm_gradient)(const PairRows<float>& in, const Norm& norm, const float* scale,
                        const float* bound, float* da);
  // a b, a a and b b of each row.
  void (*dots)(const PairRows<float>& in, float* out);
  // da = c[2r] b + c[2r + 1] a
  void (*combine)(const PairRows<float>& in, const float* c, float* da);

  // overlap = p g; size = p^2 + g^2, or p + g
  void (*overlap_terms)(const float* p, const float* g, bool squared, float* overlap, float* size,
                        index_t count);
  // dp = by_overlap g + by_size p, or + by_size
  void (*overlap_gradient)(const float* p, const float* g, const float* by_overlap,
                           const float* by_size, bool squared, float* dp, index_t count);
};
TW_KERNEL_TABLE(VectorLossKernels, vector_loss_kernels)

}  // namespace tilewise
