// Brightness, contrast, saturation and hue, on planes of floats in the range of the input; the
// result is rounded once, however many of the four an image gets.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/augment.h"
#include "ops/augment_images.h"

namespace tilewise {
namespace {

constexpr index_t properties = 4;  // brightness, contrast, saturation, hue

void adjust(const ColourPlanes& planes, index_t property, double factor, bool grey) {
  const AugmentKernels& k = augment_kernels();
  const auto f = static_cast<float>(factor);
  const index_t values = grey ? planes.count : 3 * planes.count;  // the planes are neighbours
  if (property == 0) {
    k.scale(planes.red, values, f, 0.0F, planes.bound);
  } else if (property == 1) {
    const double mean = k.luma_sum(planes) / static_cast<double>(planes.count);
    k.scale(planes.red, values, f, static_cast<float>((1.0 - factor) * mean), planes.bound);
  } else if (!grey && property == 2) {
    k.saturate(planes, f);
  } else if (!grey) {
    k.turn_hue(planes, 6.0F * f);
  }
}

template <typename T>
void split(const T* pixels, index_t count, index_t channels, float* planes) {
  for (index_t i = 0; i < count; ++i) {
    for (index_t c = 0; c < channels; ++c) {
      planes[c * count + i] = static_cast<float>(pixels[i * channels + c]);
    }
  }
}

template <typename T>
void join(const float* planes, index_t count, index_t channels, T* pixels) {
  for (index_t i = 0; i < count; ++i) {
    for (index_t c = 0; c < channels; ++c) {
      const float value = planes[c * count + i];
      if constexpr (std::is_same_v<T, std::uint8_t>) {
        pixels[i * channels + c] = static_cast<T>(value + 0.5F);  // values lie in [0, 255]
      } else {
        pixels[i * channels + c] = value;
      }
    }
  }
}

void check_factors(const char* op, const ImageList& x, const Array& factors, const Array& order) {
  check_table(op, "factors", factors, DType::float64, {x.count(), properties});
  check_table(op, "order", order, DType::int64, {x.count(), properties});
  for (index_t i = 0; i < x.count() * properties; ++i) {
    const double f = factors.data<double>()[i];
    const std::int64_t o = order.data<std::int64_t>()[i];
    const bool hue = i % properties == properties - 1;
    TW_CHECK(std::isnan(f) || (hue ? f >= -0.5 && f <= 0.5 : f >= 0 && std::isfinite(f)), op,
             ": expected factors >= 0 and hues in [-0.5, 0.5], got ", f);
    TW_CHECK(o >= 0 && o < properties, op, ": expected an order of 0...3, got ", o);
  }
}

template <typename T>
void adjust_image(const Image& image, index_t channels, const double* factors,
                  const std::int64_t* order, T* out) {
  const index_t count = image.height * image.width;
  Scratch<float> values(static_cast<std::size_t>(count * channels));
  float* data = values.data();
  split(reinterpret_cast<const T*>(image.data), count, channels, data);
  const bool grey = channels == 1;
  const ColourPlanes planes{data, grey ? data : data + count, grey ? data : data + 2 * count, count,
                            sizeof(T) == 1 ? 255.0F : 1.0F};
  for (index_t step = 0; step < properties; ++step) {
    const double factor = factors[order[step]];
    if (!std::isnan(factor)) adjust(planes, order[step], factor, grey);
  }
  join(data, count, channels, out);
}

}  // namespace

Array augment_colour(const ImageList& x, const Array& factors, const Array& order) {
  const char* op = "augment_colour";
  check_image_type(op, x);
  check_one_size(op, x);
  TW_CHECK(x.channels == 1 || x.channels == 3, op, ": expected images of 1 or 3 channels, got ",
           x.channels);
  check_factors(op, x, factors, order);
  Array y = Array::empty(batch_shape(x), x.dtype);
  if (y.size() == 0) return y;
  const index_t elements = y.size() / x.count();
  parallel_for(x.count(), elements * x.count() * 8, [&](index_t n) {
    const Image& image = x.images[static_cast<std::size_t>(n)];
    const double* factor = factors.data<double>() + n * properties;
    const std::int64_t* step = order.data<std::int64_t>() + n * properties;
    if (x.dtype == DType::uint8) {
      adjust_image(image, x.channels, factor, step, y.data<std::uint8_t>() + n * elements);
    } else {
      adjust_image(image, x.channels, factor, step, y.data<float>() + n * elements);
    }
  });
  return y;
}

}  // namespace tilewise
