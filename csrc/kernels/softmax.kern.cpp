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

// exp(x - origin), where `bad` learns of NaN: those of x, and of Inf - Inf. Lanes past the end hold
// -Inf, whose exponential is 0.
TW_INLINE VecF exp_below(VecF x, VecF origin, Mask& bad) {
  const VecF d = x - origin;
  bad = bad | is_nan(d);
  return exp_to_88(d);
}

TW_INLINE float or_nan(float sum, Mask bad) { return any(bad) ? __builtin_nanf("") : sum; }

// The sum of exp(x - maximum), which `put` is handed register by register.
template <typename Put>
TW_INLINE float sum_exp(const float* x, index_t columns, VecF origin, const Put& put) {
  VecF sums[2] = {zero(), zero()};
  Mask bad = mask_from_bits(0);
  index_t c = 0;
  for (; c + 2 * VecF::width <= columns; c += 2 * VecF::width) {
    for (int k = 0; k < 2; ++k) {
      const VecF e = exp_below(load(x + c + k * VecF::width), origin, bad);
      sums[k] = sums[k] + e;
      put(c + k * VecF::width, e, VecF::width);
    }
  }
  for (; c < columns; c += VecF::width) {
    const VecF e = exp_below(load_filled(x + c, columns - c, -__builtin_inff()), origin, bad);
    sums[0] = sums[0] + e;
    put(c, e, columns - c);
  }
  return or_nan(reduce_add(sums[0] + sums[1]), bad);
}

// Rows of at most `most_registers` registers stay in them.
constexpr int most_registers = 8;

// Rows of `count` registers, the last one perhaps partial.
template <bool logarithm, int count>
void short_rows(const float* x, MatrixShape shape, float* y) {
  constexpr index_t w = VecF::width;
  const index_t last = (count - 1) * w;
  const index_t n = shape.columns - last;
  for (index_t r = 0; r < shape.rows; ++r, x += shape.columns, y += shape.columns) {
    VecF v[count];
    for (int k = 0; k < count - 1; ++k) v[k] = load(x + k * w);
    v[count - 1] = load_filled(x + last, n, -__builtin_inff());
    VecF m = v[0];
    for (int k = 1; k < count; ++k) m = max(m, v[k]);
    const VecF origin = set1(reduce_max(m));
    Mask bad = mask_from_bits(0);
    VecF sum = zero();
    for (int k = 0; k < count; ++k) {
      const VecF e = exp_below(v[k], origin, bad);
      sum = sum + e;
      v[k] = logarithm ? v[k] - origin : e;
    }
    const float total = or_nan(reduce_add(sum), bad);
    const VecF factor = set1(logarithm ? log_of(total) : 1.0F / total);
    for (int k = 0; k < count; ++k) v[k] = logarithm ? v[k] - factor : v[k] * factor;
    for (int k = 0; k < count - 1; ++k) store(y + k * w, v[k]);
    store_n(y + last, v[count - 1], n);
  }
}

using RowsKernel = void (*)(const float*, MatrixShape, float*);

// By the number of registers of a row.
template <bool logarithm>
RowsKernel short_kernel(index_t columns) {
  constexpr RowsKernel kernels[most_registers] = {
      short_rows<logarithm, 1>, short_rows<logarithm, 2>, short_rows<logarithm, 3>,
      short_rows<logarithm, 4>, short_rows<logarithm, 5>, short_rows<logarithm, 6>,
      short_rows<logarithm, 7>, short_rows<logarithm, 8>};
  return kernels[(columns - 1) / VecF::width];
}

TW_INLINE bool is_short(index_t columns) {
  return columns > 0 && columns <= most_registers * VecF::width;
}

void softmax(const float* x, MatrixShape shape, float* y) {
  const index_t columns = shape.columns;
  if (is_short(columns)) return short_kernel<false>(columns)(x, shape, y);
  for (index_t r = 0; r < shape.rows; ++r, x += columns, y += columns) {
    const VecF origin = set1(row_maximum(x, columns));
    const float sum =
        sum_exp(x, columns, origin, [&](index_t c, VecF e, index_t n) { store_n(y + c, e, n); });
    const VecF scale = set1(1.0F / sum);
    for (index_t c = 0; c < columns; c += VecF::width) {
      store_n(y + c, load_n(y + c, columns - c) * scale, columns - c);
    }
  }
}

void log_softmax(const float* x, MatrixShape shape, float* y) {
  const index_t columns = shape.columns;
  if (is_short(columns)) return short_kernel<true>(columns)(x, shape, y);
  for (index_t r = 0; r < shape.rows; ++r, x += columns, y += columns) {
    const VecF origin = set1(row_maximum(x, columns));
    const VecF log_sum = set1(log_of(sum_exp(x, columns, origin, [](index_t, VecF, index_t) {})));
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
