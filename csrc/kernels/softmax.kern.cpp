// softmax(x) = exp(x - m) / sum(exp(x - m)) with m = max(x): no exponential overflows, and at least
// one is 1. A NaN anywhere in a row, or an infinite maximum, makes the whole row NaN.
#include "kernels/softmax.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/math.h"

namespace tilewise {
namespace TW_ISA {
namespace {

// A register of a row: the lanes past its end are `fill`.
TW_INLINE VecF load_filled(const float* p, index_t n, float fill) {
  if (n >= VecF::width) return load(p);
  return select(mask_from_bits((1U << n) - 1U), load_partial(p, n), set1(fill));
}
TW_INLINE VecF load_n(const float* p, index_t n) {
  return n >= VecF::width ? load(p) : load_partial(p, n);
}
TW_INLINE void store_n(float* p, VecF a, index_t n) {
  if (n >= VecF::width) {
    store(p, a);
  } else {
    store_partial(p, a, n);
  }
}
TW_INLINE float log_of(float x) {
  alignas(64) float out[VecF::width];
  store(out, log(set1(x)));
  return out[0];
}

float row_maximum(const float* x, index_t columns) {
  VecF m = load_filled(x, columns, -__builtin_inff());
  for (index_t c = VecF::width; c < columns; c += VecF::width) {
    m = max(m, load_filled(x + c, columns - c, -__builtin_inff()));
  }
  return reduce_max(m);
}

// Fills the lanes past the end with -Inf, whose exponential is 0.
TW_INLINE VecF exp_from(const float* x, index_t n, VecF origin) {
  return exp(load_filled(x, n, -__builtin_inff()) - origin);
}

float sum_exp(const float* x, index_t columns, float maximum) {
  const VecF origin = set1(maximum);
  VecF sum = zero();
  for (index_t c = 0; c < columns; c += VecF::width) {
    sum = sum + exp_from(x + c, columns - c, origin);
  }
  return reduce_add(sum);
}

void softmax(const float* x, MatrixShape shape, float* y) {
  const index_t columns = shape.columns;
  for (index_t r = 0; r < shape.rows; ++r, x += columns, y += columns) {
    const VecF origin = set1(row_maximum(x, columns));
    VecF sum = zero();
    for (index_t c = 0; c < columns; c += VecF::width) {
      const VecF e = exp_from(x + c, columns - c, origin);
      sum = sum + e;
      store_n(y + c, e, columns - c);
    }
    const VecF scale = set1(1.0F / reduce_add(sum));
    for (index_t c = 0; c < columns; c += VecF::width) {
      store_n(y + c, load_n(y + c, columns - c) * scale, columns - c);
    }
  }
}

LogSumExp log_sum_exp(const float* x, index_t columns) {
  const float maximum = row_maximum(x, columns);
  return {maximum, log_of(sum_exp(x, columns, maximum))};
}

void log_softmax(const float* x, MatrixShape shape, float* y) {
  const index_t columns = shape.columns;
  for (index_t r = 0; r < shape.rows; ++r, x += columns, y += columns) {
    const LogSumExp row = log_sum_exp(x, columns);
    const VecF origin = set1(row.maximum);
    const VecF log_sum = set1(row.log_sum);
    for (index_t c = 0; c < columns; c += VecF::width) {
      store_n(y + c, load_n(x + c, columns - c) - origin - log_sum, columns - c);
    }
  }
}

void softmax_backward(const float* dy, const float* y, MatrixShape shape, float* dx) {
  const index_t columns = shape.columns;
  for (index_t r = 0; r < shape.rows; ++r, dy += columns, y += columns, dx += columns) {
    VecF dot = zero();
    for (index_t c = 0; c < columns; c += VecF::width) {
      dot = fmadd(load_n(dy + c, columns - c), load_n(y + c, columns - c), dot);
    }
    const VecF mean = set1(reduce_add(dot));
    for (index_t c = 0; c < columns; c += VecF::width) {
      const VecF d = load_n(dy + c, columns - c) - mean;
      store_n(dx + c, load_n(y + c, columns - c) * d, columns - c);
    }
  }
}

void log_softmax_backward(const float* dy, const float* y, MatrixShape shape, float* dx) {
  const index_t columns = shape.columns;
  for (index_t r = 0; r < shape.rows; ++r, dy += columns, y += columns, dx += columns) {
    VecF total = zero();
    for (index_t c = 0; c < columns; c += VecF::width) {
      total = total + load_n(dy + c, columns - c);
    }
    const VecF sum = set1(reduce_add(total));
    for (index_t c = 0; c < columns; c += VecF::width) {
      const VecF p = exp(load_n(y + c, columns - c));
      store_n(dx + c, fnmadd(p, sum, load_n(dy + c, columns - c)), columns - c);
    }
  }
}

float weighted_gap(const float* x, const float* weight, index_t columns, float maximum) {
  const VecF origin = set1(maximum);
  VecF sum = zero();
  for (index_t c = 0; c < columns; c += VecF::width) {
    const VecF gap = origin - load_filled(x + c, columns - c, maximum);
    sum = weight ? fmadd(load_n(weight + c, columns - c), gap, sum) : sum + gap;
  }
  return reduce_add(sum);
}

void scaled_softmax(const float* x, const float* weight, index_t columns, SoftmaxGrad g,
                    float* dx) {
  const VecF origin = set1(g.row.maximum);
  const VecF log_sum = set1(g.row.log_sum);
  const VecF scale = set1(g.scale);
  const VecF share = set1(g.share);
  for (index_t c = 0; c < columns; c += VecF::width) {
    const index_t n = columns - c;
    const VecF p = exp(load_n(x + c, n) - origin - log_sum);
    const VecF w = weight ? load_n(weight + c, n) : set1(1.0F);
    store_n(dx + c, fnmadd(share, w, scale * p), n);
  }
}

}  // namespace

const SoftmaxKernels softmax_kernels{
    softmax,     log_softmax,  softmax_backward, log_softmax_backward,
    log_sum_exp, weighted_gap, scaled_softmax};

}  // namespace TW_ISA
}  // namespace tilewise
