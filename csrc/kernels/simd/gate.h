// GradientGate on registers. Include after kernels/simd/simd.h and kernels/epilogue.h.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

// A comparison with NaN is false: `upper` of NaN bounds nothing, and an output of NaN lets dy
// through. A slope of 0 gives 0 even where dy is infinite or NaN.
TW_INLINE VecF gated(VecF dy, VecF y, VecF upper, VecF slope) {
  const VecF closed = select(slope == zero(), zero(), dy * slope);
  const VecF below = select(y >= upper, closed, dy);
  return select(y <= zero(), closed, below);
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
