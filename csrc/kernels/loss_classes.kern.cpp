// Rows of scores. The registers past a row's end hold -Inf, whose exponential is 0. Logarithms and
// powers, one a row, are taken for a register of rows at a time.
#include "kernels/loss_classes.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/math.h"
#include "kernels/simd/partial.h"

#define TW_FLAT __attribute__((always_inline))

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t w = VecF::width;

// Calls body(column, lanes) for the registers of a row.
template <typename Body>
TW_INLINE void for_columns(index_t columns, Body body) {
  index_t c = 0;
  for (; c + w <= columns; c += w) body(c, w);
  if (c < columns) body(c, columns - c);
}

// Rows of at most `registers` registers stay in them between the maximum and the sum.
template <int registers>
TW_INLINE void short_rows(const float* x, MatrixShape shape, float* maximum, float* sum) {
  const index_t rest = shape.columns - (registers - 1) * w;
  const Mask inside = mask_from_bits(rest == w ? ~0U : (1U << rest) - 1U);
  const VecF lowest = set1(-__builtin_inff());
  for (index_t r = 0; r < shape.rows; ++r, x += shape.columns) {
    VecF v[registers];
    for (int i = 0; i + 1 < registers; ++i) v[i] = load(x + i * w);
    const float* last = x + (registers - 1) * w;
    v[registers - 1] = select(inside, rest == w ? load(last) : load_partial(last, rest), lowest);
    VecF m = v[0];
    for (int i = 1; i < registers; ++i) m = max(m, v[i]);
    const float most = reduce_max(m);
    const VecF origin = set1(most);
    VecF total = exp(v[0] - origin);
    for (int i = 1; i < registers; ++i) total = total + exp(v[i] - origin);
    maximum[r] = most;
    sum[r] = reduce_add(total);
  }
}

void long_rows(const float* x, MatrixShape shape, float* maximum, float* sum) {
  for (index_t r = 0; r < shape.rows; ++r, x += shape.columns) {
    VecF m = set1(-__builtin_inff());
    for_columns(shape.columns, [&](index_t c, index_t n) TW_FLAT {
      m = max(m, load_filled(x + c, n, -__builtin_inff()));
    });
    const float most = reduce_max(m);
    const VecF origin = set1(most);
    VecF total = zero();
    for_columns(shape.columns, [&](index_t c, index_t n) TW_FLAT {
      total = total + exp(load_filled(x + c, n, -__builtin_inff()) - origin);
    });
    maximum[r] = most;
    sum[r] = reduce_add(total);
  }
}

void log_sum_exp(const float* x, MatrixShape shape, float* maximum, float* log_sum) {
  const index_t registers = (shape.columns + w - 1) / w;
  if (registers == 1) {
    short_rows<1>(x, shape, maximum, log_sum);
  } else if (registers == 2) {
    short_rows<2>(x, shape, maximum, log_sum);
  } else if (registers == 3) {
    short_rows<3>(x, shape, maximum, log_sum);
  } else {
    long_rows(x, shape, maximum, log_sum);
  }
  for_columns(shape.rows, [&](index_t r, index_t n)
                              TW_FLAT { store_n(log_sum + r, log(load_n(log_sum + r, n)), n); });
}

void gradient(const float* x, MatrixShape shape, RowSums sums, RowGradients g, float* dx) {
  const index_t columns = shape.columns;
  for (index_t r = 0; r < shape.rows; ++r, x += columns, dx += columns) {
    const VecF origin = set1(sums.maximum[r]);
    const VecF log_sum = set1(sums.log_sum[r]);
    const VecF scale = set1(g.scale[r]);
    if (g.share == nullptr) {
      for_columns(columns, [&](index_t c, index_t n) TW_FLAT {
        store_n(dx + c, scale * exp(load_n(x + c, n) - origin - log_sum), n);
      });
      continue;
    }
    const VecF share = set1(g.share[r]);
    for_columns(columns, [&](index_t c, index_t n) TW_FLAT {
      const VecF p = exp(load_n(x + c, n) - origin - log_sum);
      const VecF weight = g.weight ? load_n(g.weight + c, n) : set1(1.0F);
      store_n(dx + c, fnmadd(share, weight, scale * p), n);
    });
  }
}

float weighted_gap(const float* x, const float* weight, index_t columns, float maximum) {
  const VecF origin = set1(maximum);
  VecF sum = zero();
  for_columns(columns, [&](index_t c, index_t n) TW_FLAT {
    const VecF gap = origin - load_filled(x + c, n, maximum);
    sum = weight ? fmadd(load_n(weight + c, n), gap, sum) : sum + gap;
  });
  return reduce_add(sum);
}

