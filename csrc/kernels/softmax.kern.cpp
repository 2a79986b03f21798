// softmax(x) = exp(x - m) / sum(exp(x - m)) with m = max(x): no exponential overflows, and at least
// one is 1. A NaN anywhere in a row, or an infinite maximum, makes the whole row NaN.
#include "kernels/softmax.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/math.h"
#include "kernels/simd/partial.h"

namespace tilewise {
namespace TW_ISA {
namespace {

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

// ---------------------------------------------------------------- rows side by side

constexpr int kStrip = 4;

// A strip of up to kStrip registers across `n` lanes: f is called for each with its place.
template <typename F>
TW_INLINE void for_strip(index_t n, F f) {
  if (n >= kStrip * VecF::width) {
    for (int k = 0; k < kStrip; ++k) f(k, k * VecF::width, VecF::width);
    return;
  }
  for (int k = 0; k * VecF::width < n; ++k) f(k, k * VecF::width, n - k * VecF::width);
}

template <bool logarithm>
void lanes_forward(const float* x, const LaneShape& shape, float* y) {
  for (index_t c = 0; c < shape.lanes; c += kStrip * VecF::width) {
    const index_t n = shape.lanes - c;
    const float* from = x + c;
    float* to = y + c;
    VecF m[kStrip];
    VecF sum[kStrip];
    for (int k = 0; k < kStrip; ++k) {
      m[k] = set1(-__builtin_inff());
      sum[k] = zero();
    }
    for (index_t r = 0; r < shape.length; ++r) {
      for_strip(n, [&](int k, index_t at, index_t w) {
        m[k] = max(m[k], load_n(from + r * shape.stride + at, w));
      });
    }
    for (index_t r = 0; r < shape.length; ++r) {
      for_strip(n, [&](int k, index_t at, index_t w) {
        const VecF e = exp(load_n(from + r * shape.stride + at, w) - m[k]);
        sum[k] = sum[k] + e;
        if (!logarithm) store_n(to + r * shape.stride + at, e, w);
      });
    }
    for (int k = 0; k < kStrip; ++k) sum[k] = logarithm ? log(sum[k]) : set1(1.0F) / sum[k];
    for (index_t r = 0; r < shape.length; ++r) {
      for_strip(n, [&](int k, index_t at, index_t w) {
        const index_t i = r * shape.stride + at;
        const VecF v = logarithm ? load_n(from + i, w) - m[k] - sum[k] : load_n(to + i, w) * sum[k];
        store_n(to + i, v, w);
      });
    }
  }
}

template <bool logarithm>
void lanes_backward(const float* dy, const float* y, const LaneShape& shape, float* dx) {
  for (index_t c = 0; c < shape.lanes; c += kStrip * VecF::width) {
    const index_t n = shape.lanes - c;
    VecF sum[kStrip];
    for (int k = 0; k < kStrip; ++k) sum[k] = zero();
    for (index_t r = 0; r < shape.length; ++r) {
      for_strip(n, [&](int k, index_t at, index_t w) {
        const index_t i = r * shape.stride + c + at;
        const VecF g = load_n(dy + i, w);
        sum[k] = logarithm ? sum[k] + g : fmadd(g, load_n(y + i, w), sum[k]);
      });
    }
    for (index_t r = 0; r < shape.length; ++r) {
      for_strip(n, [&](int k, index_t at, index_t w) {
        const index_t i = r * shape.stride + c + at;
        const VecF g = load_n(dy + i, w);
        const VecF v = load_n(y + i, w);
        store_n(dx + i, logarithm ? fnmadd(exp(v), sum[k], g) : v * (g - sum[k]), w);
      });
    }
  }
}

}  // namespace

const SoftmaxKernels softmax_kernels{softmax,
                                     log_softmax,
                                     softmax_backward,
                                     log_softmax_backward,
                                     lanes_forward<false>,
                                     lanes_forward<true>,
                                     lanes_backward<false>,
                                     lanes_backward<true>};

}  // namespace TW_ISA
}  // namespace tilewise
