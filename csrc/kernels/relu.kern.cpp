#include "kernels/relu.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

void forward(const float* x, float* y, index_t count) {
  index_t i = 0;
  for (; i + VecF::width <= count; i += VecF::width) store(y + i, max(zero(), load(x + i)));
  store_partial(y + i, max(zero(), load_partial(x + i, count - i)), count - i);
}

void backward(const float* dy, const float* y, float* dx, index_t count) {
  index_t i = 0;
  for (; i + VecF::width <= count; i += VecF::width) {
    store(dx + i, select(load(y + i) > zero(), load(dy + i), zero()));
  }
  const index_t n = count - i;
  store_partial(dx + i, select(load_partial(y + i, n) > zero(), load_partial(dy + i, n), zero()),
                n);
}

}  // namespace

const ReluKernels relu_kernels{forward, backward};

}  // namespace TW_ISA
}  // namespace tilewise
