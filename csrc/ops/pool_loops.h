// How pooling is cut into pieces for the threads: by the shape alone.
#pragma once

#include <algorithm>
#include <cstring>

#include "base/pool_windows.h"
#include "base/threads.h"
#include "kernels/pooling.h"

namespace tilewise {

inline PoolWindow kernel_window(const PoolTaps& taps, index_t pixel_stride, index_t channels) {
  return {taps.positions().data(), static_cast<index_t>(taps.positions().size()), pixel_stride,
          channels};
}

// Channels of a piece: all of them unless there are too few other pieces to share out.
inline index_t channel_block(const PoolWindows& w, index_t pieces) {
  constexpr index_t block = 64;  // four AVX-512 registers, two cache lines
  return pieces >= 16 || w.channels <= block ? w.channels : block;
}

// body(input offset, output offset, window) for each output pixel of each sample, where offsets
// count elements and include the first channel of the piece.
template <typename Body>
void for_each_output(const PoolWindows& w, const Body& body) {
  const index_t outputs = w.samples * w.out_pixels();
  const index_t reads = std::max<index_t>(1, w.in_pixels() / w.out_pixels()) * w.channels;
  const index_t grain = std::max<index_t>(1, elementwise_grain / reads);
  const index_t groups = ceil_div(outputs, grain);
  const index_t block = channel_block(w, groups);
  const index_t blocks = ceil_div(w.channels, block);
  parallel_for(groups * blocks, [&](index_t piece) {
    const index_t c = piece % blocks * block;
    const index_t channels = std::min(block, w.channels - c);
    const index_t first = piece / blocks * grain;
    const index_t last = std::min(first + grain, outputs);
    PoolTaps taps(w);
    for (index_t i = first; i < last; ++i) {
      taps.visit(i % w.out_pixels());
      const index_t sample = i / w.out_pixels() * w.in_pixels();
      body(sample * w.channels + c, i * w.channels + c,
           kernel_window(taps, w.channels, channels), taps);
    }
  });
}

// body(input offset, output offset, channels) for each sample and block of channels: what scatters
// into the input's pixels and must stay on one thread.
template <typename Body>
void for_each_sample(const PoolWindows& w, const Body& body) {
  const index_t block = channel_block(w, w.samples);
  const index_t blocks = ceil_div(w.channels, block);
  const index_t cost = w.in_pixels() * block;
  const index_t grain = std::max<index_t>(1, elementwise_grain / cost);
  parallel_ranges(w.samples * blocks, grain, [&](index_t first, index_t last) {
    for (index_t i = first; i < last; ++i) {
      const index_t n = i / blocks;
      const index_t c = i % blocks * block;
      body(n * w.in_pixels() * w.channels + c, n * w.out_pixels() * w.channels + c,
           std::min(block, w.channels - c));
    }
  });
}

// Zeros the channels of a piece in every pixel of a sample.
inline void clear_sample(const PoolWindows& w, index_t channels, float* dx) {
  const auto bytes = static_cast<std::size_t>(channels) * sizeof(float);
  if (channels == w.channels) {
    std::memset(dx, 0, bytes * static_cast<std::size_t>(w.in_pixels()));
    return;
  }
  for (index_t i = 0; i < w.in_pixels(); ++i) std::memset(dx + i * w.channels, 0, bytes);
}

}  // namespace tilewise
