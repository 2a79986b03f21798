#include "ops/dropout.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/dropout.h"
#include "ops/copy.h"
#include "ref/dropout.h"

namespace tilewise {
namespace {

constexpr index_t block = 64;     // elements that one mask word decides
constexpr index_t counters = 16;  // that this takes

void check(const char* op, const Array& x, double p) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating tensor, got ",
                name_of(x.dtype()));
  TW_CHECK(p >= 0 && p <= 1, op, ": expected a probability between 0 and 1, got ", p);
}

double scale_of(double p) { return p < 1 ? 1 / (1 - p) : 0; }

Array empty_as(const Array& x) {
  return x.rank() >= 3 ? Array::empty_channels_last(x.shape(), x.dtype())
                       : Array::empty(x.shape(), x.dtype());
}

index_t mask_words(index_t elements) { return ceil_div(elements, block); }

std::uint64_t counter_of(RandomPosition position, index_t element) {
  return position.counter + static_cast<std::uint64_t>(element / block * counters);
}

// Factors 0 or 1 / (1 - p) for a flat range.
Array draw_factors(const Dims& shape, DType dtype, double p, RandomPosition position) {
  Array factors = Array::empty(shape, dtype);
  const index_t count = factors.size();
  for (index_t i = 0; i < count; i += block) {
    const std::uint64_t mask =
        ref::dropout_mask(position.seed, counter_of(position, i), static_cast<float>(p));
    for (index_t j = i; j < std::min(i + block, count); ++j) {
      const double factor = (mask >> (j - i) & 1U) != 0 ? scale_of(p) : 0.0;
      if (dtype == DType::float32) {
        factors.data<float>()[j] = static_cast<float>(factor);
      } else {
        factors.data<double>()[j] = factor;
      }
    }
  }
  return factors;
}

// y[n, c, ...] = x[n, c, ...] * factors[n, c]
Array scale_channels(const Array& input, const Array& factors) {
  const Array x = channels_last(input);
  Array y = empty_as(x);
  if (x.size() == 0) return y;
  const index_t channels = x.extent(1);
  const index_t pixels = x.size() / (x.extent(0) * channels);
  const auto kernel = dropout_kernels().scale_channels;
  const index_t grain = std::max<index_t>(1, elementwise_grain / channels);
  const index_t parts = ceil_div(pixels, grain);
  parallel_for(x.extent(0) * parts, [&](index_t piece) {
    const index_t n = piece / parts;
    const index_t first = piece % parts * grain;
    const index_t rows = std::min(grain, pixels - first);
    const index_t i = (n * pixels + first) * channels;
    if (x.dtype() == DType::float32) {
      kernel(x.data<float>() + i, factors.data<float>() + n * channels, rows, channels,
             y.data<float>() + i);
      return;
    }
    const double* factor = factors.data<double>() + n * channels;
    for (index_t j = 0; j < rows * channels; ++j) {
      y.data<double>()[i + j] = x.data<double>()[i + j] * factor[j % channels];
    }
  });
  return y;
}

Array apply_mask(const Array& dy, const Array& mask, double p) {
  Array dx = empty_as(dy);
  const auto* words = reinterpret_cast<const std::uint64_t*>(mask.bytes());
  if (dy.dtype() == DType::float64) {
    ref::dropout_apply(dy.data<double>(), words, dy.size(), scale_of(p), dx.data<double>());
    return dx;
  }
  const auto kernel = dropout_kernels().backward;
  const auto scale = static_cast<float>(scale_of(p));
  parallel_ranges(dy.size(), elementwise_grain, [&](index_t first, index_t last) {
    kernel(dy.data<float>() + first, words + first / block, last - first, scale,
           dx.data<float>() + first);
  });
  return dx;
}

static_assert(elementwise_grain % block == 0, "pieces start at whole mask words");

}  // namespace

RandomPosition reserve_dropout(Generator& generator, index_t elements) {
  // Blocks start at multiples of 16 counters: the low word never carries within one.
  const std::uint64_t before = generator.offset();
  const std::uint64_t first = (before + counters - 1) / counters * counters;
  const auto used = static_cast<std::uint64_t>(mask_words(elements) * counters);
  generator.reserve(first - before + used);
  return {generator.seed(), first};
}

DropoutResult dropout_forward(const Array& input, double p, RandomPosition position) {
  check("dropout", input, p);
  const Array x = channels_last(input);
  const index_t count = x.size();
  const index_t words = mask_words(count);
  DropoutResult r{empty_as(x), Array::empty({words * 8}, DType::uint8)};
  auto* mask = reinterpret_cast<std::uint64_t*>(r.mask.bytes());
  if (x.dtype() == DType::float64) {
    for (index_t w = 0; w < words; ++w) {
      mask[w] =
          ref::dropout_mask(position.seed, counter_of(position, w * block), static_cast<float>(p));
    }
    ref::dropout_apply(x.data<double>(), mask, count, scale_of(p), r.y.data<double>());
    return r;
  }
  const auto kernel = dropout_kernels().forward;
  parallel_ranges(count, elementwise_grain, [&](index_t first, index_t last) {
    const DropoutDraw draw{position.seed, counter_of(position, first), static_cast<float>(p),
                           static_cast<float>(scale_of(p))};
    kernel(x.data<float>() + first, last - first, draw, r.y.data<float>() + first,
           mask + first / block);
  });
  return r;
}

DropoutResult dropout_channels_forward(const Array& x, double p, RandomPosition position) {
  check("dropout_channels", x, p);
  TW_CHECK(x.rank() >= 2, "dropout_channels: expected (N, C, spatial...), got shape ",
           to_string(x.shape()));
  const Array factors = draw_factors(x.shape().slice(0, 2), x.dtype(), p, position);
  return {scale_channels(x, factors), factors};
}

Array dropout_backward(const Array& grad_output, const Array& mask, double p) {
  check("dropout_backward", grad_output, p);
  if (mask.dtype() == grad_output.dtype()) {
    TW_CHECK(grad_output.rank() >= 2 && mask.shape() == grad_output.shape().slice(0, 2),
             "dropout_backward: mask of shape ", to_string(mask.shape()),
             " for a gradient of shape ", to_string(grad_output.shape()));
    return scale_channels(grad_output, contiguous(mask));
  }
  TW_CHECK_TYPE(mask.dtype() == DType::uint8,
                "dropout_backward: expected the mask of dropout_forward, got dtype ",
                name_of(mask.dtype()));
  const index_t bytes = mask_words(grad_output.size()) * 8;
  TW_CHECK(mask.rank() == 1 && mask.extent(0) == bytes, "dropout_backward: expected a mask of ",
           bytes, " bytes for a gradient of shape ", to_string(grad_output.shape()), ", got shape ",
           to_string(mask.shape()));
  const Array bits = contiguous(mask);
  // A view may start anywhere; words must not.
  const bool aligned = reinterpret_cast<std::uintptr_t>(bits.bytes()) % 8 == 0;
  return apply_mask(channels_last(grad_output), aligned ? bits : clone(bits), p);
}

}  // namespace tilewise
