// Augmentation of image batches: uint8 or float32, pixels channels-last and without gaps.
//
// What a transform draws comes as arrays, a row for each image; nothing here is random. Every image
// is computed by one thread, so the bits do not depend on their number.
#pragma once

#include <optional>
#include <vector>

#include "base/array.h"

namespace tilewise {

// (height, width, channels) in C order.
struct Image {
  const std::byte* data;
  index_t height;
  index_t width;
};

// Images of one element type and number of channels, of any sizes.
struct ImageList {
  std::vector<Image> images;
  index_t channels = 0;
  DType dtype = DType::uint8;

  index_t count() const { return static_cast<index_t>(images.size()); }
};

// The images of an array (N, H, W, C) that is C-contiguous.
ImageList images_of(const char* op, const Array& batch);

// Per-channel numbers: one for all, or one for each. For uint8 images they lie in 0...255.
using Fill = std::vector<double>;

// The last step of an op on bytes: (x / 255 - mean) / deviation, as float32.
struct Normalization {
  std::vector<double> mean;
  std::vector<double> deviation;
};

// Pixel (y, x) of image n is pixel (rows[n, y], columns[n, x]); -1 is the fill. int64 (N, h) and
// (N, w). Crops, flips and all kinds of borders are such tables.
Array augment_gather(const ImageList& x, const Array& rows, const Array& columns, const Fill& fill,
                     const std::optional<Normalization>& last);

enum class ResizeFilter : std::uint8_t { nearest, bilinear, bicubic };
ResizeFilter resize_filter_of(const char* op, const std::string& name);

struct Resize {
  ResizeFilter filter = ResizeFilter::bilinear;
  bool antialias = true;
};

// Box n (top, left, height, width; int64 (N, 4)) of image n, resampled to (height, width) and
// mirrored where flips[n] (bool (N,)) says so.
Array augment_resize(const ImageList& x, const Array& boxes, const Array& flips, index_t height,
                     index_t width, Resize how, const std::optional<Normalization>& last);
// Whole images to sizes of their own: int64 (N, 2).
std::vector<Array> augment_resize_each(const ImageList& x, const Array& sizes, Resize how);

// Pixel (y, x) of image n is what stands at (a x + b y + c, d x + e y + f) of the input, in
// coordinates whose pixel centres are at halves: float64 (N, 6). Beyond the image is the fill.
Array augment_warp(const ImageList& x, const Array& matrices, bool bilinear, const Fill& fill);

// Brightness, contrast, saturation and hue of each image, float64 (N, 4), in the order that
// int64 (N, 4) gives. A NaN leaves its property alone; hue is in turns, within [-0.5, 0.5].
Array augment_colour(const ImageList& x, const Array& factors, const Array& order);

// A copy whose boxes hold the fill: int64 (N, K, 4) of top, left, height, width; parts beyond the
// image do not count.
Array augment_erase(const ImageList& x, const Array& boxes, const Fill& fill);
// Boxes hold standard normal numbers instead, from a stream of each image: int64 (N,) seeds.
Array augment_erase_normal(const ImageList& x, const Array& boxes, const Array& seeds);

// Box n of image n holds what image partners[n] (int64 (N,)) has there: int64 (N, 4).
Array augment_paste(const ImageList& x, const Array& partners, const Array& boxes);
// weights[n] of image n and the rest of image partners[n]: float64 (N,), in [0, 1].
Array augment_blend(const ImageList& x, const Array& partners, const Array& weights);

// (N, H, W, C) uint8 -> float32
Array augment_normalize(const ImageList& x, const Normalization& how);

}  // namespace tilewise
