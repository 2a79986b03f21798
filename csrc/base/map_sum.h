// What the statistics add up.
#pragma once

#include "base/index.h"

namespace tilewise {

enum class MapSum : std::uint8_t { square, magnitude, nonzero };

// The mean of some numbers and the sum of their squared deviations from it.
struct CountedMoments {
  double count;
  double mean;
  double deviations;
};

// sum exp(x) = sum exp(origin), with the largest x as the origin: 0 where that is not finite.
struct ScaledSum {
  double origin;
  double sum;
};

}  // namespace tilewise
