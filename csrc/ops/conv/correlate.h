// Implicit im2col + GEMM: the engine of the forward pass and of the gradient for the input.
//
//   dst[n, o, j] = bias[j] + sum over taps t and channels c of
//                  src[n, o*step + t.offset, c] * B[t, c, j]
//
// The forward pass has step = stride and one tap per kernel position. The input gradient is, for
// each phase of input pixels modulo the stride, the same sum over dY with step 1 and the taps that
// reach the phase: no multiplication by inserted zeros (stride 1 has one phase: a correlation with
// the reflected kernel).
//
// Loops: piece = (image, plane, block of rows, block of columns, group of panels)  -> threads
//          strip of the input with padding written out                        -> L2
//          for each block of k
//            for each panel of output channels (block x panel floats)         -> L1
//              for each row and tile of at most max_rows pixels               -> registers
// Taps that are neighbours along the width and see contiguous floats (kw*C of them) are one run.
// Runs are reduced in blocks of about kReduction products, whose panel of B stays in L1 and which
// bound the rounding error; outputs wait in L2 between two blocks.
#pragma once

#include <vector>

#include "base/border.h"
#include "ops/conv/output_stage.h"

namespace tilewise {

struct CorrelateTap {
  index_t offset[3];  // input pixel relative to output pixel * step; may be negative
  index_t position;   // of the tap's filter in a packed panel
};

struct Correlate {
  index_t images;
  // Input: channels-last, `channels` of each pixel's `src_pixel` floats.
  const float* src;
  index_t src_extent[3];
  index_t src_pixel;
  index_t channels;
  index_t step[3];
  Border border;  // of src; zeros with a gate
  // Output pixels, in elements; a phase of a strided gradient is not dense.
  float* dst;
  index_t dst_extent[3];
  index_t dst_image;
  index_t dst_stride[3];
  index_t columns;
  std::vector<CorrelateTap> taps;
  const float* packed;  // [panel][tap position][channel][panel width]
  index_t packed_taps;
  GradientGate gate;         // through which src is read
  const OutputStage* stage;  // or null
  index_t channel;           // of the outputs' first column
  index_t first_piece;       // number that the stage knows the first piece by
};

void correlate(const Correlate& job);
// Temporary memory of each thread that works on the job.
index_t correlate_bytes_a_thread(const Correlate& job);
// Pieces that the stage sees.
index_t correlate_pieces(const Correlate& job);

}  // namespace tilewise
