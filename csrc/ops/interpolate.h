// Resizing of images (N, C, spatial...) with PyTorch's conventions.
#pragma once

#include <string>
#include <vector>

#include "base/array.h"

namespace tilewise {

struct Interpolation {
  std::string mode;  // nearest, nearest-exact, linear, cubic, lanczos
  bool align_corners = false;
  bool antialias = false;
  std::vector<double> scales;  // one a spatial dimension where the caller named them, else empty
};

Array interpolate_forward(const Array& x, const Dims& output_size, const Interpolation& how);
Array interpolate_backward(const Array& dy, const Dims& input_shape, const Interpolation& how);

}  // namespace tilewise
