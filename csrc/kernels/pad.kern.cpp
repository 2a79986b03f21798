#include "kernels/pad.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t W = VecF::width;

// Floats up to the next whole vector.
TW_INLINE index_t misaligned(const float* p) {
  const auto offset = static_cast<index_t>(reinterpret_cast<std::uintptr_t>(p) / sizeof(float));
  return (W - offset % W) % W;
}

void copy(const float* src, float* dst, index_t count, bool streaming) {
  index_t i = 0;
  if (streaming) {
    const index_t head = misaligned(dst);
    if (head + W <= count) {
      if (head > 0) store_partial(dst, load_partial(src, head), head);
      for (i = head; i + W <= count; i += W) stream(dst + i, load(src + i));
    }
  }
  for (; i + W <= count; i += W) store(dst + i, load(src + i));
  if (i < count) store_partial(dst + i, load_partial(src + i, count - i), count - i);
}

void add(const float* src, float* dst, index_t count) {
  index_t i = 0;
  for (; i + W <= count; i += W) store(dst + i, load(dst + i) + load(src + i));
  if (i == count) return;
  const index_t n = count - i;
  store_partial(dst + i, load_partial(dst + i, n) + load_partial(src + i, n), n);
}

void fence() { stream_fence(); }

}  // namespace

const PadKernels pad_kernels{copy, add, fence};

}  // namespace TW_ISA
}  // namespace tilewise
