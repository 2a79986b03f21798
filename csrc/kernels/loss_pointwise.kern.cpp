// The formulas stand in csrc/ref/loss_pointwise.h; these are their forms without overflow.
#include "kernels/loss_pointwise.h"

#include "kernels/simd/simd.h"
// After simd.h, whose types it uses.
#include "kernels/simd/math.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t w = VecF::width;

struct In {
  VecF x;
  VecF t;
  VecF v;
};
struct P {
  VecF a;
  VecF b;
  VecF c;
};

TW_INLINE VecF one() { return set1(1.0F); }
TW_INLINE VecF neg(VecF x) { return zero() - x; }
TW_INLINE VecF sign(VecF x) {
  return select(x < zero(), set1(-1.0F), select(x > zero(), one(), zero()));
}
// log(1 + exp(-|x|)), 1.5 ulp
TW_INLINE VecF log1p_exp(VecF x) { return log1p_of_fraction(exp_to_88(neg(abs(x)))); }
// log(1 + exp(x))
TW_INLINE VecF softplus(VecF x) { return max(zero(), x) + log1p_exp(x); }
// sigmoid(x) and sigmoid(-x), both without cancellation.
struct Sigmoids {
  VecF p;
  VecF q;
};
TW_INLINE Sigmoids sigmoids(VecF x) {
  const VecF z = exp_to_88(neg(abs(x)));
  const VecF large = one() / (one() + z);
  const VecF small = z * large;
  const Mask positive = x >= zero();
  return {select(positive, large, small), select(positive, small, large)};
}

struct Mse {
  static TW_INLINE VecF value(In in, P) {
    const VecF d = in.x - in.t;
    return d * d;
  }
  static TW_INLINE VecF dx(In in, P) {
    const VecF d = in.x - in.t;
    return d + d;
  }
};

struct L1 {
  static TW_INLINE VecF value(In in, P) { return abs(in.x - in.t); }
  static TW_INLINE VecF dx(In in, P) { return sign(in.x - in.t); }
};

// Also SmoothL1.
struct Huber {
  static TW_INLINE VecF value(In in, P p) {
    const VecF q = abs(in.x - in.t);
    const VecF square = set1(0.5F) * q * q * p.b;
    return select(q > p.a, p.c * fnmadd(set1(0.5F), p.a, q), square);
  }
  static TW_INLINE VecF dx(In in, P p) {
    const VecF d = in.x - in.t;
    return select(abs(d) > p.a, p.c * sign(d), d * p.b);
  }
};

struct Bce {
  static TW_INLINE VecF clamped(VecF log) { return max(set1(-100.0F), log); }  // keeps NaN
  static TW_INLINE VecF value(In in, P) {
    const VecF hit = clamped(log(in.x));
    const VecF miss = clamped(log1p(neg(in.x)));
    return (in.t - one()) * miss - in.t * hit;
  }
  static TW_INLINE VecF dx(In in, P) {
    return (in.x - in.t) / max(set1(1e-12F), (one() - in.x) * in.x);
  }
  static TW_INLINE VecF dt(In in, P) { return log1p(neg(in.x)) - log(in.x); }
};

struct BceWithLogits {
  static TW_INLINE VecF value(In in, P) { return fmadd(one() - in.t, in.x, softplus(neg(in.x))); }
  // The smaller of sigmoid(x) and sigmoid(-x) carries the digits.
  static TW_INLINE VecF dx(In in, P) {
    const VecF z = exp_to_88(neg(abs(in.x)));
    const VecF small = z / (one() + z);
    return select(in.x >= zero(), one() - in.t - small, small - in.t);
  }
  static TW_INLINE VecF dt(In in, P) { return neg(in.x); }
};

struct BceWithPosWeight {
  static TW_INLINE VecF value(In in, P) {
    const VecF weight = fmadd(in.v - one(), in.t, one());
    return fmadd(weight, softplus(neg(in.x)), (one() - in.t) * in.x);
  }
  static TW_INLINE VecF dx(In in, P) {
    const VecF weight = fmadd(in.v - one(), in.t, one());
    const VecF z = exp_to_88(neg(abs(in.x)));
    const VecF small = weight * (z / (one() + z));  // of sigmoid(-|x|)
    return select(in.x >= zero(), one() - in.t - small, small - in.t * in.v);
  }
  static TW_INLINE VecF dt(In in, P) { return fmadd(in.v - one(), softplus(neg(in.x)), neg(in.x)); }
  static TW_INLINE VecF dv(In in, P) { return in.t * softplus(neg(in.x)); }
};

struct KlDiv {
  static TW_INLINE VecF value(In in, P) {
    const VecF entropy = select(in.t == zero(), zero(), in.t * log(in.t));
    return entropy - in.t * in.x;
  }
  static TW_INLINE VecF dx(In in, P) { return neg(in.t); }
  static TW_INLINE VecF dt(In in, P) { return log(in.t) + one() - in.x; }
};

