#include "kernels/optimizer.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

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

// body(i, n) for each register of a range. Inlined twice, so that n is a constant in the first.
template <typename Body>
TW_INLINE void each_vector(index_t count, const Body& body) {
  index_t i = 0;
  for (; i + VecF::width <= count; i += VecF::width) body(i, VecF::width);
  if (i < count) body(i, count - i);
}

template <bool amsgrad>
TW_INLINE void adam_of(const AdamArrays& a, const AdamFactors& f, index_t count) {
  // The average moves from the end that is nearer: m + (1 - beta1) (g - m) or g - beta1 (g - m).
  const bool from_m = f.one_minus_beta1 < 0.5F;
  const VecF weight = set1(from_m ? f.one_minus_beta1 : -f.beta1);
  each_vector(count, [&](index_t i, index_t n) __attribute__((always_inline)) {
    VecF p = load_n(a.p + i, n);
    const VecF m_old = load_n(a.m + i, n);
    const VecF g = fmadd(set1(f.l2), p, load_n(a.g + i, n) * set1(f.sign));
    const VecF m = fmadd(weight, g - m_old, from_m ? m_old : g);
    const VecF v = fmadd(set1(f.one_minus_beta2) * g, g, load_n(a.v + i, n) * set1(f.beta2));
    store_n(a.m + i, m, n);
    store_n(a.v + i, v, n);
    VecF second = v;
    if (amsgrad) {
      const VecF before = load_n(a.v_max + i, n);
      second = select(before > v, before, v);
      store_n(a.v_max + i, second, n);
    }
    const VecF denominator = fmadd(sqrt(second), set1(f.correction), set1(f.eps));
    p = fnmadd(set1(f.step_size), m / denominator, p * set1(f.shrink));
    store_n(a.p + i, p, n);
  });
}

void adam(const AdamArrays& a, const AdamFactors& f, index_t count) {
  if (a.v_max) {
    adam_of<true>(a, f, count);
  } else {
    adam_of<false>(a, f, count);
  }
}

void sgd(const SgdArrays& a, const SgdFactors& f, index_t count) {
  each_vector(count, [&](index_t i, index_t n) __attribute__((always_inline)) {
    const VecF p = load_n(a.p + i, n);
    VecF step = fmadd(set1(f.l2), p, load_n(a.g + i, n) * set1(f.sign));
    if (a.buffer) {
      const VecF g = step;
      const VecF kept = set1(f.momentum) * load_n(a.buffer + i, n);
      const VecF buffer = f.first ? g : fmadd(set1(f.one_minus_dampening), g, kept);
      store_n(a.buffer + i, buffer, n);
      step = f.nesterov ? fmadd(set1(f.momentum), buffer, g) : buffer;
    }
    store_n(a.p + i, fnmadd(set1(f.lr), step, p), n);
  });
}

double sum_squares(const float* x, index_t count) {
  constexpr index_t block = 4096;
  double total = 0;
  for (index_t first = 0; first < count; first += block) {
    const index_t n = count - first < block ? count - first : block;
    const float* p = x + first;
    VecF sums[4] = {zero(), zero(), zero(), zero()};
    index_t i = 0;
    for (; i + 4 * VecF::width <= n; i += 4 * VecF::width) {
      for (int j = 0; j < 4; ++j) {
        const VecF value = load(p + i + j * VecF::width);
        sums[j] = fmadd(value, value, sums[j]);
      }
    }
    for (; i < n; i += VecF::width) {
      const VecF value = load_n(p + i, n - i);
      sums[0] = fmadd(value, value, sums[0]);
    }
    total += double{reduce_add((sums[0] + sums[1]) + (sums[2] + sums[3]))};
  }
  return total;
}

void scale(float* x, float factor, index_t count) {
  each_vector(count, [&](index_t i, index_t n) __attribute__((always_inline)) {
    store_n(x + i, load_n(x + i, n) * set1(factor), n);
  });
}

}  // namespace

const OptimizerKernels optimizer_kernels{adam, sgd, sum_squares, scale};

}  // namespace TW_ISA
}  // namespace tilewise
