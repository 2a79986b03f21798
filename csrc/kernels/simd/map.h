// Loops of functions of registers over contiguous ranges. Include after kernels/simd/simd.h.
//
// The function is compiled into a loop once: the choice between plain and streaming stores is a
// branch that is always right, and the tail goes through a buffer.
#pragma once

namespace tilewise {
namespace TW_ISA {
namespace {

TW_INLINE bool aligned_for_stream(const float* p) {
  return reinterpret_cast<std::uintptr_t>(p) % (VecF::width * sizeof(float)) == 0;
}

// y[i] = f(x[i]), `vectors` registers.
template <typename Function>
__attribute__((noinline)) void map_vectors(const float* x, float* y, index_t vectors,
                                           bool streaming, const Function& function) {
  const Function f = function;
  const index_t count = vectors * VecF::width;
  for (index_t i = 0; i < count; i += VecF::width) {
    const VecF v = f(load(x + i));
    if (streaming) {
      stream(y + i, v);
    } else {
      store(y + i, v);
    }
  }
}

// z[i] = f(x[i], y[i]).
template <typename Function>
__attribute__((noinline)) void map2_vectors(const float* x, const float* y, float* z,
                                            index_t vectors, bool streaming,
                                            const Function& function) {
  const Function f = function;
  const index_t count = vectors * VecF::width;
  for (index_t i = 0; i < count; i += VecF::width) {
    const VecF v = f(load(x + i), load(y + i));
    if (streaming) {
      stream(z + i, v);
    } else {
      store(z + i, v);
    }
  }
}

template <typename Function>
TW_INLINE void map(const float* x, float* y, index_t count, bool stream, const Function& f) {
  const bool streaming = stream && aligned_for_stream(y);
  const index_t vectors = count / VecF::width;
  map_vectors(x, y, vectors, streaming, f);
  if (streaming) stream_fence();
  const index_t done = vectors * VecF::width;
  if (done == count) return;
  float tail[VecF::width];
  store(tail, load_partial(x + done, count - done));
  map_vectors(tail, tail, 1, false, f);
  store_partial(y + done, load(tail), count - done);
}

template <typename Function>
TW_INLINE void map2(const float* x, const float* y, float* z, index_t count, bool stream,
                    const Function& f) {
  const bool streaming = stream && aligned_for_stream(z);
  const index_t vectors = count / VecF::width;
  map2_vectors(x, y, z, vectors, streaming, f);
  if (streaming) stream_fence();
  const index_t done = vectors * VecF::width;
  if (done == count) return;
  float tails[2][VecF::width];
  store(tails[0], load_partial(x + done, count - done));
  store(tails[1], load_partial(y + done, count - done));
  map2_vectors(tails[0], tails[1], tails[0], 1, false, f);
  store_partial(z + done, load(tails[0]), count - done);
}

}  // namespace
}  // namespace TW_ISA
}  // namespace tilewise
