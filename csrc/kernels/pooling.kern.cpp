#include "kernels/pooling.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

TW_INLINE VecF load_n(const float* p, index_t n) {
  return n == VecF::width ? load(p) : load_partial(p, n);
}
TW_INLINE VecI load_n(const std::int32_t* p, index_t n) {
  return n == VecF::width ? load_i(p) : load_partial_i(p, n);
}
TW_INLINE void store_n(float* p, VecF a, index_t n) {
  if (n == VecF::width) {
    store(p, a);
  } else {
    store_partial(p, a, n);
  }
}
TW_INLINE void store_n(std::int32_t* p, VecI a, index_t n) {
  if (n == VecF::width) {
    store_i(p, a);
  } else {
    store_partial_i(p, a, n);
  }
}

// body(o, c, n): n channels from c of output o of a run. Inlined twice, so that n is a constant in
// the first.
template <typename Body>
TW_INLINE void each_vector(const PoolWindow& w, const Body& body) {
  for (index_t o = 0; o < w.outputs; ++o) {
    index_t c = 0;
    for (; c + VecF::width <= w.channels; c += VecF::width) body(o, c, VecF::width);
    if (c < w.channels) body(o, c, w.channels - c);
  }
}

// `taps` is the window's pixel count where known at compile time, else 0.
template <int taps>
TW_INLINE void max_forward_of(const float* x, const PoolWindow& w, float* y, std::int32_t* argmax) {
  const index_t count = taps > 0 ? taps : w.count;
  each_vector(w, [&](index_t o, index_t c, index_t n) __attribute__((always_inline)) {
    const float* src = x + o * w.shift * w.pixel_stride + c;
    VecF best = load_n(src + w.positions[0] * w.pixel_stride, n);
    VecI where = set1i(w.positions[0]);
    for (index_t t = 1; t < count; ++t) {
      const VecF value = load_n(src + w.positions[t] * w.pixel_stride, n);
      const Mask better = (value > best) | is_nan(value);
      best = select(better, value, best);
      where = select(better, set1i(w.positions[t]), where);
    }
    store_n(y + o * w.pixel_stride + c, best, n);
    if (argmax) {
      const VecI moved = set1i(static_cast<std::int32_t>(o * w.shift));
      store_n(argmax + o * w.pixel_stride + c, where + moved, n);
    }
  });
}

void max_forward(const float* x, const PoolWindow& w, float* y, std::int32_t* argmax) {
  if (w.count == 4) {
    max_forward_of<4>(x, w, y, argmax);
  } else if (w.count == 9) {
    max_forward_of<9>(x, w, y, argmax);
  } else {
    max_forward_of<0>(x, w, y, argmax);
  }
}

template <bool add, int taps>
TW_INLINE bool max_backward_of(const float* dy, const std::int32_t* argmax, const PoolWindow& w,
                               float* dx) {
  const index_t count = taps > 0 ? taps : w.count;
  bool known = true;
  each_vector(w, [&](index_t o, index_t c, index_t n) __attribute__((always_inline)) {
    const VecI moved = set1i(static_cast<std::int32_t>(o * w.shift));
    const VecI where = load_n(argmax + o * w.pixel_stride + c, n) - moved;
    const VecF gradient = load_n(dy + o * w.pixel_stride + c, n);
    float* dst = dx + o * w.shift * w.pixel_stride + c;
    std::uint32_t found = 0;
    for (index_t t = 0; t < count; ++t) {
      const Mask here = where == set1i(w.positions[t]);
      found |= mask_bits(here);
      float* target = dst + w.positions[t] * w.pixel_stride;
      const VecF value = select(here, gradient, zero());
      store_n(target, add ? load_n(target, n) + value : value, n);
    }
    const std::uint32_t all = (1U << n) - 1U;
    known = known && (found & all) == all;
  });
  return known;
}

template <bool add>
TW_INLINE bool max_backward_any(const float* dy, const std::int32_t* argmax, const PoolWindow& w,
                                float* dx) {
  if (w.count == 4) return max_backward_of<add, 4>(dy, argmax, w, dx);
  if (w.count == 9) return max_backward_of<add, 9>(dy, argmax, w, dx);
  return max_backward_of<add, 0>(dy, argmax, w, dx);
}

bool max_backward(const float* dy, const std::int32_t* argmax, const PoolWindow& w, float* dx) {
  return max_backward_any<false>(dy, argmax, w, dx);
}

bool max_backward_add(const float* dy, const std::int32_t* argmax, const PoolWindow& w, float* dx) {
  return max_backward_any<true>(dy, argmax, w, dx);
}

template <int taps>
TW_INLINE void average_forward_of(const float* x, const PoolWindow& w, float scale, float* y) {
  constexpr index_t block = 64;  // taps summed on their own: short chains round less
  const index_t count = taps > 0 ? taps : w.count;
  each_vector(w, [&](index_t o, index_t c, index_t n) __attribute__((always_inline)) {
    const float* src = x + o * w.shift * w.pixel_stride + c;
    VecF total = zero();
    for (index_t t0 = 0; t0 < count; t0 += block) {
      const index_t t1 = t0 + block < count ? t0 + block : count;
      VecF sum = load_n(src + w.positions[t0] * w.pixel_stride, n);
      for (index_t t = t0 + 1; t < t1; ++t) {
        sum = sum + load_n(src + w.positions[t] * w.pixel_stride, n);
      }
      total = total + sum;
    }
    store_n(y + o * w.pixel_stride + c, total * set1(scale), n);
  });
}

void average_forward(const float* x, const PoolWindow& w, float scale, float* y) {
  if (w.count == 4) {
    average_forward_of<4>(x, w, scale, y);
  } else {
    average_forward_of<0>(x, w, scale, y);
  }
}

template <bool add>
TW_INLINE void average_backward_of(const float* dy, const PoolWindow& w, float scale, float* dx) {
  each_vector(w, [&](index_t o, index_t c, index_t n) __attribute__((always_inline)) {
    const VecF share = load_n(dy + o * w.pixel_stride + c, n) * set1(scale);
    float* dst = dx + o * w.shift * w.pixel_stride + c;
    for (index_t t = 0; t < w.count; ++t) {
      float* target = dst + w.positions[t] * w.pixel_stride;
      store_n(target, add ? load_n(target, n) + share : share, n);
    }
  });
}

void average_backward(const float* dy, const PoolWindow& w, float scale, float* dx) {
  average_backward_of<false>(dy, w, scale, dx);
}

void average_backward_add(const float* dy, const PoolWindow& w, float scale, float* dx) {
  average_backward_of<true>(dy, w, scale, dx);
}

}  // namespace

const PoolKernels pooling_kernels{max_forward,     max_backward,     max_backward_add,
                                  average_forward, average_backward, average_backward_add};

}  // namespace TW_ISA
}  // namespace tilewise
