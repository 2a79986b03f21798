// Copies between layouts and dtypes.
#pragma once

#include "base/array.h"

namespace tilewise {

// dst[i] = cast(src[i]) for every logical index; src broadcasts to dst's shape. Overlapping
// memory is handled by a temporary.
void copy_into(const Array& dst, const Array& src);

// Whether the channels lie innermost and not just by chance, with or without gaps, as in a slice of
// a channels-last array.
bool has_channels_innermost(const Array& a);

Array contiguous(const Array& a);     // a itself where it is C-contiguous already
Array channels_last(const Array& a);  // a itself where it is channels-last already
// a itself where it has no gaps in one of the two canonical layouts, else a copy: channels-last
// where the channels lie innermost already, else C-contiguous. So are the results of clone and
// cast.
Array dense(const Array& a);
// a in the physical layout of the dense array `like` of the same shape (a itself where it can be).
Array dense_as(const Array& a, const Array& like);
Array clone(const Array& a);  // always a copy
Array cast(const Array& a, DType dtype);
Array reshape(const Array& a, const Dims& shape);  // one -1 allowed; a view where strides allow
void fill(const Array& a, double value);

}  // namespace tilewise
