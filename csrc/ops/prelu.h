// Rectifiers with learned or random slopes.
#pragma once

#include "base/array.h"

namespace tilewise {

// x where x > 0, else slope x. `slope` has one element, or one for each channel (axis 1).
Array prelu(const Array& x, const Array& slope);

struct PreluGradients {
  Array dx;      // undefined where not wanted
  Array dslope;  // in the shape of slope
};
PreluGradients prelu_backward(const Array& dy, const Array& x, const Array& slope, bool wants_dx,
                              bool wants_dslope);

// The same with a slope for each element, which is no parameter.
Array rrelu(const Array& x, const Array& slopes);
Array rrelu_backward(const Array& dy, const Array& x, const Array& slopes);

}  // namespace tilewise
