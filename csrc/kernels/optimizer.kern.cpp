// Every update is one pass: a register of each array is loaded, changed and stored. They are bound
// by memory, so what a rule may leave out (a buffer, Nesterov's term) is asked in the loop. Arrays
// and factors are values: for all the compiler knows, a store could change what a reference names.
#include "kernels/optimizer.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/partial.h"

namespace tilewise {
namespace TW_ISA {
namespace {

// body(i, n) for each register of a range. Inlined twice, so that n is a constant in the first.
template <typename Body>
TW_INLINE void each_vector(index_t count, const Body& body) {
  index_t i = 0;
  for (; i + VecF::width <= count; i += VecF::width) body(i, VecF::width);
  if (i < count) body(i, count - i);
}

// Asks for the lines that come later: far ahead from memory to L2, then from there to L1. With
// three arrays or more the processor's own prefetchers leave some of the bandwidth unused: on Zen 4
// Adam gains a tenth over none and 4 % over one level alone, SGD with momentum 4 %. May reach
// beyond the end: a hint only.
TW_INLINE void ask_ahead(const float* x) {
  constexpr index_t to_l2 = 384;
  constexpr index_t to_l1 = 64;
  prefetch_to_l2(x + to_l2);
  prefetch(x + to_l1);
}

// The same for the arrays of an update with so many states, which are asked for once a line.
template <int states, typename Body>
TW_INLINE void each_vector(const OptimizerArrays& a, index_t count, const Body& body) {
  constexpr index_t line = 16;
  index_t i = 0;
  for (; i + line <= count; i += line) {
    ask_ahead(a.p + i);
    ask_ahead(a.g + i);
    for (int s = 0; s < states; ++s) ask_ahead(a.s[s] + i);
    for (index_t j = i; j < i + line; j += VecF::width) body(j, VecF::width);
  }
  for (; i < count; i += VecF::width) body(i, count - i);
}

template <typename Factors>
TW_INLINE Factors as(const float* factors) {
  return *reinterpret_cast<const Factors*>(factors);
}

#define TW_BODY [&](index_t i, index_t n) __attribute__((always_inline))

// sign g + l2 p
template <typename Factors>
TW_INLINE VecF decayed(const Factors& f, VecF p, const float* g, index_t n) {
  return fmadd(set1(f.l2), p, load_n(g, n) * set1(f.sign));
}

// From a towards b, computed from the end that is nearer: a + w (b - a) or b - (1 - w) (b - a).
struct Lerp {
  VecF weight;
  bool from_a;
  TW_INLINE Lerp(float w, float one_minus_w)
      : weight(set1(w < 0.5F ? w : -one_minus_w)), from_a(w < 0.5F) {}
  TW_INLINE VecF operator()(VecF a, VecF b) const { return fmadd(weight, b - a, from_a ? a : b); }
};

// beta v + (1 - beta) g^2
TW_INLINE VecF mean_square(float beta, float one_minus_beta, VecF v, VecF g) {
  return fmadd(set1(one_minus_beta) * g, g, v * set1(beta));
}

TW_INLINE VecF max_or_nan(VecF a, VecF b) { return select(is_nan(a), a, max(a, b)); }

TW_INLINE VecF sign_of(VecF x) {
  const VecF one = set1(1.0F);
  return select(x > zero(), one, select(x < zero(), zero() - one, x));
}

void sgd(OptimizerArrays a, const float* factors, index_t count) {
  const auto f = as<SgdFactors<float>>(factors);
  if (!a.s[0]) {
    each_vector<0>(
        a, count, TW_BODY {
          const VecF p = load_n(a.p + i, n);
          store_n(a.p + i, fnmadd(set1(f.lr), decayed(f, p, a.g + i, n), p), n);
        });
    return;
  }
  each_vector<1>(
      a, count, TW_BODY {
        const VecF p = load_n(a.p + i, n);
        const VecF g = decayed(f, p, a.g + i, n);
        const VecF kept = set1(f.momentum) * load_n(a.s[0] + i, n);
        const VecF buffer = f.first != 0 ? g : fmadd(set1(f.one_minus_dampening), g, kept);
        store_n(a.s[0] + i, buffer, n);
        const VecF step = f.nesterov != 0 ? fmadd(set1(f.momentum), buffer, g) : buffer;
        store_n(a.p + i, fnmadd(set1(f.lr), step, p), n);
      });
}

void adam(OptimizerArrays a, const float* factors, index_t count) {
  const auto f = as<AdamFactors<float>>(factors);
  const Lerp lerp(f.one_minus_beta1, f.beta1);
  each_vector<2>(
      a, count, TW_BODY {
        const VecF p = load_n(a.p + i, n);
        const VecF g = decayed(f, p, a.g + i, n);
        const VecF m = lerp(load_n(a.s[0] + i, n), g);
        VecF v = mean_square(f.beta2, f.one_minus_beta2, load_n(a.s[1] + i, n), g);
        store_n(a.s[0] + i, m, n);
        store_n(a.s[1] + i, v, n);
        if (a.s[2]) {
          v = max_or_nan(load_n(a.s[2] + i, n), v);
          store_n(a.s[2] + i, v, n);
        }
        const VecF denominator = fmadd(sqrt(v), set1(f.correction), set1(f.eps));
        const VecF step = fmadd(set1(f.gradient_share), g, set1(f.step_size) * m);
        store_n(a.p + i, p * set1(f.shrink) - step / denominator, n);
      });
}

void adamax(OptimizerArrays a, const float* factors, index_t count) {
  const auto f = as<AdamaxFactors<float>>(factors);
  const Lerp lerp(f.one_minus_beta1, f.beta1);
  each_vector<2>(
      a, count, TW_BODY {
        const VecF p = load_n(a.p + i, n);
        const VecF g = decayed(f, p, a.g + i, n);
        const VecF m = lerp(load_n(a.s[0] + i, n), g);
        const VecF kept = load_n(a.s[1] + i, n) * set1(f.beta2);
        const VecF u = max_or_nan(kept, abs(g) + set1(f.eps));
        store_n(a.s[0] + i, m, n);
        store_n(a.s[1] + i, u, n);
        // The lanes beyond a tail would divide 0 by eps.
        store_n(a.p + i, fnmadd(set1(f.step_size), m / u, p), n);
      });
}

void rmsprop(OptimizerArrays a, const float* factors, index_t count) {
  const auto f = as<RmspropFactors<float>>(factors);
  const Lerp lerp(f.one_minus_alpha, f.alpha);
  each_vector<1>(
      a, count, TW_BODY {
        const VecF p = load_n(a.p + i, n);
        const VecF g = decayed(f, p, a.g + i, n);
        const VecF v = mean_square(f.alpha, f.one_minus_alpha, load_n(a.s[0] + i, n), g);
        store_n(a.s[0] + i, v, n);
        VecF variance = v;
        if (a.s[1]) {
          const VecF centre = lerp(load_n(a.s[1] + i, n), g);
          store_n(a.s[1] + i, centre, n);
          variance = fnmadd(centre, centre, v);
        }
        VecF step = g / (sqrt(variance) + set1(f.eps));
        if (a.s[2]) {
          step = fmadd(set1(f.momentum), load_n(a.s[2] + i, n), step);
          store_n(a.s[2] + i, step, n);
        }
        store_n(a.p + i, fnmadd(set1(f.lr), step, p), n);
      });
}

void adagrad(OptimizerArrays a, const float* factors, index_t count) {
  const auto f = as<AdagradFactors<float>>(factors);
  each_vector<1>(
      a, count, TW_BODY {
        const VecF p = load_n(a.p + i, n);
        const VecF g = decayed(f, p, a.g + i, n);
        const VecF v = fmadd(g, g, load_n(a.s[0] + i, n));
        store_n(a.s[0] + i, v, n);
        store_n(a.p + i, fnmadd(set1(f.lr), g / (sqrt(v) + set1(f.eps)), p), n);
      });
}

void adadelta(OptimizerArrays a, const float* factors, index_t count) {
  const auto f = as<AdadeltaFactors<float>>(factors);
  each_vector<2>(
      a, count, TW_BODY {
        const VecF eps = set1(f.eps);
        const VecF p = load_n(a.p + i, n);
        const VecF g = decayed(f, p, a.g + i, n);
        const VecF v = mean_square(f.rho, f.one_minus_rho, load_n(a.s[0] + i, n), g);
        const VecF u = load_n(a.s[1] + i, n);
        const VecF delta = sqrt(u + eps) / sqrt(v + eps) * g;
        store_n(a.s[0] + i, v, n);
        store_n(a.s[1] + i, mean_square(f.rho, f.one_minus_rho, u, delta), n);
        store_n(a.p + i, fnmadd(set1(f.lr), delta, p), n);
      });
}

void lion(OptimizerArrays a, const float* factors, index_t count) {
  const auto f = as<LionFactors<float>>(factors);
  each_vector<1>(
      a, count, TW_BODY {
        const VecF g = load_n(a.g + i, n) * set1(f.sign);
        const VecF m = load_n(a.s[0] + i, n);
        const VecF direction = fmadd(set1(f.one_minus_beta1), g, set1(f.beta1) * m);
        store_n(a.s[0] + i, fmadd(set1(f.one_minus_beta2), g, set1(f.beta2) * m), n);
        const VecF p = load_n(a.p + i, n) * set1(f.shrink);
        store_n(a.p + i, fnmadd(set1(f.lr), sign_of(direction), p), n);
      });
}

void asgd(OptimizerArrays a, const float* factors, index_t count) {
  const auto f = as<AsgdFactors<float>>(factors);
  each_vector<1>(
      a, count, TW_BODY {
        const VecF before = load_n(a.p + i, n);
        const VecF g = decayed(f, before, a.g + i, n);
        const VecF p = fnmadd(set1(f.eta), g, before * set1(f.shrink));
        const VecF average = load_n(a.s[0] + i, n);
        store_n(a.s[0] + i, f.mu == 1 ? p : fmadd(set1(f.mu), p - average, average), n);
        store_n(a.p + i, p, n);
      });
}

void rprop(OptimizerArrays a, const float* factors, index_t count) {
  const auto f = as<RpropFactors<float>>(factors);
  each_vector<2>(
      a, count, TW_BODY {
        VecF g = load_n(a.g + i, n) * set1(f.sign);
        const VecF agreement = g * load_n(a.s[0] + i, n);
        const Mask turned = agreement < zero();
        g = select(turned, zero(), g);
        VecF factor = select(agreement > zero(), set1(f.eta_plus), set1(1.0F));
        factor = select(turned, set1(f.eta_minus), factor);
        VecF step = load_n(a.s[1] + i, n) * factor;
        step = min(set1(f.largest), max(set1(f.smallest), step));
        store_n(a.s[0] + i, g, n);
        store_n(a.s[1] + i, step, n);
        store_n(a.p + i, fnmadd(sign_of(g), step, load_n(a.p + i, n)), n);
      });
}

void lerp(OptimizerArrays a, const float* factors, index_t count) {
  const auto f = as<LerpFactors<float>>(factors);
  const Lerp towards(f.weight, f.one_minus_weight);
  each_vector<0>(
      a, count, TW_BODY { store_n(a.p + i, towards(load_n(a.p + i, n), load_n(a.g + i, n)), n); });
}

// ---------------------------------------------------------------- sums

constexpr index_t sum_block = 4096;  // elements that are added in float32

TW_INLINE double total(const VecF (&sums)[4]) {
  return double{reduce_add((sums[0] + sums[1]) + (sums[2] + sums[3]))};
}

// Adds term(x) of every register to one of four sums; the lanes beyond a tail are 0. The sums run
// through four parts of a range at once: one core reads faster from several places, above all
// where pages are small.
template <typename Term>
TW_INLINE double sum_of(const float* x, index_t count, const Term& term) {
  const index_t part = count / (4 * VecF::width) * VecF::width;
  constexpr index_t ahead = 256;  // elements, to L2
  double result = 0;
  for (index_t first = 0; first < part; first += sum_block / 4) {
    const index_t end = part - first < sum_block / 4 ? part : first + sum_block / 4;
    VecF sums[4] = {zero(), zero(), zero(), zero()};
    for (index_t i = first; i < end; i += VecF::width) {
      for (int j = 0; j < 4; ++j) {
        prefetch_to_l2(x + i + j * part + ahead);
        sums[j] = term(load(x + i + j * part), sums[j]);
      }
    }
    result += total(sums);
  }
  VecF rest = zero();
  for (index_t i = 4 * part; i < count; i += VecF::width)
    rest = term(load_n(x + i, count - i), rest);
  return result + double{reduce_add(rest)};
}

double sum_squares(const float* x, index_t count) {
  return sum_of(x, count, [](VecF value, VecF sum) __attribute__((always_inline)) {
    return fmadd(value, value, sum);
  });
}

double sum_sizes(const float* x, index_t count) {
  return sum_of(x, count, [](VecF value, VecF sum) __attribute__((always_inline)) {
    return sum + abs(value);
  });
}

float largest_size(const float* x, index_t count) {
  VecF best[4] = {zero(), zero(), zero(), zero()};
  index_t i = 0;
  for (; i + 4 * VecF::width <= count; i += 4 * VecF::width) {
    for (int j = 0; j < 4; ++j) best[j] = max_or_nan(best[j], abs(load(x + i + j * VecF::width)));
  }
  for (; i < count; i += VecF::width) best[0] = max_or_nan(best[0], abs(load_n(x + i, count - i)));
  const VecF all = max_or_nan(max_or_nan(best[0], best[1]), max_or_nan(best[2], best[3]));
  return any(is_nan(all)) ? __builtin_nanf("") : reduce_max(all);
}

TW_INLINE VecF lamb_direction(const LambFactors<float>& f, VecF p, VecF m, VecF v) {
  const VecF denominator = fmadd(sqrt(v), set1(f.correction), set1(f.eps));
  return fmadd(set1(f.weight_decay), p, set1(f.mean_scale) * m / denominator);
}

void lamb_average(OptimizerArrays a, const float* factors, index_t count, double* squares) {
  const auto f = as<LambFactors<float>>(factors);
  const Lerp lerp(f.one_minus_beta1, f.beta1);
  for (index_t first = 0; first < count; first += sum_block) {
    const index_t size = count - first < sum_block ? count - first : sum_block;
    VecF of_p = zero();
    VecF of_direction = zero();
    const OptimizerArrays b{a.p + first, a.g + first, {a.s[0] + first, a.s[1] + first, nullptr}};
    each_vector<2>(
        b, size, TW_BODY {
          const VecF g = load_n(b.g + i, n) * set1(f.sign);
          const VecF p = load_n(b.p + i, n);
          const VecF m = lerp(load_n(b.s[0] + i, n), g);
          const VecF v = mean_square(f.beta2, f.one_minus_beta2, load_n(b.s[1] + i, n), g);
          store_n(b.s[0] + i, m, n);
          store_n(b.s[1] + i, v, n);
          // Lanes beyond a tail are 0 / eps.
          const VecF direction = lamb_direction(f, p, m, v);
          of_p = fmadd(p, p, of_p);
          of_direction = fmadd(direction, direction, of_direction);
        });
    squares[0] += double{reduce_add(of_p)};
    squares[1] += double{reduce_add(of_direction)};
  }
}

void lamb_move(OptimizerArrays a, const float* factors, index_t count, float ratio) {
  const auto f = as<LambFactors<float>>(factors);
  const VecF rate = set1(f.lr * ratio);
  each_vector(
      count, TW_BODY {
        const VecF p = load_n(a.p + i, n);
        const VecF direction = lamb_direction(f, p, load_n(a.s[0] + i, n), load_n(a.s[1] + i, n));
        store_n(a.p + i, fnmadd(rate, direction, p), n);
      });
}

// ---------------------------------------------------------------- gradients in place

void scale(float* x, float factor, index_t count) {
  each_vector(count, TW_BODY { store_n(x + i, load_n(x + i, n) * set1(factor), n); });
}

void clamp(float* x, float bound, index_t count) {
  const VecF high = set1(bound);
  const VecF low = set1(-bound);
  each_vector(count, TW_BODY { store_n(x + i, min(high, max(low, load_n(x + i, n))), n); });
}

}  // namespace

const OptimizerKernels optimizer_kernels{
    sgd,  adam,         adamax,    rmsprop,     adagrad,   adadelta,     lion,  asgd, rprop,
    lerp, lamb_average, lamb_move, sum_squares, sum_sizes, largest_size, scale, clamp};

}  // namespace TW_ISA
}  // namespace tilewise
