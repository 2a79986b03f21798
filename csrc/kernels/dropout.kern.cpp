#include "kernels/dropout.h"

#include "kernels/simd/simd.h"
// After simd.h:
#include "kernels/simd/philox.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t word = 64;      // elements, bits of a mask word
constexpr index_t counters = 16;  // of two words
// Two blocks at a time.
constexpr index_t words = 4;
constexpr index_t pair = words * word;
constexpr index_t pair_counters = 2 * counters;
constexpr std::int32_t lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// The masks of two blocks.
struct Decisions {
  std::uint64_t words[4];
};
TW_INLINE Decisions decide(const PhiloxKeys& keys, std::uint64_t counter, VecI threshold) {
  constexpr int sets = 2;
  constexpr index_t w = VecI::width;
  Decisions d{{0, 0, 0, 0}};
  const VecI high = set1i(static_cast<std::int32_t>(static_cast<std::uint32_t>(counter >> 32)));
  const VecI start = set1i(static_cast<std::int32_t>(static_cast<std::uint32_t>(counter)));
  for (index_t i = 0; i < pair_counters; i += sets * w) {
    VecI low[sets];
    for (int s = 0; s < sets; ++s) {
      const index_t first = i + s * w;
      low[s] = start + load_i(lanes + first % counters) +
               set1i(static_cast<std::int32_t>(first / counters * counters));
    }
    PhiloxWords drawn[sets];
    philox(keys, low, high, drawn);
    for (int s = 0; s < sets; ++s) {
      const index_t first = i + s * w;
      std::uint64_t* of_block = d.words + 2 * (first / counters);
      for (int j = 0; j < 4; ++j) {
        const index_t shift = 16 * j + first % counters;
        const std::uint64_t kept = mask_bits(at_least(drawn[s].v[j], threshold));
        const std::uint64_t swapped = mask_bits(at_least(swap_halves(drawn[s].v[j]), threshold));
        of_block[0] |= kept << shift;
        of_block[1] |= swapped << shift;
      }
    }
  }
  return d;
}
TW_INLINE VecI threshold_of(const DropoutDraw& draw) {
  return set1i(static_cast<std::int32_t>(draw.threshold));
}

TW_INLINE VecF factor(std::uint64_t bits, index_t first, VecF scale) {
  return select(mask_from_bits(static_cast<std::uint32_t>(bits >> first)), scale, zero());
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
struct Scaled {
  VecF scale;
  TW_INLINE VecF apply(VecF x, std::uint64_t bits, index_t first) const {
    return x * factor(bits, first, scale);
  }
};

// Up to 64 elements by one mask word.
template <typename Form>
TW_INLINE void apply(const float* x, std::uint64_t bits, const Form& form, float* y,
                     bool streaming) {
  for (index_t i = 0; i < word; i += VecF::width) {
    const VecF value = form.apply(load(x + i), bits, i);
    if (streaming) {
      stream(y + i, value);
    } else {
      store(y + i, value);
    }
  }
}
template <typename Form>
TW_INLINE void apply_partial(const float* x, std::uint64_t bits, const Form& form, float* y,
                             index_t count) {
  for (index_t i = 0; i < count; i += VecF::width) {
    const index_t n = count - i < VecF::width ? count - i : VecF::width;
    store_partial(y + i, form.apply(load_partial(x + i, n), bits, i), n);
  }
}

void draw_mask(index_t count, DropoutDraw draw, std::uint64_t* mask) {
  const PhiloxKeys keys(draw.seed);
  const VecI threshold = threshold_of(draw);
  std::uint64_t counter = draw.counter;
  for (index_t i = 0; i < count; i += pair, counter += pair_counters) {
    const Decisions d = decide(keys, counter, threshold);
    for (index_t k = 0; k < words && k * word < count - i; ++k) mask[i / word + k] = d.words[k];
  }
}

template <typename Form>
void forward_as(const Form& f, const float* x, index_t count, const DropoutDraw& draw, float* y,
                std::uint64_t* mask, bool streaming) {
  const Form form = f;
  const PhiloxKeys keys(draw.seed);
  const VecI threshold = threshold_of(draw);
  std::uint64_t counter = draw.counter;
  index_t i = 0;
  for (; i + pair <= count; i += pair, counter += pair_counters) {
    const Decisions d = decide(keys, counter, threshold);
    for (index_t k = 0; k < words; ++k) {
      mask[i / word + k] = d.words[k];
      apply(x + i + k * word, d.words[k], form, y + i + k * word, streaming);
    }
  }
  if (i == count) return;
  const Decisions d = decide(keys, counter, threshold);
  for (index_t k = 0; k < words && i < count; ++k, i += word) {
    mask[i / word] = d.words[k];
    apply_partial(x + i, d.words[k], form, y + i, count - i < word ? count - i : word);
  }
}

TW_INLINE bool may_stream(bool wanted, const float* y) {
  return wanted && reinterpret_cast<std::uintptr_t>(y) % (VecF::width * sizeof(float)) == 0;
}

void forward(const float* x, index_t count, DropoutDraw draw, float* y, std::uint64_t* mask,
             bool wants_stream) {
  const bool streaming = may_stream(wants_stream, y);
  const VecF scale = set1(draw.scale);
  if (draw.kept_shift != 0.0F || draw.dropped_shift != 0.0F) {
    const Shifted form{scale, set1(draw.kept_shift), set1(draw.dropped_shift)};
    forward_as(form, x, count, draw, y, mask, streaming);
  } else {
    forward_as(Scaled{scale}, x, count, draw, y, mask, streaming);
  }
  if (streaming) stream_fence();
}

void backward(const float* dy, const std::uint64_t* mask, index_t count, float scale, float* dx,
              bool wants_stream) {
  const bool streaming = may_stream(wants_stream, dx);
  const Scaled form{set1(scale)};
  index_t i = 0;
  for (; i + word <= count; i += word) apply(dy + i, mask[i / word], form, dx + i, streaming);
  if (streaming) stream_fence();
  if (i < count) apply_partial(dy + i, mask[i / word], form, dx + i, count - i);
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
