#pragma once

#include "base/array.h"
#include "base/random.h"

namespace tilewise {

struct DropoutResult {
  Array y;
  Array mask;  // for dropout_backward
};

// Where a draw starts in a stream of random numbers.
struct RandomPosition {
  std::uint64_t seed;
  std::uint64_t counter;
};

// Takes the random numbers for `elements` decisions out of the generator's stream.
RandomPosition reserve_dropout(Generator& generator, index_t elements);

// Zeroes each element with probability p and scales the others by 1 / (1 - p). The mask holds a bit
// an element, in the order of memory of a channels-last array.
DropoutResult dropout_forward(const Array& x, double p, RandomPosition position);

// The same for whole channels of x (N, C, spatial...): the mask is (N, C) factors.
DropoutResult dropout_channels_forward(const Array& x, double p, RandomPosition position);

// The gradient of either, by the mask it returned.
Array dropout_backward(const Array& dy, const Array& mask, double p);

}  // namespace tilewise
