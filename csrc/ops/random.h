// Random arrays. Each element is a pure function of (seed, counter), so a draw has the same bits at
// any thread count and on every machine.
#pragma once

#include "base/array.h"
#include "base/random.h"

namespace tilewise {

// The part of a generator's stream that one draw uses.
struct RandomStream {
  std::uint64_t seed;
  std::uint64_t counter;  // the first
};

enum class Draw : std::uint8_t { uniform, normal, integers, permutation, bernoulli };

// Reserves the counters that a draw of this shape uses.
RandomStream reserve(Generator& generator, Draw draw, const Dims& shape, DType dtype);

Array uniform(const Dims& shape, double low, double high, RandomStream stream, DType dtype);
Array normal(const Dims& shape, double mean, double deviation, RandomStream stream, DType dtype);
Array random_integers(const Dims& shape, std::int64_t low, std::int64_t high, RandomStream stream);
Array bernoulli(const Dims& shape, double probability, RandomStream stream, DType dtype);
// 0 ... n-1 in random order: Fisher-Yates.
Array permutation(index_t n, RandomStream stream);

}  // namespace tilewise