struct KlDivLog {
  static TW_INLINE VecF value(In in, P) { return exp(in.t) * (in.t - in.x); }
  static TW_INLINE VecF dx(In in, P) { return neg(exp(in.t)); }
  static TW_INLINE VecF dt(In in, P) { return exp(in.t) * (in.t - in.x + one()); }
};

struct HingeEmbedding {
  static TW_INLINE VecF value(In in, P p) {
    const VecF gap = max(zero(), p.a - in.x);
    return select(in.t != one(), gap, zero()) + select(in.t != set1(-1.0F), in.x, zero());
  }
  static TW_INLINE VecF dx(In in, P p) {
    const VecF below = select((in.t != one()) & (p.a - in.x >= zero()), one(), zero());
    return select(in.t != set1(-1.0F), one(), zero()) - below;
  }
  static TW_INLINE VecF dt(In, P) { return zero(); }
};

struct CosineEmbedding {
  static TW_INLINE VecF value(In in, P p) {
    const VecF unlike = select(in.t == set1(-1.0F), max(zero(), in.x - p.a), zero());
    return select(in.t == one(), one() - in.x, unlike);
  }
  static TW_INLINE VecF dx(In in, P p) {
    const VecF unlike = select((in.t == set1(-1.0F)) & (in.x - p.a >= zero()), one(), zero());
    return select(in.t == one(), set1(-1.0F), unlike);
  }
  static TW_INLINE VecF dt(In, P) { return zero(); }
};

struct SoftMargin {
  static TW_INLINE VecF value(In in, P) { return softplus(neg(in.t * in.x)); }
  static TW_INLINE VecF dx(In in, P) { return neg(in.t * sigmoids(in.t * in.x).q); }
  static TW_INLINE VecF dt(In in, P) { return neg(in.x * sigmoids(in.t * in.x).q); }
};

struct MarginRanking {
  static TW_INLINE VecF gap(In in, P p) { return fnmadd(in.t, in.x - in.v, p.a); }
  static TW_INLINE VecF value(In in, P p) { return max(zero(), gap(in, p)); }
  static TW_INLINE VecF where_active(In in, P p, VecF d) {
    return select(gap(in, p) >= zero(), d, zero());
  }
  static TW_INLINE VecF dx(In in, P p) { return where_active(in, p, neg(in.t)); }
  static TW_INLINE VecF dt(In in, P p) { return where_active(in, p, in.v - in.x); }
  static TW_INLINE VecF dv(In in, P p) { return where_active(in, p, in.t); }
};

// Stirling's approximation of log(t!), for t > 1.
TW_INLINE VecF stirling(VecF t, P p) {
  const VecF term = fmadd(t, log(t), set1(0.5F) * log(set1(6.28318530717958648F) * t)) - t;
  return select((p.b > zero()) & (t > one()), term, zero());
}
TW_INLINE VecF stirling_dt(VecF t, P p) {
  return select((p.b > zero()) & (t > one()), log(t) + set1(0.5F) / t, zero());
}

struct PoissonNll {
  static TW_INLINE VecF value(In in, P p) {
    return fnmadd(in.t, log(in.x + p.a), in.x) + stirling(in.t, p);
  }
  static TW_INLINE VecF dx(In in, P p) { return one() - in.t / (in.x + p.a); }
  static TW_INLINE VecF dt(In in, P p) { return stirling_dt(in.t, p) - log(in.x + p.a); }
};

struct PoissonNllLog {
  static TW_INLINE VecF value(In in, P p) {
    return fnmadd(in.t, in.x, exp(in.x)) + stirling(in.t, p);
  }
  static TW_INLINE VecF dx(In in, P) { return exp(in.x) - in.t; }
  static TW_INLINE VecF dt(In in, P p) { return stirling_dt(in.t, p) - in.x; }
};

struct GaussianNll {
  static TW_INLINE VecF value(In in, P p) {
    const VecF d = in.x - in.t;
    const VecF variance = max(p.a, in.v);
    const VecF half = set1(0.5F) * (log(variance) + d * d / variance) + p.b;
    return select(in.v < zero(), set1(__builtin_nanf("")), half);
  }
  static TW_INLINE VecF dx(In in, P p) { return (in.x - in.t) / max(p.a, in.v); }
  static TW_INLINE VecF dv(In in, P p) {
    const VecF inverse = one() / max(p.a, in.v);
    const VecF ratio = (in.x - in.t) * inverse;
    return set1(0.5F) * (inverse - ratio * ratio);
  }
};

