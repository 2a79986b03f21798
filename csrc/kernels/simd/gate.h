// GradientGate on registers. Include after kernels/simd/simd.h and kernels/epilogue.h.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

// A comparison with NaN is false: `upper` of NaN bounds nothing.
TW_INLINE VecF gated(VecF dy, VecF y, VecF upper, VecF slope) {
  const VecF below = select(y >= upper, dy * slope, dy);
  return select(y > zero(), below, dy * slope);
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
