#include "kernels/loss_vectors.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/math.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t w = VecF::width;

TW_INLINE VecF sign(VecF x) {
  return select(x < zero(), set1(-1.0F), select(x > zero(), set1(1.0F), zero()));
}
TW_INLINE VecF ones_where(Mask m) { return select(m, set1(1.0F), zero()); }
TW_INLINE Mask first(index_t n) { return mask_from_bits((1U << n) - 1U); }

// The term of one register of |d|; the lanes past the end of a row are set by the caller.
TW_INLINE VecF norm_term(VecF q, const Norm& norm) {
  switch (norm.kind) {
    case NormKind::two:
      return q * q;
    case NormKind::count:
      return ones_where(q != zero());
    case NormKind::power:
      return exp(set1(norm.p) * log(q));
    default:
      return q;
  }
}

TW_INLINE VecF joined(VecF total, VecF term, NormKind kind) {
  if (kind == NormKind::largest) return select(is_nan(total), total, max(total, term));
  if (kind == NormKind::smallest) return select(is_nan(total), total, min(total, term));
  return total + term;
}

void norm_terms(const PairRows<float>& in, const Norm& norm, float* out) {
  const VecF eps = set1(norm.eps);
  const bool extreme = norm.kind == NormKind::largest || norm.kind == NormKind::smallest;
  const VecF nothing = norm.kind == NormKind::smallest ? set1(__builtin_inff()) : zero();
  for (index_t r = 0; r < in.rows; ++r) {
    const float* a = in.a + r * in.a_stride;
    const float* b = in.b + r * in.b_stride;
    VecF total = nothing;
    index_t c = 0;
    for (; c + w <= in.columns; c += w) {
      const VecF q = abs(load(a + c) - load(b + c) + eps);
      total = joined(total, norm_term(q, norm), norm.kind);
    }
    const index_t n = in.columns - c;
    if (n > 0) {
      const VecF q = abs(load_partial(a + c, n) - load_partial(b + c, n) + eps);
      total = joined(total, select(first(n), norm_term(q, norm), nothing), norm.kind);
    }
    if (!extreme) {
      out[r] = reduce_add(total);
    } else if (any(is_nan(total))) {
      out[r] = __builtin_nanf("");
    } else {
      out[r] = norm.kind == NormKind::largest ? reduce_max(total) : reduce_min(total);
    }
  }
}

TW_INLINE VecF norm_slope(VecF d, VecF bound, const Norm& norm) {
  switch (norm.kind) {
    case NormKind::one:
      return sign(d);
    case NormKind::two:
      return d;
    case NormKind::count:
      return zero();
    case NormKind::power: {
      const VecF steep = exp(set1(norm.p - 1.0F) * (log(abs(d)) - bound));
      return select(d == zero(), zero(), sign(d) * steep);
    }
    default:
      return select(abs(d) == bound, sign(d), zero());
  }
}

// The elements at the extreme of a row share its gradient.
TW_INLINE float share_of(const float* a, const float* b, const PairRows<float>& in, float bound,
                         float eps) {
  VecF count = zero();
  for (index_t c = 0; c < in.columns; c += w) {
    const index_t n = in.columns - c < w ? in.columns - c : w;
    const VecF q = abs(load_partial(a + c, n) - load_partial(b + c, n) + set1(eps));
    const VecF hit = ones_where(q == set1(bound));
    count = count + (n == w ? hit : select(first(n), hit, zero()));
  }
  const float total = reduce_add(count);
  return total > 0.0F ? 1.0F / total : 0.0F;
}