// Lin et al. 2017, with m = 1 - p_t: alpha_t m^gamma (-log p_t).
struct SigmoidFocal {
  static TW_INLINE VecF power(VecF m, VecF gamma) {
    if (!any(gamma != zero())) return one();
    if (!any(gamma != set1(2.0F))) return m * m;
    return exp(gamma * log(m));
  }
  static TW_INLINE VecF alpha_t(In in, P p) {
    const VecF other = one() - p.a;
    return select(p.a < zero(), one(), fmadd(p.a - other, in.t, other));
  }
  static TW_INLINE VecF cross_entropy(In in) {
    return fnmadd(in.x, in.t, max(zero(), in.x)) + log1p_exp(in.x);
  }
  static TW_INLINE VecF value(In in, P p) {
    const Sigmoids s = sigmoids(in.x);
    const VecF m = fmadd(in.t, s.q, (one() - in.t) * s.p);
    return alpha_t(in, p) * power(m, p.b) * cross_entropy(in);
  }
  // gamma m^(gamma - 1)
  static TW_INLINE VecF power_slope(VecF m, P p) {
    return select(p.b == zero(), zero(), p.b * power(m, p.b - one()));
  }
  static TW_INLINE VecF dx(In in, P p) {
    const Sigmoids s = sigmoids(in.x);
    const VecF m = fmadd(in.t, s.q, (one() - in.t) * s.p);
    const VecF dm = (one() - in.t - in.t) * s.p * s.q;
    const VecF dce = fmadd(one() - in.t, s.p, neg(in.t * s.q));
    const VecF slope = power_slope(m, p) * dm * cross_entropy(in);
    return alpha_t(in, p) * fmadd(power(m, p.b), dce, slope);
  }
  static TW_INLINE VecF dt(In in, P p) {
    const Sigmoids s = sigmoids(in.x);
    const VecF m = fmadd(in.t, s.q, (one() - in.t) * s.p);
    const VecF ce = cross_entropy(in);
    const VecF by_alpha = select(p.a < zero(), zero(), p.a + p.a - one());
    const VecF d = power_slope(m, p) * (s.q - s.p) * ce - power(m, p.b) * in.x;
    return fmadd(alpha_t(in, p), d, by_alpha * power(m, p.b) * ce);
  }
};

// Reads an operand of step 1, or one register that repeats an element.
struct Reader {
  TW_INLINE Reader(const float* source, index_t source_step) : p(source), step(source_step) {
    if (source != nullptr && source_step != 0) return;
    store(kept, set1(source == nullptr ? 1.0F : *source));
    p = kept;
    step = 0;
  }
  TW_INLINE VecF at(index_t i) const { return load(p + i * step); }
  // From here on reads the last n elements of a run, padded to a register.
  TW_INLINE void pad(index_t i, index_t n) {
    if (step == 0) return;
    store(kept, load_partial(p + i, n));
    p = kept;
    step = 0;
  }
  const float* p;
  index_t step;
  alignas(64) float kept[w];
};

struct Value {
  template <typename Row>
  static TW_INLINE VecF of(In in, P p) {
    return Row::value(in, p);
  }
};
struct Dx {
  template <typename Row>
  static TW_INLINE VecF of(In in, P p) {
    return Row::dx(in, p);
  }
};
struct Dt {
  template <typename Row>
  static TW_INLINE VecF of(In in, P p) {
    return Row::dt(in, p);
  }
};
struct Dv {
  template <typename Row>
  static TW_INLINE VecF of(In in, P p) {
    return Row::dv(in, p);
  }
};

// Operands come from memory, and the loops are long enough that the processor sees too few of them
// ahead: it asks for lines this many elements early.
constexpr index_t ahead = 192;
TW_INLINE In read(const LossRun<float>& r, index_t i) {
  prefetch(r.x + (i + ahead) * r.x_step);
  prefetch(r.t + (i + ahead) * r.t_step);
  return {load(r.x + i * r.x_step), load(r.t + i * r.t_step), load(r.v + i * r.v_step)};
}

// Whole registers of operands that are all there; the steps are those of the run.
template <typename Row, typename Part>
void registers(const LossRun<float>& run, const LossParameters& q, float* out) {
  const LossRun<float> r = run;
  const P p{set1(q.a), set1(q.b), set1(q.c)};
  const VecF scale = set1(q.scale);
  for (index_t i = 0; i < r.count; i += w) {
    store(out + i, scale * Part::template of<Row>(read(r, i), p));
  }
}

