// Resampling of boxes: the filter is stretched by the factor by which an axis shrinks, so that
// every pixel of the input counts (P. S. Heckbert, "Fundamentals of texture mapping and image
// warping", 1989). Output rows are made one at a time: input rows are summed down the columns, then
// that row along itself, so what lies between stays in the first-level cache.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/augment.h"
#include "kernels/resample.h"
#include "ops/augment_images.h"

namespace tilewise {
namespace {

double triangle(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

// R. Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -1/2.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

// The taps of one axis: output o sums input pixels first[o], first[o] + 1, ...
struct Axis {
  std::vector<std::int32_t> first;
  std::vector<std::int32_t> count;
  std::vector<std::int32_t> begin;
  std::vector<float> weight;

  ResampleTaps taps() const {
    return {first.data(), count.data(), begin.data(), weight.data(),
            static_cast<index_t>(first.size())};
  }
  void mirror() {
    std::reverse(first.begin(), first.end());
    std::reverse(count.begin(), count.end());
    std::reverse(begin.begin(), begin.end());
  }
};

void add_taps(Axis& axis, double center, double support, double shrink, index_t in,
              double (*filter)(double), std::vector<double>& values) {
  const auto low = std::max<index_t>(0, static_cast<index_t>(center - support + 0.5));
  const auto high = std::clamp<index_t>(static_cast<index_t>(center + support + 0.5), low + 1, in);
  values.clear();
  double total = 0;
  for (index_t i = low; i < high; ++i) {
    values.push_back(filter((static_cast<double>(i) - center + 0.5) / shrink));
    total += values.back();
  }
  axis.first.push_back(static_cast<std::int32_t>(low));
  axis.count.push_back(static_cast<std::int32_t>(high - low));
  axis.begin.push_back(static_cast<std::int32_t>(axis.weight.size()));
  for (const double v : values) {
    axis.weight.push_back(total != 0 ? static_cast<float>(v / total) : 1.0F);
  }
}

Axis axis_of(index_t in, index_t out, Resize how) {
  Axis axis;
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const bool nearest = how.filter == ResizeFilter::nearest;
  const double shrink = how.antialias && !nearest ? std::max(1.0, scale) : 1.0;
  const double support = how.filter == ResizeFilter::bicubic ? 2.0 * shrink : shrink;
  std::vector<double> values;
  for (index_t o = 0; o < out; ++o) {
    const double center = (static_cast<double>(o) + 0.5) * scale;
    if (nearest) {
      const auto at = std::min(in - 1, static_cast<index_t>(center));
      axis.first.push_back(static_cast<std::int32_t>(at));
      axis.count.push_back(1);
      axis.begin.push_back(0);
      continue;
    }
    add_taps(axis, center, support, shrink, in,
             how.filter == ResizeFilter::bicubic ? cubic : triangle, values);
  }
  if (nearest) axis.weight.push_back(1.0F);
  return axis;
}

struct Task {
  const Image* image;
  const std::int64_t* box;  // top, left, height, width; null: all of the image
  bool flip;
  index_t height;
  index_t width;
  std::byte* out;
};

void combine(const ImageList& x, const std::vector<const std::byte*>& rows, const float* weight,
             index_t length, float* out) {
  const auto taps = static_cast<index_t>(rows.size());
  if (x.dtype == DType::uint8) {
    augment_kernels().combine_bytes(reinterpret_cast<const std::uint8_t* const*>(rows.data()),
                                    weight, taps, length, out);
  } else {
    resample_kernels().combine(reinterpret_cast<const float* const*>(rows.data()), weight, taps,
                               {1, length, 0}, out);
  }
}

void resize_one(const ImageList& x, const Task& task, Resize how, const RowEnd& end) {
  const index_t top = task.box != nullptr ? task.box[0] : 0;
  const index_t left = task.box != nullptr ? task.box[1] : 0;
  const index_t in_height = task.box != nullptr ? task.box[2] : task.image->height;
  const index_t in_width = task.box != nullptr ? task.box[3] : task.image->width;
  const Axis down = axis_of(in_height, task.height, how);
  Axis across = axis_of(in_width, task.width, how);
  if (task.flip) across.mirror();
  const auto pixel = x.channels * static_cast<index_t>(itemsize(x.dtype));
  const index_t length = in_width * x.channels;
  const index_t out_length = task.width * x.channels;
  constexpr std::size_t behind = 4;  // floats that along_colours touches beyond a row
  Scratch<float> columns(static_cast<std::size_t>(length) + behind);
  Scratch<float> sums(static_cast<std::size_t>(out_length) + behind);
  Scratch<std::uint8_t> bytes(static_cast<std::size_t>(out_length));
  std::fill_n(columns.data() + length, behind, 0.0F);
  std::vector<const std::byte*> rows;
  for (index_t o = 0; o < task.height; ++o) {
    const auto at = static_cast<std::size_t>(o);
    rows.clear();
    for (std::int32_t k = 0; k < down.count[at]; ++k) {
      rows.push_back(task.image->data +
                     ((top + down.first[at] + k) * task.image->width + left) * pixel);
    }
    combine(x, rows, down.weight.data() + down.begin[at], length, columns.data());
    if (x.channels == 3 || x.channels == 4) {
      augment_kernels().along_colours(columns.data(), across.taps(), x.channels, sums.data());
    } else {
      resample_kernels().along(columns.data(), x.channels, across.taps(), x.channels, sums.data(),
                               x.channels, false);
    }
    if (x.dtype == DType::float32) {
      std::copy_n(sums.data(), out_length, reinterpret_cast<float*>(task.out) + o * out_length);
      continue;
    }
    auto* out = end.normalizes() ? bytes.data()
                                 : reinterpret_cast<std::uint8_t*>(task.out) + o * out_length;
    augment_kernels().round_bytes(sums.data(), out_length, out);
    if (end.normalizes()) {
      end.normalize(out, reinterpret_cast<float*>(task.out) + o * out_length);
    }
  }
}

void check_side(const char* op, index_t side) {
  constexpr index_t most = index_t{1} << 24;
  TW_CHECK(side >= 1 && side <= most, op, ": expected sizes in 1...", most, ", got ", side);
}

void check_boxes(const char* op, const ImageList& x, const std::int64_t* boxes) {
  for (index_t n = 0; n < x.count(); ++n) {
    const Image& image = x.images[static_cast<std::size_t>(n)];
    const std::int64_t* b = boxes + 4 * n;
    TW_CHECK(b[0] >= 0 && b[1] >= 0 && b[2] >= 1 && b[3] >= 1 && b[2] <= image.height &&
                 b[3] <= image.width && b[0] <= image.height - b[2] && b[1] <= image.width - b[3],
             op, ": expected boxes of at least one pixel within images, got (", b[0], ", ", b[1],
             ", ", b[2], ", ", b[3], ") in ", image.height, "x", image.width);
  }
}

}  // namespace

ResizeFilter resize_filter_of(const char* op, const std::string& name) {
  if (name == "nearest") return ResizeFilter::nearest;
  if (name == "bilinear") return ResizeFilter::bilinear;
  TW_CHECK(name == "bicubic", op,
           ": expected interpolation 'nearest', 'bilinear' or 'bicubic', got '", name, "'");
  return ResizeFilter::bicubic;
}

Array augment_resize(const ImageList& x, const Array& boxes, const Array& flips, index_t height,
                     index_t width, Resize how, const std::optional<Normalization>& last) {
  const char* op = "augment_resize";
  check_image_type(op, x);
  check_side(op, height);
  check_side(op, width);
  check_table(op, "boxes", boxes, DType::int64, {x.count(), 4});
  check_table(op, "flips", flips, DType::boolean, {x.count()});
  check_boxes(op, x, boxes.data<std::int64_t>());
  const RowEnd end(op, last, x, width);
  Array y = Array::empty({x.count(), height, width, x.channels}, end.dtype());
  if (y.size() == 0) return y;
  const index_t bytes = y.size() / x.count() * static_cast<index_t>(itemsize(y.dtype()));
  parallel_for(x.count(), [&](index_t n) {
    const Image& image = x.images[static_cast<std::size_t>(n)];
    resize_one(x,
               {&image, boxes.data<std::int64_t>() + 4 * n, flips.data<bool>()[n], height, width,
                y.bytes() + n * bytes},
               how, end);
  });
  return y;
}

std::vector<Array> augment_resize_each(const ImageList& x, const Array& sizes, Resize how) {
  const char* op = "augment_resize_each";
  check_image_type(op, x);
  check_table(op, "sizes", sizes, DType::int64, {x.count(), 2});
  const auto* size = sizes.data<std::int64_t>();
  for (index_t n = 0; n < x.count(); ++n) {
    const Image& image = x.images[static_cast<std::size_t>(n)];
    check_side(op, size[2 * n]);
    check_side(op, size[2 * n + 1]);
    TW_CHECK(image.height > 0 && image.width > 0, op, ": expected images with pixels, got ",
             image.height, "x", image.width);
  }
  std::vector<Array> results;
  results.reserve(x.images.size());
  for (index_t n = 0; n < x.count(); ++n) {
    results.push_back(Array::empty({size[2 * n], size[2 * n + 1], x.channels}, x.dtype));
  }
  const RowEnd end(op, std::nullopt, x, 1);
  parallel_for(x.count(), [&](index_t n) {
    const auto at = static_cast<std::size_t>(n);
    resize_one(x,
               {&x.images[at], nullptr, false, size[2 * n], size[2 * n + 1], results[at].bytes()},
               how, end);
  });
  return results;
}

}  // namespace tilewise
