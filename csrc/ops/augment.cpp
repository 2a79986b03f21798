#include "ops/augment.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/distributions.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/augment.h"
#include "ops/augment_images.h"

namespace tilewise {

ImageList images_of(const char* op, const Array& batch) {
  TW_CHECK(batch.rank() == 4 && batch.is_contiguous(), op,
           ": expected a C-contiguous batch (N, H, W, C), got shape ", to_string(batch.shape()));
  ImageList x;
  x.channels = batch.extent(3);
  x.dtype = batch.dtype();
  const index_t bytes = batch.extent(1) * batch.extent(2) * batch.extent(3) *
                        static_cast<index_t>(itemsize(batch.dtype()));
  x.images.reserve(static_cast<std::size_t>(batch.extent(0)));
  for (index_t n = 0; n < batch.extent(0); ++n) {
    x.images.push_back({batch.bytes() + n * bytes, batch.extent(1), batch.extent(2)});
  }
  return x;
}

void check_table(const char* op, const char* name, const Array& a, DType dtype, const Dims& shape) {
  TW_CHECK(a.dtype() == dtype && a.shape() == shape && a.is_contiguous(), op, ": expected ", name,
           " as a contiguous ", name_of(dtype), " array of shape ", to_string(shape), ", got ",
           name_of(a.dtype()), " of shape ", to_string(a.shape()));
}

void check_image_type(const char* op, const ImageList& x) {
  TW_CHECK_TYPE(x.dtype == DType::uint8 || x.dtype == DType::float32, op,
                ": expected uint8 or float32 images, got ", name_of(x.dtype));
}

void check_one_size(const char* op, const ImageList& x) {
  for (const Image& image : x.images) {
    TW_CHECK(image.height == x.images[0].height && image.width == x.images[0].width, op,
             ": expected images of one size, got ", image.height, "x", image.width, " after ",
             x.images[0].height, "x", x.images[0].width);
  }
}

std::vector<std::byte> fill_pixel(const char* op, const Fill& fill, const ImageList& x) {
  const auto channels = static_cast<std::size_t>(x.channels);
  TW_CHECK(fill.size() == 1 || fill.size() == channels, op, ": expected a fill of 1 or ",
           x.channels, " numbers, got ", fill.size());
  const std::size_t size = itemsize(x.dtype);
  std::vector<std::byte> pixel(channels * size);
  for (std::size_t c = 0; c < channels; ++c) {
    const double value = fill[fill.size() == 1 ? 0 : c];
    if (x.dtype == DType::uint8) {
      TW_CHECK(value >= 0 && value <= 255, op,
               ": expected a fill in 0...255 for uint8 images, got ", value);
      const auto byte = static_cast<std::uint8_t>(std::lround(value));
      std::memcpy(&pixel[c], &byte, 1);
    } else if (x.dtype == DType::float64) {
      std::memcpy(&pixel[c * size], &value, size);
    } else {
      TW_CHECK_TYPE(x.dtype == DType::float32, op,
                    ": expected uint8, float32 or float64 images, got ", name_of(x.dtype));
      const auto single = static_cast<float>(value);
      std::memcpy(&pixel[c * size], &single, size);
    }
  }
  return pixel;
}

RowEnd::RowEnd(const char* op, const std::optional<Normalization>& last, const ImageList& x,
               index_t width)
    : normalizes_(last.has_value()), dtype_(x.dtype) {
  if (!normalizes_) return;
  TW_CHECK_TYPE(x.dtype == DType::uint8, op, ": expected uint8 images to normalize, got ",
                name_of(x.dtype));
  const auto channels = static_cast<std::size_t>(x.channels);
  for (const std::vector<double>* values : {&last->mean, &last->deviation}) {
    TW_CHECK(values->size() == 1 || values->size() == channels, op, ": expected 1 or ", x.channels,
             " means and deviations, got ", values->size());
  }
  const auto length = static_cast<std::size_t>(checked_mul(width, x.channels));
  mean_.resize(length);
  deviation_.resize(length);
  for (std::size_t i = 0; i < length; ++i) {
    const std::size_t c = i % channels;
    mean_[i] = static_cast<float>(last->mean[last->mean.size() == 1 ? 0 : c]);
    deviation_[i] = static_cast<float>(last->deviation[last->deviation.size() == 1 ? 0 : c]);
  }
}

void RowEnd::normalize(const std::uint8_t* row, float* out) const {
  augment_kernels().normalize(row, mean_.data(), deviation_.data(),
                              static_cast<index_t>(mean_.size()), out);
}

index_t images_per_piece(index_t elements_per_image) {
  return std::max<index_t>(1, elementwise_grain / std::max<index_t>(1, elements_per_image));
}

namespace {

// Neighbouring columns of the result that are neighbours in the source too, or all fill.
struct Run {
  index_t to;
  index_t from;  // -1: fill
  index_t length;
};

void find_runs(const std::int64_t* columns, index_t width, std::vector<Run>& runs) {
  runs.clear();
  for (index_t x = 0; x < width; ++x) {
    if (!runs.empty()) {
      Run& last = runs.back();
      const index_t next = last.from < 0 ? -1 : last.from + last.length;
      if (columns[x] == next) {
        ++last.length;
        continue;
      }
    }
    runs.push_back({x, columns[x], 1});
  }
}

template <std::size_t size>
void copy_pixels(const std::byte* row, const std::int64_t* columns, index_t width,
                 const std::byte* fill, std::byte* out) {
  for (index_t x = 0; x < width; ++x) {
    const std::byte* from = columns[x] < 0 ? fill : row + columns[x] * static_cast<index_t>(size);
    std::memcpy(out + x * static_cast<index_t>(size), from, size);
  }
}

// Builds rows of one image by its table of columns.
class RowGather {
 public:
  RowGather(index_t width, std::vector<std::byte> fill)
      : width_(width), size_(static_cast<index_t>(fill.size())), fill_(std::move(fill)) {}

