// Blocks of sixteen counters: their words in registers, then loops of constant length in double
// that the compiler turns into vector code. This file is compiled without contraction of a * b + c:
// fused products would give other bits.
#include "kernels/random.h"

#include "base/distributions.h"
#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/philox.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t block = 16;  // counters

struct Words {
  std::uint32_t v[4][block];
};

TW_INLINE void draw(const PhiloxKeys& keys, std::uint64_t first, Words& words) {
  std::int32_t low[block];
  std::int32_t high[block];
  for (index_t i = 0; i < block; ++i) {
    const std::uint64_t counter = first + static_cast<std::uint64_t>(i);
    low[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(counter));
    high[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(counter >> 32));
  }
  for (index_t i = 0; i < block; i += VecI::width) {
    const VecI of_set[1] = {load_i(low + i)};
    PhiloxWords w[1];
    philox(keys, of_set, load_i(high + i), w);
    for (int j = 0; j < 4; ++j) {
      store_i(reinterpret_cast<std::int32_t*>(words.v[j] + i), w[0].v[j]);
    }
  }
}

// values(words, numbers[4][block]) for each block; the results go out in the order of the counters.
template <typename Values>
TW_INLINE void fill(const CounterRun& run, float* out, const Values& values) {
  const PhiloxKeys keys(run.seed);
  Words words;
  float numbers[4][block];
  float ordered[4 * block];
  for (index_t c = 0; c < run.count; c += block) {
    draw(keys, run.first + static_cast<std::uint64_t>(c), words);
    values(words, numbers);
    for (index_t i = 0; i < block; ++i) {
      for (index_t j = 0; j < 4; ++j) ordered[4 * i + j] = numbers[j][i];
    }
    const index_t count = run.count - c < block ? run.count - c : block;
    __builtin_memcpy(out + 4 * c, ordered, static_cast<std::size_t>(count) * 4 * sizeof(float));
  }
}

void uniform(const CounterRun& run, double low, double range, float top, float* out) {
  fill(run, out, [=](const Words& words, float (*numbers)[block]) __attribute__((always_inline)) {
    for (index_t j = 0; j < 4; ++j) {
      for (index_t i = 0; i < block; ++i) {
        const auto value = static_cast<float>(low + uniform24(words.v[j][i]) * range);
        numbers[j][i] = value < top ? value : top;
      }
    }
  });
}

void normal(const CounterRun& run, double mean, double deviation, float* out) {
  fill(run, out, [=](const Words& words, float (*numbers)[block]) __attribute__((always_inline)) {
    for (index_t j = 0; j < 4; j += 2) {
      for (index_t i = 0; i < block; ++i) {
        double x = 0;
        double y = 0;
        box_muller(words.v[j][i], words.v[j + 1][i], x, y);
        numbers[j][i] = static_cast<float>(mean + deviation * x);
        numbers[j + 1][i] = static_cast<float>(mean + deviation * y);
      }
    }
  });
}

}  // namespace

const RandomKernels random_kernels{uniform, normal};

}  // namespace TW_ISA
}  // namespace tilewise
