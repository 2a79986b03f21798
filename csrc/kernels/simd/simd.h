// A small vector type for kernel files, one meaning on every instruction set.
//
//   VecF           a register of `VecF::width` floats
//   load store     unaligned; `_partial` forms touch the first n elements only (n in [0, width])
//   stream         a store past the caches to an aligned address; stream_fence() after the last
//   prefetch       a hint that a line will be read; prefetch_to_write that it will be written;
//                  prefetch_to_l2 that it will be read later
//   set1 zero      broadcast
//   fmadd(a, b, c) a * b + c, fused on AVX2 and AVX-512
//   inverse_sqrt   1 / sqrt(a)
//   permute        the lanes of a register in any order
//   Mask           the result of a comparison, consumed by select(mask, a, b) = mask ? a : b
//
// max(a, b) and min(a, b) return b where either is NaN, as the x86 instructions do: to let a NaN
// in x through a ReLU, write max(zero, x).
//
// Everything is in an unnamed namespace inside the ISA's namespace, so that no symbol of a kernel
// object can be merged with another ISA's copy by the linker.
#pragma once

#if !defined(TW_ISA) || !defined(TW_ISA_LEVEL)
#error "kernel files are compiled through tilewise_add_kernels(), which sets TW_ISA"
#endif

#include "base/index.h"

#define TW_INLINE inline __attribute__((always_inline))

namespace tilewise {
namespace TW_ISA {
namespace {

// Hints: the line will be read, or written, soon. Any address is allowed.
TW_INLINE void prefetch(const float* p) { __builtin_prefetch(p); }
TW_INLINE void prefetch_to_l2(const float* p) { __builtin_prefetch(p, 0, 2); }
TW_INLINE void prefetch_to_write(float* p) { __builtin_prefetch(p, 1); }

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise

#if TW_ISA_LEVEL == 2
#include "kernels/simd/avx512.h"
#elif TW_ISA_LEVEL == 1
#include "kernels/simd/avx2.h"
#else
#include "kernels/simd/portable.h"
#endif
