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
        philox(seed, set1i(low) + load_i(lanes + first),
               set1i(static_cast<std::int32_t>(static_cast<std::uint32_t>(counter >> 32))));
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

// x * scale + kept, or x * 0 + dropped.
struct Shifted {
  VecF scale;
  VecF kept;
  VecF dropped;
  TW_INLINE VecF apply(VecF x, std::uint64_t bits, index_t first) const {
    const Mask mask = mask_from_bits(static_cast<std::uint32_t>(bits >> first));
    return fmadd(x, select(mask, scale, zero()), select(mask, kept, dropped));
  }
};

void apply_shifted(const float* x, std::uint64_t bits, const Shifted& s, float* y, index_t count) {
  for (index_t i = 0; i < count; i += VecF::width) {
    if (count - i >= VecF::width) {
      store(y + i, s.apply(load(x + i), bits, i));
    } else {
      store_partial(y + i, s.apply(load_partial(x + i, count - i), bits, i), count - i);
    }
  }
}

void draw_mask(index_t count, DropoutDraw draw, std::uint64_t* mask) {
  const VecF threshold = set1(draw.p * 0x1p24F);
  std::uint64_t counter = draw.counter;
  for (index_t i = 0; i < count; i += block, counter += counters) {
    mask[i / block] = keep_bits(draw.seed, counter, threshold);
  }
}

void forward(const float* x, index_t count, DropoutDraw draw, float* y, std::uint64_t* mask) {
  const VecF threshold = set1(draw.p * 0x1p24F);
  const VecF scale = set1(draw.scale);
  const Shifted shifted{scale, set1(draw.kept_shift), set1(draw.dropped_shift)};
  const bool shifts = draw.kept_shift != 0.0F || draw.dropped_shift != 0.0F;
  std::uint64_t counter = draw.counter;
  for (index_t i = 0; i < count; i += block, counter += counters) {
    const std::uint64_t bits = keep_bits(draw.seed, counter, threshold);
    mask[i / block] = bits;
    const index_t n = count - i < block ? count - i : block;
    if (shifts) {
      apply_shifted(x + i, bits, shifted, y + i, n);
    } else if (n == block) {
      apply(x + i, bits, scale, y + i);
    } else {
      apply_partial(x + i, bits, scale, y + i, n);
    }
  }
}

void backward(const float* dy, const std::uint64_t* mask, index_t count, float scale, float* dx) {
  const VecF s = set1(scale);
  index_t i = 0;
  for (; i + block <= count; i += block) apply(dy + i, mask[i / block], s, dx + i);
  if (i < count) apply_partial(dy + i, mask[i / block], s, dx + i, count - i);
}

void scale_channels(const float* x, const float* factors, const float* shifts, index_t rows,
                    index_t channels, float* y) {
  for (index_t r = 0; r < rows; ++r, x += channels, y += channels) {
    index_t c = 0;
    for (; c + VecF::width <= channels; c += VecF::width) {
      const VecF scaled = load(x + c) * load(factors + c);
      store(y + c, shifts ? scaled + load(shifts + c) : scaled);
    }
    const index_t n = channels - c;
    const VecF scaled = load_partial(x + c, n) * load_partial(factors + c, n);
    store_partial(y + c, shifts ? scaled + load_partial(shifts + c, n) : scaled, n);
  }
}

}  // namespace

const DropoutKernels dropout_kernels{forward, draw_mask, backward, scale_channels};

}  // namespace TW_ISA
}  // namespace tilewise
