// A register of a row that may end in it: n elements, or a whole register where n is its width or
// more; or, of two forms compiled apart, the partial one or the whole one. Kernel files include it
// after simd.h.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

TW_INLINE VecF load_n(const float* p, index_t n) {
  return n >= VecF::width ? load(p) : load_partial(p, n);
}

// The lanes past the end are `fill`.
TW_INLINE VecF load_filled(const float* p, index_t n, float fill) {
  if (n >= VecF::width) return load(p);
  return select(mask_from_bits((1U << n) - 1U), load_partial(p, n), set1(fill));
}

TW_INLINE void store_n(float* p, VecF a, index_t n) {
  if (n >= VecF::width) {
    store(p, a);
  } else {
    store_partial(p, a, n);
  }
}

// `past` the caches (a whole register, where can_stream() says so), or not.
TW_INLINE void store_n(float* p, VecF a, index_t n, bool past) {
  if (past) {
    stream(p, a);
  } else {
    store_n(p, a, n);
  }
}

TW_INLINE VecI load_n(const std::int32_t* p, index_t n) {
  return n >= VecI::width ? load_i(p) : load_partial_i(p, n);
}
TW_INLINE void store_n(std::int32_t* p, VecI a, index_t n, bool past) {
  if (past) {
    stream(reinterpret_cast<float*>(p), bit_cast_f(a));
  } else if (n >= VecI::width) {
    store_i(p, a);
  } else {
    store_partial_i(p, a, n);
  }
}

// Whether rows of `count` elements, `stride` apart, are whole registers at aligned addresses.
TW_INLINE bool can_stream(const void* p, index_t stride, index_t count) {
  return reinterpret_cast<std::uintptr_t>(p) % (VecF::width * sizeof(float)) == 0 &&
         stride % VecF::width == 0 && count % VecF::width == 0;
}

template <bool partial>
TW_INLINE VecF load_n(const float* p, index_t n) {
  return partial ? load_partial(p, n) : load(p);
}
template <bool partial>
TW_INLINE void store_n(float* p, VecF a, index_t n) {
  if (partial) {
    store_partial(p, a, n);
  } else {
    store(p, a);
  }
}

// Runs a step on every register of a row, the last one perhaps partial.
template <typename Step>
TW_INLINE void each_register(index_t count, const Step& step) {
  index_t i = 0;
  for (; i + VecF::width <= count; i += VecF::width) step.template run<false>(i, VecF::width);
  if (i < count) step.template run<true>(i, count - i);
}

TW_INLINE index_t smaller(index_t a, index_t b) { return a < b ? a : b; }

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
