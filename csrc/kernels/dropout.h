// Dropout of float32 ranges, with masks of one bit an element.
//
// Elements come in blocks of 128, which use 16 counters of Philox: word j of the block's counter i
// decides elements 16 j + i and, its halves exchanged, 64 + 16 j + i, so that registers of any
// width make the same mask (csrc/ref/dropout.h).
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

struct DropoutDraw {
  std::uint64_t seed;
  std::uint64_t counter;    // of the first element; a multiple of 32
  std::uint32_t threshold;  // what is kept reaches it
  float scale;              // of what is kept
  float kept_shift;         // added to what is kept
  float dropped_shift;      // and to what is dropped
};

struct DropoutKernels {
  // `stream`: the result is larger than the caches; stores go past them where it is aligned.
  // y = x * scale + kept_shift where the element is kept, else x * 0 + dropped_shift. Writes
  // ceil(count / 64) words of mask.
  void (*forward)(const float* x, index_t count, DropoutDraw draw, float* y, std::uint64_t* mask,
                  bool stream);
  // The mask alone.
  void (*draw)(index_t count, DropoutDraw draw, std::uint64_t* mask);
  // dx = dy * scale where the mask has a bit, else dy * 0.
  void (*backward)(const float* dy, const std::uint64_t* mask, index_t count, float scale,
                   float* dx, bool stream);
  // y[r][c] = x[r][c] * factor[c] + shift[c]; without shifts where that is null
  void (*scale_channels)(const float* x, const float* factor, const float* shift, index_t rows,
                         index_t channels, float* y);
};
TW_KERNEL_TABLE(DropoutKernels, dropout_kernels)

}  // namespace tilewise
