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

// What is dropped: zero, with what is kept scaled by 1 / (1 - p); or, for `alpha`, the value that a
// SELU tends to, with both scaled and shifted so that mean 0 and variance 1 stay (Klambauer et al.
// 2017: alpha dropout).
enum class DropoutKind : std::uint8_t { zero, alpha };

// Drops each element with probability p. The mask holds a bit an element, in the order of memory of
// a channels-last array.
DropoutResult dropout_forward(const Array& x, double p, RandomPosition position,
                              DropoutKind kind = DropoutKind::zero);

// The same for whole channels of x (N, C, spatial...): the mask is (N, C) factors.
DropoutResult dropout_channels_forward(const Array& x, double p, RandomPosition position,
                                       DropoutKind kind = DropoutKind::zero);

// The gradient of either, by the mask it returned.
Array dropout_backward(const Array& dy, const Array& mask, double p,
                       DropoutKind kind = DropoutKind::zero);

// x * scale where the bits of a mask of dropout_forward's form are set, else x * 0.
Array apply_dropout_mask(const Array& x, const Array& mask, double scale);

}  // namespace tilewise
