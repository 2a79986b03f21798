#include "kernels/relu.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

TW_INLINE bool aligned(const float* p) {
  return reinterpret_cast<std::uintptr_t>(p) % (VecF::width * sizeof(float)) == 0;
}

void forward(const float* x, float* y, index_t count, bool streaming) {
  index_t i = 0;
  if (streaming && aligned(y)) {
    for (; i + VecF::width <= count; i += VecF::width) stream(y + i, max(zero(), load(x + i)));
    stream_fence();
  }
  for (; i + VecF::width <= count; i += VecF::width) store(y + i, max(zero(), load(x + i)));
  store_partial(y + i, max(zero(), load_partial(x + i, count - i)), count - i);
}

TW_INLINE VecF gated(VecF dy, VecF y) { return select(y > zero(), dy, zero()); }

void backward(const float* dy, const float* y, float* dx, index_t count, bool streaming) {
  index_t i = 0;
  if (streaming && aligned(dx)) {
    for (; i + VecF::width <= count; i += VecF::width) {
      stream(dx + i, gated(load(dy + i), load(y + i)));
    }
    stream_fence();
  }
  for (; i + VecF::width <= count; i += VecF::width) {
    store(dx + i, gated(load(dy + i), load(y + i)));
  }
  const index_t n = count - i;
  store_partial(dx + i, gated(load_partial(dy + i, n), load_partial(y + i, n)), n);
}

}  // namespace

const ReluKernels relu_kernels{forward, backward};

}  // namespace TW_ISA
}  // namespace tilewise
