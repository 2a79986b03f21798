// Runs of float32 random numbers, four for each counter of Philox (base/random.h).
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

struct CounterRun {
  std::uint64_t seed;
  std::uint64_t first;
  index_t count;
};

// out[4 i .. 4 i + 3] come from counter first + i. The bits are those of base/distributions.h on
// every instruction set.
struct RandomKernels {
  // min(low + u range, top)
  void (*uniform)(const CounterRun& run, double low, double range, float top, float* out);
  void (*normal)(const CounterRun& run, double mean, double deviation, float* out);
};
TW_KERNEL_TABLE(RandomKernels, random_kernels)

}  // namespace tilewise
