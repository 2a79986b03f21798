// With s_c = k + alpha sum over the window of c of x^2, y = x s^-beta and
//
//   dx_c = dy_c s_c^-beta - 2 alpha beta x_c sum over the j whose window holds c of
//          dy_j x_j s_j^(-beta - 1)
//
// A row's squares (and the terms of that sum) lie between zeros in scratch memory, so that a window
// is a sum of shifted loads without a test for the ends. Every window is added up by itself: a NaN
// stays in the windows that it belongs to.
#include "kernels/local_response.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/math.h"
#include "kernels/simd/partial.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t w = VecF::width;

// A row between zeros wide enough for every shifted load, in either direction.
TW_INLINE index_t margin(const LocalResponse& p) { return p.before > p.after ? p.before : p.after; }
TW_INLINE index_t padded(index_t channels, const LocalResponse& p) {
  return channels + 2 * margin(p) + w;
}

index_t scratch(index_t channels, LocalResponse p) {
  return 2 * padded(channels, p) + channels + w;
}

// The sum of terms[c - before .. c + after], where terms points at channel 0.
TW_INLINE VecF window(const float* terms, index_t c, index_t before, index_t after) {
  VecF sum = load(terms + c - before);
  for (index_t i = 1 - before; i <= after; ++i) sum = sum + load(terms + c + i);
  return sum;
}

// s^-beta
TW_INLINE VecF power(VecF s, float beta) {
  const VecF one = set1(1.0F);
  if (beta == 0.75F) {
    const VecF root = inverse_sqrt(s);
    return root * sqrt(root);
  }
  if (beta == 0.5F) return inverse_sqrt(s);
  if (beta == 1.0F) return one / s;
  return exp(set1(-beta) * log(s));
}

TW_INLINE void clear(float* p, index_t count) {
  for (index_t i = 0; i < count; ++i) p[i] = 0.0F;
}

TW_INLINE void write_squares(const float* x, index_t channels, float* squares) {
  for (index_t c = 0; c < channels; c += w) {
    const VecF v = load_n(x + c, channels - c);
    store_n(squares + c, v * v, channels - c);
  }
}

void forward(const float* x, index_t rows, index_t channels, LocalResponse p, float* memory,
             float* y) {
  clear(memory, padded(channels, p));
  float* squares = memory + margin(p);
  const VecF alpha = set1(p.alpha);
  const VecF k = set1(p.k);
  for (index_t r = 0; r < rows; ++r, x += channels, y += channels) {
    write_squares(x, channels, squares);
    for (index_t c = 0; c < channels; c += w) {
      const VecF s = fmadd(alpha, window(squares, c, p.before, p.after), k);
      store_n(y + c, load_n(x + c, channels - c) * power(s, p.beta), channels - c);
    }
  }
}

void backward(const float* dy, const float* x, index_t rows, index_t channels, LocalResponse p,
              float* memory, float* dx) {
  clear(memory, 2 * padded(channels, p));
  float* squares = memory + margin(p);
  float* terms = squares + padded(channels, p);
  float* powers = memory + 2 * padded(channels, p);
  const VecF alpha = set1(p.alpha);
  const VecF k = set1(p.k);
  const VecF factor = set1(2.0F * p.alpha * p.beta);
  for (index_t r = 0; r < rows; ++r, dy += channels, x += channels, dx += channels) {
    write_squares(x, channels, squares);
    for (index_t c = 0; c < channels; c += w) {
      const index_t n = channels - c;
      const VecF s = fmadd(alpha, window(squares, c, p.before, p.after), k);
      const VecF f = power(s, p.beta);
      store_n(powers + c, f, n);
      store_n(terms + c, load_n(dy + c, n) * load_n(x + c, n) * f / s, n);
    }
    for (index_t c = 0; c < channels; c += w) {
      const index_t n = channels - c;
      const VecF sum = window(terms, c, p.after, p.before);  // c lies behind j: mirrored
      const VecF direct = load_n(dy + c, n) * load_n(powers + c, n);
      store_n(dx + c, fnmadd(factor * load_n(x + c, n), sum, direct), n);
    }
  }
}

}  // namespace

const LocalResponseKernels local_response_kernels{scratch, forward, backward};

}  // namespace TW_ISA
}  // namespace tilewise
