// What this machine can do at most, measured by the binary that quotes percentages of it.
#pragma once

namespace tilewise::bench {

struct Peak {
  double gflops;     // float32 multiply-adds from registers, 2 operations each
  double read_gbps;  // summing an array larger than the last-level cache
  double copy_gbps;  // reading one such array and writing another; counts both directions
};

// For the active ISA and the current number of threads; measured once (about 0.3 s), the best of
// several rounds, since whatever disturbs a round can only make it slower.
const Peak& peak();

}  // namespace tilewise::bench
