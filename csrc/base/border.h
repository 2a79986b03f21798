// What lies beyond the border of an image.
#pragma once

#include "base/types.h"

namespace tilewise {

// a b c d: reflect  d c b [a b c d] c b a, replicate  a a a [a b c d] d d d,
// circular  b c d [a b c d] a b c, zeros (or another constant)  0 0 0 [a b c d] 0 0 0.
enum class Border : std::uint8_t { zeros, reflect, replicate, circular };

// Throws ValueError naming `op`.
Border border_of(const char* op, const std::string& name);

// Throws ValueError where an axis of `extent` pixels cannot be continued that far: a reflection has
// extent - 1 pixels, a period extent of them, and nothing continues an empty axis.
void check_border(const char* op, Border border, index_t extent, index_t before, index_t after);

// The pixel of [0, extent) that stands at i, or -1 for the constant. Beyond what check_border
// allows (strips have more columns than are used) it is some pixel.
inline index_t border_source(Border border, index_t i, index_t extent) {
  if (i >= 0 && i < extent) return i;
  switch (border) {
    case Border::zeros:
      return -1;
    case Border::reflect:
      i = i < 0 ? -i : 2 * (extent - 1) - i;
      break;
    case Border::circular:
      i = i < 0 ? i + extent : i - extent;
      break;
    case Border::replicate:
      break;
  }
  return i < 0 ? 0 : i < extent ? i : extent - 1;
}

}  // namespace tilewise
