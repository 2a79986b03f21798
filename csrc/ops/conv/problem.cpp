#include "ops/conv/problem.h"

#include "base/error.h"

namespace tilewise {
namespace {

void check_list(const char* op, const char* name, const Dims& values, int spatial, index_t least) {
  TW_CHECK(values.size() == spatial, op, ": expected ", spatial, " values of ", name, ", got ",
           to_string(values));
  for (index_t value : values) {
    TW_CHECK(value >= least && value <= (index_t{1} << 40), op, ": expected ", name, " >= ", least,
             ", got ", to_string(values));
  }
}

index_t output_extent(const char* op, const ConvProblem& p, int i, const Dims& input,
                      const Dims& weight) {
  const index_t padded = checked_add(checked_add(p.in[i], p.pad_begin[i]), p.pad_end[i]);
  const index_t span = checked_add(checked_mul(p.kernel[i] - 1, p.dilation[i]), 1);
  TW_CHECK(span <= padded, op, ": expected a kernel that fits the input; weight ",
           to_string(weight), " with dilation ", p.dilation[i], " spans ", span,
           " pixels, more than the padded input's ", padded, " of input ", to_string(input));
  return (padded - span) / p.stride[i] + 1;
}

}  // namespace

ConvProblem make_conv_problem(const char* op, const Dims& input, const Dims& weight,
                              const ConvArguments& a) {
  const int spatial = input.size() - 2;
  TW_CHECK(spatial >= 1 && spatial <= 3, op,
           ": expected an input of shape (batch, channels, 1 to 3 spatial sizes), got ",
           to_string(input));
  TW_CHECK(weight.size() == input.size(), op, ": expected a weight of ", input.size(),
           " dimensions for input ", to_string(input), ", got ", to_string(weight));
  check_list(op, "stride", a.stride, spatial, 1);
  check_list(op, "dilation", a.dilation, spatial, 1);
  check_list(op, "padding", a.pad_begin, spatial, 0);
  check_list(op, "padding", a.pad_end, spatial, 0);
  ConvProblem p;
  p.n = input[0];
  p.c = input[1];
  p.k = weight[0];
  p.groups = a.groups;
  p.border = a.border;
  TW_CHECK(p.groups >= 1 && p.groups <= (index_t{1} << 40), op, ": expected groups >= 1, got ",
           p.groups);
  TW_CHECK(p.k % p.groups == 0, op, ": expected the first dimension of weight ", to_string(weight),
           " divisible by groups=", p.groups);
  TW_CHECK(checked_mul(weight[1], p.groups) == p.c, op, ": input has ", p.c,
           " channels but weight ", to_string(weight), " with groups=", p.groups, " expects ",
           weight[1] * p.groups);
  for (int i = 0; i < spatial; ++i) {
    const int dim = 3 - spatial + i;
    p.in[dim] = input[2 + i];
    p.kernel[dim] = weight[2 + i];
    p.stride[dim] = a.stride[i];
    p.dilation[dim] = a.dilation[i];
    p.pad_begin[dim] = a.pad_begin[i];
    p.pad_end[dim] = a.pad_end[i];
    TW_CHECK(p.kernel[dim] >= 1, op, ": expected kernel sizes >= 1, got weight ",
             to_string(weight));
    check_border(op, p.border, p.in[dim], p.pad_begin[dim], p.pad_end[dim]);
    p.out[dim] = output_extent(op, p, dim, input, weight);
  }
  return p;
}

Dims conv_output_shape(const ConvProblem& p, int rank) {
  Dims shape{p.n, p.k};
  for (int i = 5 - rank; i < 3; ++i) shape.push_back(p.out[i]);
  return shape;
}

ConvProblem without_border(const ConvProblem& problem) {
  ConvProblem p = problem;
  p.border = Border::zeros;
  for (int i = 0; i < 3; ++i) {
    p.in[i] += p.pad_begin[i] + p.pad_end[i];
    p.pad_begin[i] = 0;
    p.pad_end[i] = 0;
  }
  return p;
}

ConvProblem simplified(const ConvProblem& problem) {
  ConvProblem p = problem;
  for (int i = 0; i < 3; ++i) {
    const bool pointwise =
        p.kernel[i] == 1 && p.stride[i] == 1 && p.pad_begin[i] == 0 && p.pad_end[i] == 0;
    if (!pointwise) return p;
  }
  const index_t pixels = p.n * p.in_pixels();
  p.n = 1;
  for (int i = 0; i < 3; ++i) {
    p.in[i] = i == 2 ? pixels : 1;
    p.out[i] = p.in[i];
  }
  return p;
}

}  // namespace tilewise
