// Plain loops without branches: the compiler turns each into vectors of the instruction set.
#include "kernels/augment.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

using Bytes = const std::uint8_t* __restrict;

TW_INLINE float clamped(float x, float bound) {
  x = x < 0.0F ? 0.0F : x;
  return x > bound ? bound : x;
}

TW_INLINE std::uint8_t to_byte(float x) {
  return static_cast<std::uint8_t>(static_cast<std::int32_t>(clamped(x + 0.5F, 255.0F)));
}

// ITU-R BT.601
TW_INLINE float luma(float red, float green, float blue) {
  return 0.299F * red + 0.587F * green + 0.114F * blue;
}

void normalize(Bytes x, const float* __restrict mean, const float* __restrict deviation,
               index_t count, float* __restrict y) {
  for (index_t i = 0; i < count; ++i) {
    y[i] = (static_cast<float>(x[i]) / 255.0F - mean[i]) / deviation[i];
  }
}

void combine_bytes(const std::uint8_t* const* rows, const float* weight, index_t taps,
                   index_t count, float* __restrict out) {
  if (taps % 2 == 1) {
    Bytes a = rows[0];
    const float u = weight[0];
    for (index_t i = 0; i < count; ++i) out[i] = u * static_cast<float>(a[i]);
  } else {
    Bytes a = rows[0];
    Bytes b = rows[1];
    const float u = weight[0];
    const float v = weight[1];
    for (index_t i = 0; i < count; ++i) {
      out[i] = u * static_cast<float>(a[i]) + v * static_cast<float>(b[i]);
    }
  }
  for (index_t r = taps % 2 == 1 ? 1 : 2; r < taps; r += 2) {
    Bytes a = rows[r];
    Bytes b = rows[r + 1];
    const float u = weight[r];
    const float v = weight[r + 1];
    for (index_t i = 0; i < count; ++i) {
      out[i] += u * static_cast<float>(a[i]) + v * static_cast<float>(b[i]);
    }
  }
}

// One register of the baseline: no wider one fits a pixel.
typedef float Pixel __attribute__((vector_size(16)));

TW_INLINE Pixel load_pixel(const float* p) {
  Pixel pixel;
  __builtin_memcpy(&pixel, p, sizeof(pixel));
  return pixel;
}

template <int channels>
TW_INLINE void along_pixels(const float* __restrict x, const ResampleTaps& t, float* __restrict y) {
  for (index_t o = 0; o < t.outputs; ++o) {
    const float* __restrict src = x + t.first[o] * channels;
    const float* __restrict weight = t.weight + t.begin[o];
    const index_t count = t.count[o];
    Pixel sum = weight[0] * load_pixel(src);
    for (index_t k = 1; k < count; ++k) sum += weight[k] * load_pixel(src + k * channels);
    __builtin_memcpy(y + o * channels, &sum, sizeof(sum));
  }
}

void along_colours(const float* x, const ResampleTaps& taps, index_t channels, float* y) {
  channels == 3 ? along_pixels<3>(x, taps, y) : along_pixels<4>(x, taps, y);
}

void round_bytes(const float* __restrict x, index_t count, std::uint8_t* __restrict y) {
  for (index_t i = 0; i < count; ++i) y[i] = to_byte(x[i]);
}

void blend_bytes(Bytes a, Bytes b, float weight, index_t count, std::uint8_t* __restrict y) {
  for (index_t i = 0; i < count; ++i) {
    y[i] = to_byte(weight * static_cast<float>(a[i]) + (1.0F - weight) * static_cast<float>(b[i]));
  }
}

void blend_floats(const float* a, const float* b, float weight, index_t count,
                  float* __restrict y) {
  for (index_t i = 0; i < count; ++i) y[i] = weight * a[i] + (1.0F - weight) * b[i];
}

void scale(float* __restrict x, index_t count, float factor, float offset, float bound) {
  for (index_t i = 0; i < count; ++i) x[i] = clamped(factor * x[i] + offset, bound);
}

void saturate(const ColourPlanes& planes, float factor) {
  float* __restrict red = planes.red;
  float* __restrict green = planes.green;
  float* __restrict blue = planes.blue;
  const float bound = planes.bound;
  for (index_t i = 0; i < planes.count; ++i) {
    const float grey = (1.0F - factor) * luma(red[i], green[i], blue[i]);
    red[i] = clamped(factor * red[i] + grey, bound);
    green[i] = clamped(factor * green[i] + grey, bound);
    blue[i] = clamped(factor * blue[i] + grey, bound);
  }
}

// The channel at `place` sixths of the circle (A. R. Smith, "Color gamut transform pairs", 1978).
TW_INLINE float channel(float place, float hue, float top, float range) {
  float k = place + hue;
  k = k >= 6.0F ? k - 6.0F : k;
  const float fall = 4.0F - k;
  k = k < fall ? k : fall;
  return top - range * clamped(k, 1.0F);
}

void turn_hue(const ColourPlanes& planes, float sixths) {
  float* __restrict red = planes.red;
  float* __restrict green = planes.green;
  float* __restrict blue = planes.blue;
  for (index_t i = 0; i < planes.count; ++i) {
    const float r = red[i];
    const float g = green[i];
    const float b = blue[i];
    const float rg = r > g ? r : g;
    const float low_rg = r > g ? g : r;
    const float top = rg > b ? rg : b;
    const float range = top - (low_rg < b ? low_rg : b);
    const float inverse = 1.0F / (range > 0.0F ? range : 1.0F);
    float hue = (r - g) * inverse + 4.0F;
    hue = top == g ? (b - r) * inverse + 2.0F : hue;
    hue = top == r ? (g - b) * inverse : hue;
    hue += sixths;
    hue = hue < 0.0F ? hue + 6.0F : hue;
    hue = hue >= 6.0F ? hue - 6.0F : hue;
    red[i] = channel(5.0F, hue, top, range);
    green[i] = channel(3.0F, hue, top, range);
    blue[i] = channel(1.0F, hue, top, range);
  }
}

double luma_sum(const ColourPlanes& planes) {
  constexpr index_t lanes = 8;
  double sums[lanes] = {};
  index_t i = 0;
  for (; i + lanes <= planes.count; i += lanes) {
    for (index_t k = 0; k < lanes; ++k) {
      sums[k] += luma(planes.red[i + k], planes.green[i + k], planes.blue[i + k]);
    }
  }
  double sum = 0.0;
  for (; i < planes.count; ++i) sum += luma(planes.red[i], planes.green[i], planes.blue[i]);
  for (const double part : sums) sum += part;
  return sum;
}

}  // namespace

const AugmentKernels augment_kernels{normalize,   combine_bytes, along_colours, round_bytes,
                                     blend_bytes, blend_floats,  scale,         saturate,
                                     turn_hue,    luma_sum};

}  // namespace TW_ISA
}  // namespace tilewise