// The target of a register of classes; 0 past the end of the row.
TW_INLINE VecF soft(const SoftTarget& target, index_t c, index_t n) {
  const VecF t = fmadd(set1(target.keep), load_n(target.t + c, n), set1(target.add));
  if (target.weight) return t * load_n(target.weight + c, n);
  return n == w ? t : select(mask_from_bits((1U << n) - 1U), t, zero());
}

SoftSums soft_sums(const float* x, const SoftTarget& target, index_t columns, float maximum) {
  const VecF origin = set1(maximum);
  VecF total = zero();
  VecF gap = zero();
  for_columns(columns, [&](index_t c, index_t n) TW_FLAT {
    const VecF t = soft(target, c, n);
    total = total + t;
    gap = fmadd(t, origin - load_filled(x + c, n, maximum), gap);
  });
  return {reduce_add(total), reduce_add(gap)};
}

void soft_dx(const float* x, const SoftTarget& target, index_t columns, const SoftGradient& g,
             float* dx) {
  const VecF origin = set1(g.maximum);
  const VecF log_sum = set1(g.log_sum);
  const VecF scale = set1(g.scale);
  const VecF weight = set1(g.weight);
  for_columns(columns, [&](index_t c, index_t n) TW_FLAT {
    const VecF p = exp(load_n(x + c, n) - origin - log_sum);
    store_n(dx + c, scale * (weight * p - soft(target, c, n)), n);
  });
}

void soft_dt(const float* x, const float* weight, index_t columns, const SoftGradient& g,
             float* dt) {
  const VecF origin = set1(g.maximum);
  const VecF log_sum = set1(g.log_sum);
  const VecF scale = set1(g.scale);
  for_columns(columns, [&](index_t c, index_t n) TW_FLAT {
    const VecF d = scale * (origin - load_n(x + c, n) + log_sum);
    store_n(dt + c, weight ? d * load_n(weight + c, n) : d, n);
  });
}

// 1 - e^-n, by its series where that would cancel.
TW_INLINE VecF complement(VecF n, VecF p) {
  VecF s = set1(1.0F);
  for (int k = 8; k >= 2; --k) s = fnmadd(n * set1(1.0F / static_cast<float>(k)), s, set1(1.0F));
  return select(n < set1(0.5F), n * s, set1(1.0F) - p);
}

void focal(const float* n, float gamma, float* factor, float* slope, index_t count) {
  const VecF exponent = set1(gamma);
  for_columns(count, [&](index_t i, index_t lanes) TW_FLAT {
    const VecF entropy = load_n(n + i, lanes);
    const VecF p = exp(zero() - entropy);
    const VecF m = complement(entropy, p);
    const VecF less = gamma == 2.0F ? m : exp((exponent - set1(1.0F)) * log(m));
    const VecF power = gamma == 2.0F ? m * m : exp(exponent * log(m));
    store_n(factor + i, power, lanes);
    const VecF steep = exponent * less * p * entropy;
    store_n(slope + i, power + select(m > zero(), steep, zero()), lanes);
  });
}

float hinge_sum(const HingeRow& row) {
  const VecF offset = set1(row.offset);
  VecF sum = zero();
  for_columns(row.count, [&](index_t c, index_t n) TW_FLAT {
    const VecF z = offset + load_filled(row.x + c, n, -__builtin_inff());
    const VecF term = row.squared ? z * z : z;
    sum = sum + select(z > zero(), term, zero());
  });
  return reduce_add(sum);
}

float hinge_gradient(const HingeRow& row, float scale, float* dx) {
  const VecF offset = set1(row.offset);
  VecF sum = zero();
  for_columns(row.count, [&](index_t c, index_t n) TW_FLAT {
    const VecF z = offset + load_filled(row.x + c, n, -__builtin_inff());
    const VecF slope = row.squared ? z + z : set1(1.0F);
    const VecF d = select(z > zero(), set1(scale) * slope, zero());
    store_n(dx + c, load_n(dx + c, n) + d, n);
    sum = sum + d;
  });
  return reduce_add(sum);
}

}  // namespace

const ClassLossKernels class_loss_kernels{log_sum_exp, gradient,  weighted_gap,
                                          soft_sums,   soft_dx,   soft_dt,
                                          focal,       hinge_sum, hinge_gradient};

}  // namespace TW_ISA
}  // namespace tilewise
