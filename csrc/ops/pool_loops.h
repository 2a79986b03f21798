// How pooling is cut into pieces for the threads: by the shape alone.
#pragma once

#include <algorithm>
#include <cstring>

#include "base/pool_windows.h"
#include "base/threads.h"
#include "kernels/pooling.h"

namespace tilewise {

// body(first output of the row's run, window, taps) for each run of output pixels in output row
// `row` of a sample (depth and height together) that have windows of one form at even distances.
template <typename Body>
void for_each_run(const PoolWindows& w, index_t row, index_t channels, PoolTaps& taps,
                  const Body& body) {
  const PoolAxis& axis = w.axes[2];
  for (index_t o = 0; o < axis.out;) {
    taps.visit(row * axis.out + o);
    const auto first = static_cast<std::size_t>(o);
    const index_t shift = o + 1 < axis.out ? axis.first[first + 1] - axis.first[first] : index_t{0};
    index_t run = 1;
    for (auto next = first + 1; next < axis.first.size(); ++next, ++run) {
      if (axis.count[next] != axis.count[first] || axis.padded[next] != axis.padded[first] ||
          axis.first[next] - axis.first[next - 1] != shift) {
        break;
      }
    }
    const PoolWindow window{taps.positions().data(),
                            static_cast<index_t>(taps.positions().size()),
                            run,
                            shift,
                            w.channels,
                            channels};
    body(row * axis.out + o, window);
    o += run;
  }
}

// Channels of a piece: all of them unless there are too few other pieces to share out.
inline index_t channel_block(const PoolWindows& w, index_t pieces) {
  constexpr index_t block = 64;  // four AVX-512 registers, two cache lines
  return pieces >= 16 || w.channels <= block ? w.channels : block;
}

// body(input offset, output offset, window, taps) for each run of output pixels, where offsets
// count elements and include the first channel of the piece.
template <typename Body>
void for_each_output(const PoolWindows& w, const Body& body) {
  const index_t sample_rows = w.axes[0].out * w.axes[1].out;
  const index_t rows = w.samples * sample_rows;
  const index_t reads = std::max<index_t>(1, w.in_pixels() / sample_rows) * w.channels;
  const index_t grain = std::max<index_t>(1, elementwise_grain / reads);
  const index_t groups = ceil_div(rows, grain);
  const index_t block = channel_block(w, groups);
  const index_t blocks = ceil_div(w.channels, block);
  parallel_for(groups * blocks, [&](index_t piece) {
    const index_t c = piece % blocks * block;
    const index_t channels = std::min(block, w.channels - c);
    const index_t first = piece / blocks * grain;
    const index_t last = std::min(first + grain, rows);
    PoolTaps taps(w);
    for (index_t row = first; row < last; ++row) {
      const index_t n = row / sample_rows;
      const index_t in = n * w.in_pixels() * w.channels + c;
      const index_t out = n * w.out_pixels() * w.channels + c;
      for_each_run(w, row % sample_rows, channels, taps, [&](index_t o, const PoolWindow& window) {
        body(in, out + o * w.channels, window, taps);
      });
    }
  });
}

// body(input offset, output offset, channels) for each sample and block of channels: the gradients
// of overlapping windows add up in the input's pixels, in the order of the outputs, on one thread.
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