  void set_columns(const std::int64_t* columns) {
    columns_ = columns;
    find_runs(columns, width_, runs_);
    few_runs_ = static_cast<index_t>(runs_.size()) * 4 <= width_ + 3;
  }

  void fill_row(std::byte* out) const {
    for (index_t x = 0; x < width_; ++x) std::memcpy(out + x * size_, fill_.data(), fill_.size());
  }

  void operator()(const std::byte* row, std::byte* out) const {
    if (!few_runs_) {
      if (size_ == 1) return copy_pixels<1>(row, columns_, width_, fill_.data(), out);
      if (size_ == 3) return copy_pixels<3>(row, columns_, width_, fill_.data(), out);
      if (size_ == 4) return copy_pixels<4>(row, columns_, width_, fill_.data(), out);
      if (size_ == 12) return copy_pixels<12>(row, columns_, width_, fill_.data(), out);
      if (size_ == 16) return copy_pixels<16>(row, columns_, width_, fill_.data(), out);
    }
    for (const Run& run : runs_) {
      std::byte* to = out + run.to * size_;
      if (run.from >= 0) {
        std::memcpy(to, row + run.from * size_, static_cast<std::size_t>(run.length * size_));
        continue;
      }
      for (index_t x = 0; x < run.length; ++x) {
        std::memcpy(to + x * size_, fill_.data(), fill_.size());
      }
    }
  }

