// Loop order: output pixels of a run, rows of outputs, channels (four registers at a time, then
// one, then a part of one), pixels of the window.
#include "kernels/pooling.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/ahead.h"
#include "kernels/simd/partial.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t width = VecF::width;

template <int count>
struct Registers {
  static constexpr int value = count;
};

// body(registers, c, n): n channels from c of each of that many registers.
template <typename Body>
TW_INLINE void each_channels(index_t channels, const Body& body) {
  index_t c = 0;
  for (; c + 4 * width <= channels; c += 4 * width) body(Registers<4>(), c, width);
  for (; c + width <= channels; c += width) body(Registers<1>(), c, width);
  if (c < channels) body(Registers<1>(), c, channels - c);
}

// Asks for what the next rows of outputs read where output `o` of these does. Its rows are too
// far apart for the processor to foresee them, and the arithmetic of a window too long to wait
// after it.
TW_INLINE void ask_ahead(const float* x, const PoolWindow& w, index_t o) {
  constexpr index_t line = 16;  // floats
  for (index_t r = 0; r < w.ahead_rows; ++r) {
    for (index_t i = 0; i < w.shift; ++i) {
      const float* p = x + (w.ahead + r * w.row_pixels + o * w.shift + i) * w.pixel_stride;
      for (index_t c = 0; c < w.channels; c += line) prefetch_to_l2(p + c);
    }
  }
}

// body(input pixel, offset in the output) for each output of the window's rows: pixels across rows,
// for neighbours share what they read.
template <typename Body>
TW_INLINE void each_output(const float* x, const PoolWindow& w, const Body& body) {
  for (index_t o = 0; o < w.outputs; ++o) {
    ask_ahead(x, w, o);
    for (index_t r = 0; r < w.rows; ++r) {
      body(o * w.shift + r * w.row_shift, o * w.pixel_stride + r * w.row_stride);
    }
  }
}

// `taps` is the window's pixel count where known at compile time, else 0.
template <int taps, int registers>
TW_INLINE void max_and_place(const float* x, const PoolWindow& w, index_t n, float* y,
                             std::int32_t* argmax, std::int32_t moved, bool past) {
  const index_t count = taps > 0 ? taps : w.count;
  VecF best[registers];
  VecI where[registers];
  for (int v = 0; v < registers; ++v) {
    best[v] = load_n(x + w.positions[0] * w.pixel_stride + v * width, n);
    where[v] = set1i(w.positions[0]);
  }
  for (index_t t = 1; t < count; ++t) {
    const float* src = x + w.positions[t] * w.pixel_stride;
    for (int v = 0; v < registers; ++v) {
      const VecF value = load_n(src + v * width, n);
      const Mask better = (value > best[v]) | is_nan(value);
      best[v] = select(better, value, best[v]);
      where[v] = select(better, set1i(w.positions[t]), where[v]);
    }
  }
  for (int v = 0; v < registers; ++v) {
    store_n(y + v * width, best[v], n, past);
    store_n(argmax + v * width, where[v] + set1i(moved), n, past);
  }
}

// With a NaN in the window the maximum is NaN, which max() alone may lose: a register of it again.
__attribute__((noinline)) void max_with_nan(const float* x, const PoolWindow& w, index_t n,
                                            float* y) {
  VecF best = load_n(x + w.positions[0] * w.pixel_stride, n);
  for (index_t t = 1; t < w.count; ++t) {
    const VecF value = load_n(x + w.positions[t] * w.pixel_stride, n);
    best = select(is_nan(best), best, max(best, value));
  }
  store_n(y, best, n, false);
}

// The sum is NaN where a value is: one question a window, and the additions have ports of their
// own.
template <int taps, int registers>
TW_INLINE void max_of(const float* x, const PoolWindow& w, index_t n, float* y, bool past) {
  const index_t count = taps > 0 ? taps : w.count;
  VecF best[registers];
  VecF sum[registers];
  for (int v = 0; v < registers; ++v) {
    best[v] = load_n(x + w.positions[0] * w.pixel_stride + v * width, n);
    sum[v] = best[v];
  }
  for (index_t t = 1; t < count; ++t) {
    const float* src = x + w.positions[t] * w.pixel_stride;
    for (int v = 0; v < registers; ++v) {
      const VecF value = load_n(src + v * width, n);
      best[v] = max(best[v], value);
      sum[v] = sum[v] + value;
    }
  }
  VecF total = sum[0];
  for (int v = 1; v < registers; ++v) total = total + sum[v];
  for (int v = 0; v < registers; ++v) store_n(y + v * width, best[v], n, past);
  if (__builtin_expect(mask_bits(is_nan(total)) != 0, 0)) {
    for (int v = 0; v < registers; ++v) max_with_nan(x + v * width, w, n, y + v * width);
  }
}

