// The first two moments of a run of numbers.
#pragma once

namespace tilewise {

// The mean of a run and the sum of its squared deviations from it; of those from zero where it was
// not centred.
struct Moments {
  double mean;
  double deviations;
};

}  // namespace tilewise