 private:
  index_t width_;
  index_t size_;  // bytes of a pixel
  std::vector<std::byte> fill_;
  const std::int64_t* columns_ = nullptr;
  std::vector<Run> runs_;
  bool few_runs_ = false;
};

void check_indices(const char* op, const char* name, const std::int64_t* indices, index_t count,
                   index_t extent) {
  for (index_t i = 0; i < count; ++i) {
    TW_CHECK(indices[i] >= -1 && indices[i] < extent, op, ": expected ", name, " in -1...",
             extent - 1, ", got ", indices[i]);
  }
}

void check_partners(const char* op, const ImageList& x, const Array& partners) {
  check_table(op, "partners", partners, DType::int64, {x.count()});
  for (index_t n = 0; n < x.count(); ++n) {
    const std::int64_t m = partners.data<std::int64_t>()[n];
    TW_CHECK(m >= 0 && m < x.count(), op, ": expected partners in 0...", x.count() - 1, ", got ",
             m);
  }
}

struct Box {
  index_t top, left, bottom, right;
};

// The part of a box (top, left, height, width) that lies within an image.
Box clipped(const std::int64_t* box, index_t height, index_t width) {
  constexpr index_t far = index_t{1} << 60;  // sums of two do not overflow
  const auto within = [](index_t i, index_t most) { return std::clamp<index_t>(i, 0, most); };
  const auto end = [&](int axis, index_t most) {
    return within(std::clamp(box[axis], -far, far) + std::clamp(box[axis + 2], -far, far), most);
  };
  return {within(box[0], height), within(box[1], width), end(0, height), end(1, width)};
}

// body(n, image n of the copy) on a copy of the batch.
template <typename Body>
Array copy_and(const ImageList& x, const Body& body) {
  Array y = Array::empty(batch_shape(x), x.dtype);
  if (y.size() == 0) return y;
  const index_t elements = y.size() / x.count();
  const index_t bytes = elements * static_cast<index_t>(itemsize(x.dtype));
  parallel_ranges(x.count(), images_per_piece(elements), [&](index_t first, index_t last) {
    for (index_t n = first; n < last; ++n) {
      std::byte* out = y.bytes() + n * bytes;
      std::memcpy(out, x.images[static_cast<std::size_t>(n)].data, static_cast<std::size_t>(bytes));
      body(n, out);
    }
  });
  return y;
}

}  // namespace

Array augment_gather(const ImageList& x, const Array& rows, const Array& columns, const Fill& fill,
                     const std::optional<Normalization>& last) {
  const char* op = "augment_gather";
  TW_CHECK(rows.rank() == 2 && columns.rank() == 2, op,
           ": expected rows (N, h) and columns (N, w), got shapes ", to_string(rows.shape()),
           " and ", to_string(columns.shape()));
  const index_t height = rows.extent(1);
  const index_t width = columns.extent(1);
  check_table(op, "rows", rows, DType::int64, {x.count(), height});
  check_table(op, "columns", columns, DType::int64, {x.count(), width});
  const std::vector<std::byte> pixel = fill_pixel(op, fill, x);
  const RowEnd end(op, last, x, width);
  const auto* row_of = rows.data<std::int64_t>();
  const auto* column_of = columns.data<std::int64_t>();
  for (index_t n = 0; n < x.count(); ++n) {
    const Image& image = x.images[static_cast<std::size_t>(n)];
    check_indices(op, "rows", row_of + n * height, height, image.height);
    check_indices(op, "columns", column_of + n * width, width, image.width);
  }
  Array y = Array::empty({x.count(), height, width, x.channels}, end.dtype());
  if (y.size() == 0) return y;
  const auto pixel_bytes = static_cast<index_t>(pixel.size());
  const index_t row_out = width * x.channels * static_cast<index_t>(itemsize(y.dtype()));
  const index_t elements = height * width * x.channels;
  parallel_ranges(x.count(), images_per_piece(elements), [&](index_t from, index_t to) {
    RowGather gather(width, pixel);
    std::vector<std::byte> bytes(end.normalizes() ? static_cast<std::size_t>(width * pixel_bytes)
                                                  : 0);
    for (index_t n = from; n < to; ++n) {
      const Image& image = x.images[static_cast<std::size_t>(n)];
      gather.set_columns(column_of + n * width);
      for (index_t r = 0; r < height; ++r) {
        std::byte* out = y.bytes() + (n * height + r) * row_out;
        std::byte* row = end.normalizes() ? bytes.data() : out;
        const std::int64_t source = row_of[n * height + r];
        if (source < 0) {
          gather.fill_row(row);
        } else {
          gather(image.data + source * image.width * pixel_bytes, row);
        }
        if (end.normalizes()) {
          end.normalize(reinterpret_cast<const std::uint8_t*>(row), reinterpret_cast<float*>(out));
        }
      }
    }
  });
  return y;
}

Array augment_normalize(const ImageList& x, const Normalization& how) {
  const char* op = "augment_normalize";
  check_one_size(op, x);
  const Dims shape = batch_shape(x);
  const RowEnd end(op, how, x, shape[2]);
  Array y = Array::empty(shape, DType::float32);
  if (y.size() == 0) return y;
  const index_t row = shape[2] * shape[3];
  parallel_ranges(shape[0], images_per_piece(shape[1] * row), [&](index_t first, index_t last) {
    for (index_t n = first; n < last; ++n) {
      const auto* in =
          reinterpret_cast<const std::uint8_t*>(x.images[static_cast<std::size_t>(n)].data);
      float* out = y.data<float>() + n * shape[1] * row;
      for (index_t r = 0; r < shape[1]; ++r) end.normalize(in + r * row, out + r * row);
    }
  });
  return y;
}

Array augment_erase(const ImageList& x, const Array& boxes, const Fill& fill) {
  const char* op = "augment_erase";
  check_one_size(op, x);
  TW_CHECK(boxes.rank() == 3, op, ": expected boxes (N, K, 4), got shape ",
           to_string(boxes.shape()));
  const index_t each = boxes.extent(1);
  check_table(op, "boxes", boxes, DType::int64, {x.count(), each, 4});
  const std::vector<std::byte> pixel = fill_pixel(op, fill, x);
  const Dims shape = batch_shape(x);
  const auto size = static_cast<index_t>(pixel.size());
  return copy_and(x, [&](index_t n, std::byte* out) {
    for (index_t k = 0; k < each; ++k) {
      const Box b = clipped(boxes.data<std::int64_t>() + (n * each + k) * 4, shape[1], shape[2]);
      for (index_t r = b.top; r < b.bottom; ++r) {
        for (index_t c = b.left; c < b.right; ++c) {
          std::memcpy(out + (r * shape[2] + c) * size, pixel.data(), pixel.size());
        }
      }
    }
  });
}

Array augment_erase_normal(const ImageList& x, const Array& boxes, const Array& seeds) {
  const char* op = "augment_erase_normal";
  check_one_size(op, x);
  check_image_type(op, x);
  check_table(op, "boxes", boxes, DType::int64, {x.count(), 1, 4});
  check_table(op, "seeds", seeds, DType::int64, {x.count()});
  const Dims shape = batch_shape(x);
  return copy_and(x, [&](index_t n, std::byte* out) {
    const Box b = clipped(boxes.data<std::int64_t>() + n * 4, shape[1], shape[2]);
    const auto seed = static_cast<std::uint64_t>(seeds.data<std::int64_t>()[n]);
    for (index_t r = b.top; r < b.bottom; ++r) {
      for (index_t i = b.left * shape[3]; i < b.right * shape[3]; ++i) {
        const index_t at = r * shape[2] * shape[3] + i;
        const Philox4 words = philox4x32(seed, static_cast<std::uint64_t>(at));
        if (x.dtype == DType::uint8) {
          out[at] = static_cast<std::byte>(words.v[0] >> 24);
          continue;
        }
        double value = 0;
        double other = 0;
        box_muller((words.v[0] + 1.0) * 0x1p-32, words.v[1] * 0x1p-32, value, other);
        reinterpret_cast<float*>(out)[at] = static_cast<float>(value);
      }
    }
  });
}

Array augment_paste(const ImageList& x, const Array& partners, const Array& boxes) {
  const char* op = "augment_paste";
  check_one_size(op, x);
  check_partners(op, x, partners);
  check_table(op, "boxes", boxes, DType::int64, {x.count(), 4});
  const Dims shape = batch_shape(x);
  const index_t size = shape[3] * static_cast<index_t>(itemsize(x.dtype));
  return copy_and(x, [&](index_t n, std::byte* out) {
    const auto from = static_cast<std::size_t>(partners.data<std::int64_t>()[n]);
    const Box b = clipped(boxes.data<std::int64_t>() + n * 4, shape[1], shape[2]);
    if (b.right <= b.left) return;
    for (index_t r = b.top; r < b.bottom; ++r) {
      const index_t at = (r * shape[2] + b.left) * size;
      std::memcpy(out + at, x.images[from].data + at,
                  static_cast<std::size_t>((b.right - b.left) * size));
    }
  });
}

Array augment_blend(const ImageList& x, const Array& partners, const Array& weights) {
  const char* op = "augment_blend";
  check_one_size(op, x);
  check_image_type(op, x);
  check_partners(op, x, partners);
  check_table(op, "weights", weights, DType::float64, {x.count()});
  for (index_t n = 0; n < x.count(); ++n) {
    const double w = weights.data<double>()[n];
    TW_CHECK(w >= 0 && w <= 1, op, ": expected weights in [0, 1], got ", w);
  }
  Array y = Array::empty(batch_shape(x), x.dtype);
  if (y.size() == 0) return y;
  const index_t elements = y.size() / x.count();
  parallel_ranges(x.count(), images_per_piece(elements), [&](index_t first, index_t last) {
    for (index_t n = first; n < last; ++n) {
      const auto m = static_cast<std::size_t>(partners.data<std::int64_t>()[n]);
      const std::byte* a = x.images[static_cast<std::size_t>(n)].data;
      const std::byte* b = x.images[m].data;
      const auto w = static_cast<float>(weights.data<double>()[n]);
      if (x.dtype == DType::uint8) {
        augment_kernels().blend_bytes(reinterpret_cast<const std::uint8_t*>(a),
                                      reinterpret_cast<const std::uint8_t*>(b), w, elements,
                                      y.data<std::uint8_t>() + n * elements);
      } else {
        augment_kernels().blend_floats(reinterpret_cast<const float*>(a),
                                       reinterpret_cast<const float*>(b), w, elements,
                                       y.data<float>() + n * elements);
      }
    }
  });
  return y;
}

}  // namespace tilewise
