// From shapes and arguments to a ConvProblem, with every check a caller's mistake can need.
#pragma once

#include "base/array.h"
#include "base/conv_problem.h"

namespace tilewise {

struct ConvArguments {
  Dims stride;
  Dims pad_begin;
  Dims pad_end;
  Dims dilation;
  index_t groups;
  Border border = Border::zeros;
};

// `op` names the operation in messages: "conv2d". Throws ValueError.
ConvProblem make_conv_problem(const char* op, const Dims& input, const Dims& weight,
                              const ConvArguments& arguments);

// (n, k, out...) of the problem, with the spatial rank of `input`.
Dims conv_output_shape(const ConvProblem& problem, int rank);

// The same problem on an input that has its padding already.
ConvProblem without_border(const ConvProblem& problem);

// The same sums with fewer dimensions: a 1x1 stride-1 convolution is a product over all pixels.
ConvProblem simplified(const ConvProblem& problem);

}  // namespace tilewise
