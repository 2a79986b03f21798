#include "ops/dropout.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/dropout.h"
#include "ops/channel_rows.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ref/dropout.h"

namespace tilewise {
namespace {

constexpr index_t word = 64;    // elements that one mask word decides
constexpr index_t block = 128;  // elements that the counters below decide
constexpr index_t counters = 16;

void check(const char* op, const Array& x, double p) {
  TW_CHECK_TYPE(is_floating(x.dtype()), op, ": expected a floating tensor, got ",
                name_of(x.dtype()));
  TW_CHECK(p >= 0 && p <= 1, op, ": expected a probability between 0 and 1, got ", p);
}

// y = x scale + kept, or x 0 + dropped.
struct Form {
  double scale;
  double kept;
  double dropped;
};

Form form_of(DropoutKind kind, double p) {
  if (p == 1) return {0, 0, 0};
  if (kind == DropoutKind::zero) return {1 / (1 - p), 0, 0};
  constexpr double limit = 1.7580993408473766;  // minus the limit of SELU at -infinity
  const double scale = 1 / std::sqrt((limit * limit * p + 1) * (1 - p));
  const double kept = limit * scale * p;
  return {scale, kept, kept - limit * scale};
}

index_t mask_words(index_t elements) { return ceil_div(elements, word); }

std::uint64_t counter_of(RandomPosition position, index_t element) {
  return position.counter + static_cast<std::uint64_t>(element / block * counters);
}

// One of two numbers for each decision of a flat range.
Array draw_choices(const Dims& shape, DType dtype, double p, RandomPosition position, double kept,
                   double dropped) {
  Array choices = Array::empty(shape, dtype);
  const index_t count = choices.size();
  const std::uint32_t threshold = ref::dropout_threshold(p);
  for (index_t i = 0; i < count; i += word) {
    const std::uint64_t mask =
        ref::dropout_mask(position.seed, position.counter, i / word, threshold);
    for (index_t j = i; j < std::min(i + word, count); ++j) {
      const double value = (mask >> (j - i) & 1U) != 0 ? kept : dropped;
      if (dtype == DType::float32) {
        choices.data<float>()[j] = static_cast<float>(value);
      } else {
        choices.data<double>()[j] = value;
      }
    }
  }
  return choices;
}

// y[n, c, ...] = x[n, c, ...] * factors[n, c] + shifts[n, c], which may be undefined.
Array scale_channels(const Array& input, const Array& factors, const Array& shifts) {
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
    const index_t v = n * channels;
    if (x.dtype() == DType::float32) {
      kernel(x.data<float>() + i, factors.data<float>() + v,
             shifts.defined() ? shifts.data<float>() + v : nullptr, rows, channels,
             y.data<float>() + i);
      return;
    }
    for (index_t j = 0; j < rows * channels; ++j) {
      const index_t c = v + j % channels;
      const double shift = shifts.defined() ? shifts.data<double>()[c] : 0.0;
      y.data<double>()[i + j] = x.data<double>()[i + j] * factors.data<double>()[c] + shift;
    }
  });
  return y;
}

Array apply_mask(const Array& dy, const Array& mask, double scale) {
  Array dx = empty_as(dy);
  const auto* words = reinterpret_cast<const std::uint64_t*>(mask.bytes());
  if (dy.dtype() == DType::float64) {
    ref::dropout_apply(dy.data<double>(), words, dy.size(), scale, dx.data<double>());
    return dx;
  }
  const auto kernel = dropout_kernels().backward;
  const auto factor = static_cast<float>(scale);
  const bool past_caches = larger_than_caches(dx);
  parallel_ranges(dy.size(), elementwise_grain, [&](index_t first, index_t last) {
    kernel(dy.data<float>() + first, words + first / word, last - first, factor,
           dx.data<float>() + first, past_caches);
  });
  return dx;
}

static_assert(elementwise_grain % block == 0, "pieces start at whole blocks");

}  // namespace

