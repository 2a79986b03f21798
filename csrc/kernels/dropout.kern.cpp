#include "kernels/dropout.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/philox.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t block = 64;     // elements, bits of a mask word
constexpr index_t counters = 16;  // of a block
constexpr std::int32_t lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// The mask of one block: a bit where the upper 24 bits of a word reach p * 2^24.
TW_INLINE std::uint64_t keep_bits(std::uint64_t seed, std::uint64_t counter, VecF threshold) {
  std::uint64_t bits = 0;
  for (index_t first = 0; first < counters; first += VecI::width) {
    const auto low = static_cast<std::int32_t>(static_cast<std::uint32_t>(counter));
    const PhiloxWords words =
        philox(seed, set1i(low) + load_i(lanes + first), static_cast<std::uint32_t>(counter >> 32));
    for (int j = 0; j < 4; ++j) {
      const std::uint64_t kept = mask_bits(convert_f(shift_right<8>(words.v[j])) >= threshold);
      bits |= kept << (16 * j + first);
    }
  }
  return bits;
}

TW_INLINE VecF factor(std::uint64_t bits, index_t first, VecF scale) {
  return select(mask_from_bits(static_cast<std::uint32_t>(bits >> first)), scale, zero());
}

TW_INLINE void apply(const float* x, std::uint64_t bits, VecF scale, float* y) {
  for (index_t i = 0; i < block; i += VecF::width) {
    store(y + i, load(x + i) * factor(bits, i, scale));
  }
}

void apply_partial(const float* x, std::uint64_t bits, VecF scale, float* y, index_t count) {
  for (index_t i = 0; i < count; i += VecF::width) {
    const index_t n = count - i < VecF::width ? count - i : VecF::width;
    store_partial(y + i, load_partial(x + i, n) * factor(bits, i, scale), n);
  }
}

void forward(const float* x, index_t count, DropoutDraw draw, float* y, std::uint64_t* mask) {
  const VecF threshold = set1(draw.p * 0x1p24F);
  const VecF scale = set1(draw.scale);
  std::uint64_t counter = draw.counter;
  index_t i = 0;
  for (; i + block <= count; i += block, counter += counters) {
    const std::uint64_t bits = keep_bits(draw.seed, counter, threshold);
    mask[i / block] = bits;
    apply(x + i, bits, scale, y + i);
  }
  if (i < count) {
    const std::uint64_t bits = keep_bits(draw.seed, counter, threshold);
    mask[i / block] = bits;
    apply_partial(x + i, bits, scale, y + i, count - i);
  }
}

void backward(const float* dy, const std::uint64_t* mask, index_t count, float scale, float* dx) {
  const VecF s = set1(scale);
  index_t i = 0;
  for (; i + block <= count; i += block) apply(dy + i, mask[i / block], s, dx + i);
  if (i < count) apply_partial(dy + i, mask[i / block], s, dx + i, count - i);
}

void scale_channels(const float* x, const float* factors, index_t rows, index_t channels,
                    float* y) {
  for (index_t r = 0; r < rows; ++r, x += channels, y += channels) {
    index_t c = 0;
    for (; c + VecF::width <= channels; c += VecF::width) {
      store(y + c, load(x + c) * load(factors + c));
    }
    const index_t n = channels - c;
    store_partial(y + c, load_partial(x + c, n) * load_partial(factors + c, n), n);
  }
}

}  // namespace

const DropoutKernels dropout_kernels{forward, backward, scale_channels};

}  // namespace TW_ISA
}  // namespace tilewise