void norm_gradient(const PairRows<float>& in, const Norm& norm, const float* scale,
                   const float* bound, float* da) {
  const VecF eps = set1(norm.eps);
  const bool extreme = norm.kind == NormKind::largest || norm.kind == NormKind::smallest;
  for (index_t r = 0; r < in.rows; ++r, da += in.columns) {
    const float* a = in.a + r * in.a_stride;
    const float* b = in.b + r * in.b_stride;
    const float share = extreme ? share_of(a, b, in, bound[r], norm.eps) : 1.0F;
    const VecF s = set1(scale[r] * share);
    const VecF limit = set1(bound[r]);
    index_t c = 0;
    for (; c + w <= in.columns; c += w) {
      store(da + c, s * norm_slope(load(a + c) - load(b + c) + eps, limit, norm));
    }
    const index_t n = in.columns - c;
    if (n > 0) {
      const VecF d = load_partial(a + c, n) - load_partial(b + c, n) + eps;
      store_partial(da + c, s * norm_slope(d, limit, norm), n);
    }
  }
}

void dots(const PairRows<float>& in, float* out) {
  for (index_t r = 0; r < in.rows; ++r) {
    const float* a = in.a + r * in.a_stride;
    const float* b = in.b + r * in.b_stride;
    VecF ab = zero();
    VecF aa = zero();
    VecF bb = zero();
    for (index_t c = 0; c < in.columns; c += w) {
      const index_t n = in.columns - c < w ? in.columns - c : w;
      const VecF x = n == w ? load(a + c) : load_partial(a + c, n);
      const VecF y = n == w ? load(b + c) : load_partial(b + c, n);
      ab = fmadd(x, y, ab);
      aa = fmadd(x, x, aa);
      bb = fmadd(y, y, bb);
    }
    out[3 * r] = reduce_add(ab);
    out[3 * r + 1] = reduce_add(aa);
    out[3 * r + 2] = reduce_add(bb);
  }
}

void combine(const PairRows<float>& in, const float* coefficients, float* da) {
  for (index_t r = 0; r < in.rows; ++r, da += in.columns) {
    const float* a = in.a + r * in.a_stride;
    const float* b = in.b + r * in.b_stride;
    const VecF of_b = set1(coefficients[2 * r]);
    const VecF of_a = set1(coefficients[2 * r + 1]);
    index_t c = 0;
    for (; c + w <= in.columns; c += w) {
      store(da + c, fmadd(of_b, load(b + c), of_a * load(a + c)));
    }
    const index_t n = in.columns - c;
    if (n > 0) {
      store_partial(da + c, fmadd(of_b, load_partial(b + c, n), of_a * load_partial(a + c, n)), n);
    }
  }
}

void overlap_terms(const float* p, const float* g, bool squared, float* overlap, float* size,
                   index_t count) {
  for (index_t i = 0; i < count; i += w) {
    const index_t n = count - i < w ? count - i : w;
    const VecF x = n == w ? load(p + i) : load_partial(p + i, n);
    const VecF y = n == w ? load(g + i) : load_partial(g + i, n);
    const VecF both = squared ? fmadd(x, x, y * y) : x + y;
    if (n == w) {
      store(overlap + i, x * y);
      store(size + i, both);
    } else {
      store_partial(overlap + i, x * y, n);
      store_partial(size + i, both, n);
    }
  }
}

void overlap_gradient(const float* p, const float* g, const float* by_overlap, const float* by_size,
                      bool squared, float* dp, index_t count) {
  index_t i = 0;
  for (; i + w <= count; i += w) {
    const VecF x = squared ? load(p + i) : set1(1.0F);
    store(dp + i, fmadd(load(by_overlap + i), load(g + i), load(by_size + i) * x));
  }
  const index_t n = count - i;
  if (n > 0) {
    const VecF x = squared ? load_partial(p + i, n) : set1(1.0F);
    const VecF d = load_partial(by_size + i, n) * x;
    store_partial(dp + i, fmadd(load_partial(by_overlap + i, n), load_partial(g + i, n), d), n);
  }
}

}  // namespace

const VectorLossKernels vector_loss_kernels{norm_terms, norm_gradient, dots,
                                            combine,    overlap_terms, overlap_gradient};

}  // namespace TW_ISA
}  // namespace tilewise
