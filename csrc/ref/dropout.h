// Dropout (Srivastava et al. 2014), inverted: each element is set to zero with probability p and
// the others are multiplied by 1 / (1 - p), so that the expected value stays.
#pragma once

#include "base/random.h"
#include "base/types.h"

namespace tilewise::ref {

// What a random word must reach for its element to be kept.
inline std::uint32_t dropout_threshold(double p) {
  const double threshold = p * 0x1p32 + 0.5;
  return threshold < 0x1p32 ? static_cast<std::uint32_t>(threshold) : 0xffffffffU;
}

// Mask word `index` of a draw that starts at `counter`: the decisions for 64 elements, a bit each,
// set where the element is kept. A counter gives four random words, 16 counters serve two mask
// words: word j of counter i decides element 16 j + i of the first, and with its halves exchanged
// that of the second. So 16 bits of its own lead each decision, and the other's refine it.
inline std::uint64_t dropout_mask(std::uint64_t seed, std::uint64_t counter, index_t index,
                                  std::uint32_t threshold) {
  const std::uint64_t first = counter + static_cast<std::uint64_t>(index / 2 * 16);
  std::uint64_t bits = 0;
  for (int i = 0; i < 16; ++i) {
    const Philox4 words = philox4x32(seed, first + static_cast<std::uint64_t>(i));
    for (int j = 0; j < 4; ++j) {
      const std::uint32_t word = words.v[j];
      const std::uint32_t decision = index % 2 == 0 ? word : (word << 16) | (word >> 16);
      if (decision >= threshold) bits |= std::uint64_t{1} << (16 * j + i);
    }
  }
  return bits;
}

// y = x scale where the mask has a bit, else x 0 (which keeps a NaN visible).
template <typename T>
void dropout_apply(const T* x, const std::uint64_t* mask, index_t count, double scale, T* y) {
  for (index_t i = 0; i < count; ++i) {
    const bool kept = (mask[i / 64] >> (i % 64) & 1U) != 0;
    y[i] = static_cast<T>(x[i] * (kept ? scale : 0.0));
  }
}

// y = x scale + kept where the mask has a bit, else x 0 + dropped.
template <typename T>
void dropout_apply_shifted(const T* x, const std::uint64_t* mask, index_t count, double scale,
                           double kept, double dropped, T* y) {
  for (index_t i = 0; i < count; ++i) {
    const bool keep = (mask[i / 64] >> (i % 64) & 1U) != 0;
    y[i] = static_cast<T>(x[i] * (keep ? scale : 0.0) + (keep ? kept : dropped));
  }
}

}  // namespace tilewise::ref
