// Dropout (Srivastava et al. 2014), inverted: each element is set to zero with probability p and
// the others are multiplied by 1 / (1 - p), so that the expected value stays.
#pragma once

#include "base/random.h"
#include "base/types.h"

namespace tilewise::ref {

// The decisions for 64 elements, a bit each, set where the element is kept. Counter i of the
// block's 16 gives four random words; word j decides element 16 j + i by its upper 24 bits.
inline std::uint64_t dropout_mask(std::uint64_t seed, std::uint64_t counter, float p) {
  std::uint64_t bits = 0;
  for (int i = 0; i < 16; ++i) {
    const Philox4 words = philox4x32(seed, counter + static_cast<std::uint64_t>(i));
    for (int j = 0; j < 4; ++j) {
      const float fraction = static_cast<float>(words.v[j] >> 8) * 0x1p-24F;
      if (fraction >= p) bits |= std::uint64_t{1} << (16 * j + i);
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