RandomPosition reserve_dropout(Generator& generator, index_t elements) {
  // A draw starts at a multiple of 32 counters, for kernels take two blocks at a time: the low word
  // never carries within them.
  const std::uint64_t before = generator.offset();
  constexpr std::uint64_t together = 2 * counters;
  const std::uint64_t first = (before + together - 1) / together * together;
  const auto used = static_cast<std::uint64_t>(ceil_div(elements, block) * counters);
  generator.reserve(first - before + used);
  return {generator.seed(), first};
}

DropoutResult dropout_forward(const Array& input, double p, RandomPosition position,
                              DropoutKind kind) {
  check("dropout", input, p);
  const Array x = channels_last(input);
  const index_t count = x.size();
  const index_t words = mask_words(count);
  const Form form = form_of(kind, p);
  DropoutResult r{empty_as(x), Array::empty({words * 8}, DType::uint8)};
  auto* mask = reinterpret_cast<std::uint64_t*>(r.mask.bytes());
  const std::uint32_t threshold = ref::dropout_threshold(p);
  if (x.dtype() == DType::float64) {
    for (index_t w = 0; w < words; ++w) {
      mask[w] = ref::dropout_mask(position.seed, position.counter, w, threshold);
    }
    ref::dropout_apply_shifted(x.data<double>(), mask, count, form.scale, form.kept, form.dropped,
                               r.y.data<double>());
    return r;
  }
  const auto kernel = dropout_kernels().forward;
  const bool past_caches = larger_than_caches(r.y);
  parallel_ranges(count, elementwise_grain, [&](index_t first, index_t last) {
    const DropoutDraw draw{position.seed,
                           counter_of(position, first),
                           threshold,
                           static_cast<float>(form.scale),
                           static_cast<float>(form.kept),
                           static_cast<float>(form.dropped)};
    kernel(x.data<float>() + first, last - first, draw, r.y.data<float>() + first,
           mask + first / word, past_caches);
  });
  return r;
}

DropoutResult dropout_channels_forward(const Array& x, double p, RandomPosition position,
                                       DropoutKind kind) {
  check("dropout_channels", x, p);
  TW_CHECK(x.rank() >= 2, "dropout_channels: expected (N, C, spatial...), got shape ",
           to_string(x.shape()));
  const Form form = form_of(kind, p);
  const Dims shape = x.shape().slice(0, 2);
  const Array factors = draw_choices(shape, x.dtype(), p, position, form.scale, 0);
  const Array shifts = kind == DropoutKind::zero
                           ? Array()
                           : draw_choices(shape, x.dtype(), p, position, form.kept, form.dropped);
  return {scale_channels(x, factors, shifts), factors};
}

Array dropout_backward(const Array& grad_output, const Array& mask, double p, DropoutKind kind) {
  check("dropout_backward", grad_output, p);
  if (mask.dtype() == grad_output.dtype()) {
    TW_CHECK(grad_output.rank() >= 2 && mask.shape() == grad_output.shape().slice(0, 2),
             "dropout_backward: mask of shape ", to_string(mask.shape()),
             " for a gradient of shape ", to_string(grad_output.shape()));
    return scale_channels(grad_output, contiguous(mask), Array());
  }
  return apply_dropout_mask(grad_output, mask, form_of(kind, p).scale);
}

Array apply_dropout_mask(const Array& x, const Array& mask, double scale) {
  TW_CHECK_TYPE(mask.dtype() == DType::uint8,
                "dropout_backward: expected the mask of dropout_forward, got dtype ",
                name_of(mask.dtype()));
  const index_t bytes = mask_words(x.size()) * 8;
  TW_CHECK(mask.rank() == 1 && mask.extent(0) == bytes, "dropout_backward: expected a mask of ",
           bytes, " bytes for a gradient of shape ", to_string(x.shape()), ", got shape ",
           to_string(mask.shape()));
  const Array bits = contiguous(mask);
  // A view may start anywhere; words must not.
  const bool aligned = reinterpret_cast<std::uintptr_t>(bits.bytes()) % 8 == 0;
  return apply_mask(channels_last(x), aligned ? bits : clone(bits), scale);
}

}  // namespace tilewise
