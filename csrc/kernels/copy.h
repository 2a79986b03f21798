// Copies that a loop over elements would do slowly: past the caches, permuted, transposed.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// dst[r * dst_row + c] = src[r + c * src_col]: rows of the result are contiguous, and so are
// columns of it in the source.
struct TransposeBlock {
  const float* src;
  float* dst;
  index_t rows;
  index_t cols;
  index_t dst_row;
  index_t src_col;
  bool stream = false;  // the result is larger than the caches: store past them where aligned
};

// A register of the result takes lanes of a few registers of the source, step by step.
struct PermuteSteps {
  const std::int32_t* begin;  // registers + 1: the first step of each
  const index_t* base;        // per step: where its register starts in the source
  const std::uint32_t* mask;  // per step: the lanes that it gives
  const std::int32_t* lane;   // width per step
  index_t length;             // floats of a run of the result
  const index_t* line;        // where the cache lines of a run begin in the source, `lines` of them
  index_t lines;
};

// Runs alike, at even distances in the source and in the result.
struct PermuteRuns {
  const float* src;
  float* dst;
  index_t runs;
  index_t src_step;
  index_t dst_step;
  bool stream = false;  // past the caches where aligned
  index_t ahead = 0;    // how many runs ahead the source is asked for; 0: never
};

// Rows of whole, aligned cache lines, stored past the caches.
struct LineRows {
  const float* src;
  float* dst;
  index_t rows;
  index_t cols;
  index_t src_row;
  index_t dst_row;
  index_t ahead;      // as in PermuteRuns, in rows
  const float* next;  // the row that will be read after the last
};

// z[i] = flags[i] ? a[i] : b[i]; a or b may be one number for all i.
struct SelectRow {
  const std::uint8_t* flags;
  const float* a;
  const float* b;
  float* z;
  index_t count;
  bool a_repeats;
  bool b_repeats;
  bool stream;
};

constexpr index_t most_spread = 8;

struct CopyKernels {
  index_t width;  // lanes of a register
  void (*transpose)(const TransposeBlock& block);
  void (*permute)(const PermuteSteps& steps, const PermuteRuns& runs);
  void (*stream_rows)(const LineRows& rows);
  // Contiguous ranges, stored past the caches; fence() after the last.
  void (*stream)(const float* src, float* dst, index_t count);
  void (*fill)(float* dst, float value, index_t count, bool stream);
  // z[i * step] = x[i], and zeros between them and after the last; step is at most most_spread.
  // Past the caches where asked to and aligned.
  void (*spread)(const float* x, float* z, index_t count, index_t step, bool stream);
  void (*select)(const SelectRow& row);
  void (*fence)();
};
TW_KERNEL_TABLE(CopyKernels, copy_kernels)

}  // namespace tilewise
