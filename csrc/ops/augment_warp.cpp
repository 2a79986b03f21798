// Affine maps of images: rotation, shift, scale and shear, by the inverse map from output pixels.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/threads.h"
#include "ops/augment_images.h"

namespace tilewise {
namespace {

template <typename T>
T rounded(float value) {
  if constexpr (std::is_same_v<T, std::uint8_t>) {
    return static_cast<T>(std::clamp(value + 0.5F, 0.0F, 255.0F));
  } else {
    return value;
  }
}

// Between the centres of the four pixels around (x, y); the border's pixels reach to the edge.
template <typename T>
void interpolate(const T* in, const Image& image, index_t channels, double x, double y, T* out) {
  const double left = std::floor(x - 0.5);
  const double top = std::floor(y - 0.5);
  const auto u = static_cast<float>(x - 0.5 - left);
  const auto v = static_cast<float>(y - 0.5 - top);
  const auto x0 = std::max<index_t>(0, static_cast<index_t>(left));
  const auto x1 = std::min<index_t>(image.width - 1, static_cast<index_t>(left) + 1);
  const auto y0 = std::max<index_t>(0, static_cast<index_t>(top));
  const auto y1 = std::min<index_t>(image.height - 1, static_cast<index_t>(top) + 1);
  const T* a = in + (y0 * image.width + x0) * channels;
  const T* b = in + (y0 * image.width + x1) * channels;
  const T* c = in + (y1 * image.width + x0) * channels;
  const T* d = in + (y1 * image.width + x1) * channels;
  for (index_t k = 0; k < channels; ++k) {
    const float upper = static_cast<float>(a[k]) + u * static_cast<float>(b[k] - a[k]);
    const float lower = static_cast<float>(c[k]) + u * static_cast<float>(d[k] - c[k]);
    out[k] = rounded<T>(upper + v * (lower - upper));
  }
}

template <typename T>
void warp(const Image& image, index_t channels, const double* m, bool bilinear, const T* fill,
          T* out) {
  const T* in = reinterpret_cast<const T*>(image.data);
  const auto width = static_cast<double>(image.width);
  const auto height = static_cast<double>(image.height);
  for (index_t r = 0; r < image.height; ++r) {
    for (index_t c = 0; c < image.width; ++c, out += channels) {
      const double x = m[0] * (double(c) + 0.5) + m[1] * (double(r) + 0.5) + m[2];
      const double y = m[3] * (double(c) + 0.5) + m[4] * (double(r) + 0.5) + m[5];
      if (!(x >= 0 && x < width && y >= 0 && y < height)) {
        std::copy_n(fill, channels, out);
      } else if (bilinear) {
        interpolate(in, image, channels, x, y, out);
      } else {
        const index_t at = static_cast<index_t>(y) * image.width + static_cast<index_t>(x);
        std::copy_n(in + at * channels, channels, out);
      }
    }
  }
}

}  // namespace

Array augment_warp(const ImageList& x, const Array& matrices, bool bilinear, const Fill& fill) {
  const char* op = "augment_warp";
  check_image_type(op, x);
  check_one_size(op, x);
  check_table(op, "matrices", matrices, DType::float64, {x.count(), 6});
  for (index_t i = 0; i < matrices.size(); ++i) {
    TW_CHECK(std::isfinite(matrices.data<double>()[i]), op, ": expected finite matrices, got ",
             matrices.data<double>()[i]);
  }
  const std::vector<std::byte> pixel = fill_pixel(op, fill, x);
  Array y = Array::empty(batch_shape(x), x.dtype);
  if (y.size() == 0) return y;
  const index_t elements = y.size() / x.count();
  parallel_for(x.count(), elements * x.count() * 8, [&](index_t n) {
    const Image& image = x.images[static_cast<std::size_t>(n)];
    const double* matrix = matrices.data<double>() + 6 * n;
    if (x.dtype == DType::uint8) {
      warp(image, x.channels, matrix, bilinear, reinterpret_cast<const std::uint8_t*>(pixel.data()),
           y.data<std::uint8_t>() + n * elements);
    } else {
      warp(image, x.channels, matrix, bilinear, reinterpret_cast<const float*>(pixel.data()),
           y.data<float>() + n * elements);
    }
  });
  return y;
}

}  // namespace tilewise