template <int taps, bool places>
TW_INLINE void max_forward_of(const float* x, const PoolWindow& w, float* y, std::int32_t* argmax) {
  const bool past = w.past_caches && can_stream(y, w.pixel_stride, w.channels) &&
                    (!places || can_stream(argmax, w.pixel_stride, w.channels));
  each_output(x, w, [&](index_t pixel, index_t at) __attribute__((always_inline)) {
    const float* src = x + pixel * w.pixel_stride;
    each_channels(w.channels, [&](auto group, index_t c, index_t n) __attribute__((always_inline)) {
      constexpr int registers = decltype(group)::value;
      if constexpr (places) {
        max_and_place<taps, registers>(src + c, w, n, y + at + c, argmax + at + c,
                                       static_cast<std::int32_t>(pixel), past);
      } else {
        max_of<taps, registers>(src + c, w, n, y + at + c, past);
      }
    });
  });
}

void max_forward(const float* x, const PoolWindow& w, float* y, std::int32_t* argmax) {
  if (argmax) {
    if (w.count == 4) return max_forward_of<4, true>(x, w, y, argmax);
    if (w.count == 9) return max_forward_of<9, true>(x, w, y, argmax);
    return max_forward_of<0, true>(x, w, y, argmax);
  }
  if (w.count == 4) return max_forward_of<4, false>(x, w, y, argmax);
  if (w.count == 9) return max_forward_of<9, false>(x, w, y, argmax);
  max_forward_of<0, false>(x, w, y, argmax);
}

TW_INLINE index_t bits_set(std::uint32_t bits) { return __builtin_popcount(bits); }

template <int registers>
TW_INLINE index_t gather_of(const PoolGather& g, index_t pixel, index_t c, index_t n, float* dx,
                            bool past_caches) {
  const VecI here = set1i(g.first_position + static_cast<std::int32_t>(pixel));
  const std::uint32_t lanes = n == width ? 0xffffffffU : (1U << n) - 1U;
  index_t taken = 0;
  VecF sum[registers];
  for (int v = 0; v < registers; ++v) sum[v] = zero();
  for (index_t r = 0; r < g.rows; ++r) {
    for (index_t o = g.low[pixel]; o < g.high[pixel]; ++o) {
      const index_t at = o * g.pixel_stride + c;
      if (r + 1 == g.rows && o == g.low[pixel]) {  // the row that was not read before
        for (int v = 0; v < registers; ++v) {
          ask_far_ahead(reinterpret_cast<const float*>(g.argmax[r]) + at + v * width);
          ask_far_ahead(g.dy[r] + at + v * width);
        }
      }
      for (int v = 0; v < registers; ++v) {
        const Mask mine = load_n(g.argmax[r] + at + v * width, n) == here;
        taken += bits_set(mask_bits(mine) & lanes);
        sum[v] = select(mine, sum[v] + load_n(g.dy[r] + at + v * width, n), sum[v]);
      }
    }
  }
  for (int v = 0; v < registers; ++v) {
    store_n(dx + v * width, sum[v], n, past_caches);
  }
  return taken;
}

TW_INLINE index_t max_gather_of(const PoolGather& g, float* dx, bool past_caches) {
  index_t taken = 0;
  for (index_t i = 0; i < g.pixels; ++i) {
    float* pixel = dx + i * g.pixel_stride;
    each_channels(g.channels, [&](auto group, index_t c, index_t n) __attribute__((always_inline)) {
      taken += gather_of<decltype(group)::value>(g, i, c, n, pixel + c, past_caches);
    });
  }
  return taken;
}

index_t max_gather(const PoolGather& g, float* dx, bool past_caches) {
  if (past_caches && can_stream(dx, g.pixel_stride, g.channels)) return max_gather_of(g, dx, true);
  return max_gather_of(g, dx, false);
}

template <int taps, int registers>
TW_INLINE void average_of(const float* x, const PoolWindow& w, index_t n, float scale, float* y,
                          bool past) {
  const index_t count = taps > 0 ? taps : w.count;
  VecF sum[registers];
  for (int v = 0; v < registers; ++v) {
    sum[v] = load_n(x + w.positions[0] * w.pixel_stride + v * width, n);
  }
  for (index_t t = 1; t < count; ++t) {
    const float* src = x + w.positions[t] * w.pixel_stride;
    for (int v = 0; v < registers; ++v) sum[v] = sum[v] + load_n(src + v * width, n);
  }
  for (int v = 0; v < registers; ++v) store_n(y + v * width, sum[v] * set1(scale), n, past);
}

template <int taps>
TW_INLINE void average_forward_of(const float* x, const PoolWindow& w, float scale, float* y) {
  const bool past = w.past_caches && can_stream(y, w.pixel_stride, w.channels);
  each_output(x, w, [&](index_t pixel, index_t at) __attribute__((always_inline)) {
    const float* src = x + pixel * w.pixel_stride;
    each_channels(w.channels, [&](auto group, index_t c, index_t n) __attribute__((always_inline)) {
      average_of<taps, decltype(group)::value>(src + c, w, n, scale, y + at + c, past);
    });
  });
}

void average_forward(const float* x, const PoolWindow& w, float scale, float* y) {
  if (w.count == 4) return average_forward_of<4>(x, w, scale, y);
  if (w.count == 9) return average_forward_of<9>(x, w, scale, y);
  average_forward_of<0>(x, w, scale, y);
}

}  // namespace

const PoolKernels pooling_kernels{max_forward, max_gather, average_forward, stream_fence};

}  // namespace TW_ISA
}  // namespace tilewise
