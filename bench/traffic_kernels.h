// The memory traffic of optimizer steps without their arithmetic, compiled per ISA: what a step can
// reach at most.
#pragma once

#include "kernels/dispatch.h"

namespace tilewise {

struct TrafficKernels {
  // Reads `count` floats of each array and writes back those of all but the second. What is asked
  // for early is 0: nothing; 1: the lines after the next, to L1; 2: also far ahead, to L2.
  using Pass = void (*)(float* const* arrays, index_t count, int asked);
  Pass three;  // p, g and a momentum
  Pass four;   // p, g and two running means
  // Only reads four arrays.
  float (*read_four)(const float* const* arrays, index_t count);
};
TW_KERNEL_TABLE(TrafficKernels, traffic_kernels)

}  // namespace tilewise
