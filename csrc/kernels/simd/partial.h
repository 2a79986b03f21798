// A register of a row that may end in it: n elements, or a whole register where n is its width or
// more. Kernel files include it after simd.h.
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

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
