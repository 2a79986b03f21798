// Linear resampling along up to three axes: interpolation, average pools, and their gradients,
// which are the resampling with the transposed tables. Every result is written once, by a gather,
// so its bits do not depend on the threads.
#pragma once

#include "base/array.h"
#include "base/resample_axis.h"

namespace tilewise {

// Into all of y (N, C, spatial...); y is dense channels-last, of x's dtype and of the sizes that
// the axes say. The rank of both may be 3 to 5: the last axes are the ones in use.
void resample(const Array& x, const ResampleAxes& axes, const Array& y);

}  // namespace tilewise
