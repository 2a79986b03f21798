// Activations on registers, and their derivatives. Include after kernels/simd/simd.h and
// kernels/simd/math.h.
//
//   silu(v) = v / (1 + exp(-v))      hardswish(v) = v min(max(v + 3, 0), 6) / 6
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

struct None {
  TW_INLINE VecF operator()(VecF v) const { return v; }
};
struct Relu {
  TW_INLINE VecF operator()(VecF v) const { return max(zero(), v); }
};
struct Relu6 {
  TW_INLINE VecF operator()(VecF v) const { return min(set1(6.0F), max(zero(), v)); }
};
struct LeakyRelu {
  VecF slope;
  TW_INLINE VecF operator()(VecF v) const { return select(v > zero(), v, v * slope); }
};
struct Silu {
  TW_INLINE VecF operator()(VecF v) const { return v * sigmoid(v); }
};
struct Hardswish {
  TW_INLINE VecF operator()(VecF v) const {
    const VecF inner = min(set1(6.0F), max(zero(), v + set1(3.0F)));
    return v * inner * set1(1.0F / 6.0F);
  }
};

// dy times the derivative at x.
struct SiluGradient {
  TW_INLINE VecF operator()(VecF dy, VecF x) const {
    const VecF s = sigmoid(x);
    return dy * s * fmadd(x, set1(1.0F) - s, set1(1.0F));
  }
};
struct HardswishGradient {
  TW_INLINE VecF operator()(VecF dy, VecF x) const {
    const VecF inside = dy * fmadd(x, set1(1.0F / 3.0F), set1(0.5F));
    const VecF above = select(x < set1(3.0F), inside, dy);
    return select(x <= set1(-3.0F), zero(), above);
  }
};

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
