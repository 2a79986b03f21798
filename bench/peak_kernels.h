// Inner loops of the peak measurement, compiled per ISA like the library's own kernels.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

// A loop of reads and writes and nothing else: register i of a stream lies i steps (floats) after
// its start; every write is of the largest of what was read.
struct StreamLoop {
  const float* reads[8];
  float* writes[4];
  int read_count;   // 0 to 8
  int write_count;  // 0 to 4
  index_t read_step;
  index_t write_step;
  index_t registers;  // of a stream
  bool past_caches;   // streaming stores
};

struct PeakKernels {
  // Independent chains of multiply-adds held in registers. Returns the operations done; `sink`
  // receives a value that depends on all of them.
  double (*multiply_add)(index_t rounds, float* sink);
  float (*read)(const float* x, index_t count);
  void (*copy)(const float* x, float* y, index_t count);
  // False where there is no loop of so many streams. Returns through `sink` what depends on them.
  bool (*move)(const StreamLoop& loop, float* sink);
  index_t width;  // of a register
};
TW_KERNEL_TABLE(PeakKernels, peak_kernels)

}  // namespace tilewise
