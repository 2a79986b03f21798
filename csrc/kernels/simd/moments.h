// The mean of a run and the sum of its squared deviations from it. A chunk is read twice, the
// second time from L1: the deviations are taken about its mean, whose rounding the sum of the
// deviations corrects, so that nothing cancels, whatever the mean and whatever single numbers are
// far from it. Chunks combine in double (Chan, Golub, LeVeque, "Algorithms for computing the sample
// variance", 1983). Include after simd.h.
#pragma once

#include "base/moments.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t moments_chunk = 256 * VecF::width;  // 64 additions a chain, in L1

// Runs step(register of x, lanes that count, chain) over a run.
template <typename Step>
TW_INLINE void each_of_run(const float* x, index_t count, const Step& step) {
  constexpr index_t w = VecF::width;
  const Mask all = mask_from_bits(~0U);
  index_t c = 0;
  for (; c + 4 * w <= count; c += 4 * w) {
    for (int u = 0; u < 4; ++u) step(load(x + c + u * w), all, u);
  }
  for (; c + w <= count; c += w) step(load(x + c), all, 0);
  if (c < count) {
    step(load_partial(x + c, count - c), mask_from_bits((1U << (count - c)) - 1U), 0);
  }
}

TW_INLINE float sum_of_chains(const VecF (&chains)[4]) {
  return reduce_add((chains[0] + chains[1]) + (chains[2] + chains[3]));
}

// The moments of a run of at most `moments_chunk` numbers.
template <bool centred>
TW_INLINE void run_moments(const float* x, index_t count, Moments* out) {
  VecF squares[4] = {zero(), zero(), zero(), zero()};
  if (!centred) {
    each_of_run(x, count, [&](VecF v, Mask, int u) { squares[u] = fmadd(v, v, squares[u]); });
    *out = {0.0, static_cast<double>(sum_of_chains(squares))};
    return;
  }
  VecF sum[4] = {zero(), zero(), zero(), zero()};
  each_of_run(x, count, [&](VecF v, Mask, int u) { sum[u] = sum[u] + v; });
  const float centre = sum_of_chains(sum) / static_cast<float>(count);
  const VecF mean = set1(centre);
  VecF rest[4] = {zero(), zero(), zero(), zero()};
  each_of_run(x, count, [&](VecF v, Mask inside, int u) {
    const VecF d = select(inside, v - mean, zero());
    rest[u] = rest[u] + d;
    squares[u] = fmadd(d, d, squares[u]);
  });
  const double share = 1.0 / static_cast<double>(count);
  const double s = static_cast<double>(sum_of_chains(rest));
  *out = {static_cast<double>(centre) + s * share,
          static_cast<double>(sum_of_chains(squares)) - s * s * share};
}

template <bool centred>
Moments long_moments(const float* x, index_t count) {
  Moments total;
  run_moments<centred>(x, count < moments_chunk ? count : moments_chunk, &total);
  for (index_t i = moments_chunk; i < count; i += moments_chunk) {
    const index_t n = count - i < moments_chunk ? count - i : moments_chunk;
    Moments m;
    run_moments<centred>(x + i, n, &m);
    const double before = static_cast<double>(i);
    const double added = static_cast<double>(n);
    const double gap = m.mean - total.mean;
    total.mean += gap * (added / (before + added));
    total.deviations += m.deviations + gap * gap * (before * added / (before + added));
  }
  return total;
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
