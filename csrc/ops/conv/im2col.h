// The explicit form that courses teach: unfold the input to a matrix, multiply, fold back.
//
//   im2col: (n, c, spatial...) -> (n, output pixels, c * taps), columns ordered like a weight's
//           (c, taps), so that y = im2col(x) W^T with W as it is
//   col2im: the transpose of im2col: adds every column entry back to the pixel it came from
#pragma once

#include "base/array.h"
#include "base/conv_problem.h"

namespace tilewise {

// Both take dense channels-last activations of the problem's input shape and any floating dtype;
// the problem's k and groups are not used.
Array im2col(const ConvProblem& problem, const Array& x);
Array col2im(const ConvProblem& problem, const Array& columns, const Dims& input_shape);

}  // namespace tilewise
