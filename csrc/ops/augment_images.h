// What the files of augment.h share.
#pragma once

#include "ops/augment.h"

namespace tilewise {

// Throws unless `a` is a C-contiguous array of this type and shape.
void check_table(const char* op, const char* name, const Array& a, DType dtype, const Dims& shape);
void check_image_type(const char* op, const ImageList& x);
// Images of one size, for ops between images and those that keep the shape.
void check_one_size(const char* op, const ImageList& x);
inline Dims batch_shape(const ImageList& x) {
  const bool none = x.images.empty();
  return {x.count(), none ? 0 : x.images[0].height, none ? 0 : x.images[0].width, x.channels};
}

// The bytes of one pixel of the fill.
std::vector<std::byte> fill_pixel(const char* op, const Fill& fill, const ImageList& x);

// A row of pixels from bytes to normalized floats, or as it is.
class RowEnd {
 public:
  RowEnd(const char* op, const std::optional<Normalization>& last, const ImageList& x,
         index_t width);
  DType dtype() const { return normalizes_ ? DType::float32 : dtype_; }
  bool normalizes() const { return normalizes_; }
  void normalize(const std::uint8_t* row, float* out) const;

 private:
  bool normalizes_;
  DType dtype_;
  std::vector<float> mean_;  // of every element of a row
  std::vector<float> deviation_;
};

// Images that one piece of work holds: some tens of microseconds.
index_t images_per_piece(index_t elements_per_image);

}  // namespace tilewise
