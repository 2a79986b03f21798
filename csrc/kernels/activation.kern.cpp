// One pass each way: bound by memory for the piecewise linear ones, by the exponential for silu.
#include "kernels/activation.h"

#include "kernels/simd/simd.h"
//
#include "kernels/simd/gate.h"
#include "kernels/simd/math.h"
// After math.h, whose functions it uses.
#include "kernels/simd/activations.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t W = VecF::width;

template <typename Function>
TW_INLINE void map(const float* x, float* y, index_t count, bool streaming, Function f) {
  index_t i = 0;
  if (streaming && reinterpret_cast<std::uintptr_t>(y) % (W * sizeof(float)) == 0) {
    for (; i + W <= count; i += W) stream(y + i, f(load(x + i)));
    stream_fence();
  }
  for (; i + W <= count; i += W) store(y + i, f(load(x + i)));
  const index_t n = count - i;
  if (n > 0) store_partial(y + i, f(load_partial(x + i, n)), n);
}

void forward(const float* x, float* y, index_t count, Activation activation, float slope,
             bool streaming) {
  switch (activation) {
    case Activation::none:
      return map(x, y, count, streaming, None{});
    case Activation::relu:
      return map(x, y, count, streaming, Relu{});
    case Activation::relu6:
      return map(x, y, count, streaming, Relu6{});
    case Activation::leaky_relu:
      return map(x, y, count, streaming, LeakyRelu{set1(slope)});
    case Activation::silu:
      return map(x, y, count, streaming, Silu{});
    case Activation::hardswish:
      return map(x, y, count, streaming, Hardswish{});
  }
}

struct Gate {
  VecF upper;
  VecF slope;
  TW_INLINE VecF operator()(VecF dy, VecF x) const { return gated(dy, x, upper, slope); }
};

template <typename Gradient>
TW_INLINE void map_gradient(const float* dy, const float* x, float* dx, index_t count, Gradient f) {
  index_t i = 0;
  for (; i + W <= count; i += W) store(dx + i, f(load(dy + i), load(x + i)));
  const index_t n = count - i;
  if (n > 0) store_partial(dx + i, f(load_partial(dy + i, n), load_partial(x + i, n)), n);
}

void backward(const float* dy, const float* x, float* dx, index_t count, Activation activation,
              float slope) {
  const VecF unbounded = set1(__builtin_nanf(""));
  switch (activation) {
    case Activation::none:
      return map(dy, dx, count, false, None{});
    case Activation::relu:
      return map_gradient(dy, x, dx, count, Gate{unbounded, zero()});
    case Activation::relu6:
      return map_gradient(dy, x, dx, count, Gate{set1(6.0F), zero()});
    case Activation::leaky_relu:
      return map_gradient(dy, x, dx, count, Gate{unbounded, set1(slope)});
    case Activation::silu:
      return map_gradient(dy, x, dx, count, SiluGradient{});
    case Activation::hardswish:
      return map_gradient(dy, x, dx, count, HardswishGradient{});
  }
}

}  // namespace

const ActivationKernels activation_kernels{forward, backward};

}  // namespace TW_ISA
}  // namespace tilewise