// What a few registers of a row add up to.
template <typename Row>
struct Terms {
  TW_INLINE void add(In in, P p) { sum = sum + Row::value(in, p); }
  TW_INLINE VecF total() const { return sum; }
  VecF sum = zero();
};
// The logarithms as one of the product of all 1 + z = 1 + exp(-|x|), less than 2^16, of which 1 is
// left out so that it keeps the digits of small terms.
template <>
struct Terms<BceWithLogits> {
  TW_INLINE void add(In in, P) {
    const VecF z = exp_to_88(neg(abs(in.x)));
    product = fmadd(product, z, product + z);
    sum = sum + fmadd(one() - in.t, in.x, max(zero(), neg(in.x)));
  }
  TW_INLINE VecF total() const { return sum + log1p(product); }
  VecF product = zero();
  VecF sum = zero();
};

// Sixteen terms of a lane are added in float32.
template <typename Row>
double sum_registers(const LossRun<float>& run, const LossParameters& q) {
  const LossRun<float> r = run;
  const P p{set1(q.a), set1(q.b), set1(q.c)};
  double total = 0;
  for (index_t i = 0; i < r.count;) {
    const index_t end = r.count - i < 16 * w ? r.count : i + 16 * w;
    Terms<Row> terms;
    for (; i < end; i += w) terms.add(read(r, i), p);
    total += static_cast<double>(reduce_add(terms.total()));
  }
  return total * static_cast<double>(q.scale);
}

// A run cut into whole registers and the last few elements, padded to one, so that a formula is
// compiled once.
struct Cut {
  TW_INLINE explicit Cut(const LossRun<float>& r)
      : x(r.x, r.x_step),
        t(r.t, r.t_step),
        v(r.v, r.v_step),
        rest(r.count % w),
        whole{x.p, t.p, v.p, x.step, t.step, v.step, r.count - rest} {}
  TW_INLINE LossRun<float> tail() {
    x.pad(whole.count, rest);
    t.pad(whole.count, rest);
    v.pad(whole.count, rest);
    return {x.p, t.p, v.p, 0, 0, 0, w};
  }
  Reader x;
  Reader t;
  Reader v;
  index_t rest;
  LossRun<float> whole;
};

void run(LossKernel kernel, const LossRun<float>& r, const LossParameters& q, float* out) {
  Cut cut(r);
  kernel(cut.whole, q, out);
  if (cut.rest == 0) return;
  alignas(64) float tail[w];
  kernel(cut.tail(), q, tail);
  store_partial(out + cut.whole.count, load(tail), cut.rest);
}

double sum(const LossRow& row, const LossRun<float>& r, const LossParameters& q) {
  Cut cut(r);
  const double total = row.sum(cut.whole, q);
  if (cut.rest == 0) return total;
  alignas(64) float tail[w];
  row.value(cut.tail(), q, tail);
  return total + static_cast<double>(reduce_add(load_partial(tail, cut.rest)));
}

void multiply(const float* x, const LossFactors<float>& f, float* out, index_t count,
              bool past_caches) {
  Reader a(f.w, f.w_step);
  Reader b(f.g, f.g_step);
  index_t i = 0;
  if (past_caches && reinterpret_cast<std::uintptr_t>(out) % (w * sizeof(float)) == 0) {
    for (; i + w <= count; i += w) stream(out + i, load(x + i) * (a.at(i) * b.at(i)));
    stream_fence();
  }
  for (; i + w <= count; i += w) store(out + i, load(x + i) * (a.at(i) * b.at(i)));
  const index_t n = count - i;
  if (n > 0) {
    a.pad(i, n);
    b.pad(i, n);
    store_partial(out + i, load_partial(x + i, n) * (a.at(i) * b.at(i)), n);
  }
}

template <typename Row>
constexpr LossRow of_difference{registers<Row, Value>, sum_registers<Row>, registers<Row, Dx>,
                                nullptr, nullptr};
template <typename Row>
constexpr LossRow of_two{registers<Row, Value>, sum_registers<Row>, registers<Row, Dx>,
                         registers<Row, Dt>, nullptr};
template <typename Row>
constexpr LossRow of_three{registers<Row, Value>, sum_registers<Row>, registers<Row, Dx>,
                           registers<Row, Dt>, registers<Row, Dv>};

}  // namespace

const PointwiseLossKernels pointwise_loss_kernels{
    {of_difference<Mse>,
     of_difference<L1>,
     of_difference<Huber>,
     of_two<Bce>,
     of_two<BceWithLogits>,
     of_three<BceWithPosWeight>,
     of_two<KlDiv>,
     of_two<KlDivLog>,
     of_two<HingeEmbedding>,
     of_two<CosineEmbedding>,
     of_two<SoftMargin>,
     of_three<MarginRanking>,
     of_two<PoissonNll>,
     of_two<PoissonNllLog>,
     {registers<GaussianNll, Value>, sum_registers<GaussianNll>, registers<GaussianNll, Dx>,
      nullptr, registers<GaussianNll, Dv>},
     of_two<SigmoidFocal>},
    run,
    sum,
    multiply};

}  // namespace TW_ISA
}  // namespace tilewise
