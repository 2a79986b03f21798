// Winograd's F(4x4, 3x3) and F(2x2, 3x3) as algorithms: 36 multiplications for 16 outputs instead
// of 144, or 16 for 4 instead of 36, in all three directions, filters transformed anew each call.
//
// Error, of the output's RMS, up to C = 512: F(4x4) 2e-5, weights 5e-5; F(2x2) 5e-6.
#include "ops/conv/winograd.h"

#include <cmath>

#include "kernels/gemm.h"

namespace tilewise {
namespace {

template <int m>
const WinogradKernels& kernels() {
  return m == 4 ? winograd4_kernels() : winograd2_kernels();
}

WinogradGrid forward_grid(const ConvProblem& p, index_t m) {
  return {p.n * p.in[0], p.in[1], p.in[2], p.out[1], p.out[2], p.pad_begin[1], p.pad_begin[2], m};
}

WinogradGrid backward_grid(const ConvProblem& p, index_t m) {
  return {p.n * p.in[0], p.out[1],           p.out[2],           p.in[1],
          p.in[2],       2 - p.pad_begin[1], 2 - p.pad_begin[2], m};
}

const char* refuses(const ConvProblem& p, ConvDirection) {
  const bool two_dimensional =
      p.kernel[0] == 1 && p.stride[0] == 1 && p.pad_begin[0] == 0 && p.pad_end[0] == 0;
  if (!two_dimensional || p.kernel[1] != 3 || p.kernel[2] != 3) return "the kernel is not 3x3";
  if (p.stride[1] != 1 || p.stride[2] != 1) return "the stride is not 1";
  if (p.dilation[1] != 1 || p.dilation[2] != 1) return "the kernel is dilated";
  if (p.groups != 1) return "the channels are grouped";
  return nullptr;
}

// The products, and the transforms by vectors of channels: 65 ns for the 36 points of an input
// tile, 45 ns for an output tile, 25 ns for a filter, with vectors of 16 floats.
template <int m>
double cost(const ConvProblem& p, ConvDirection direction) {
  const WinogradGrid grid =
      direction == ConvDirection::backward_data ? backward_grid(p, m) : forward_grid(p, m);
  const double width = static_cast<double>(gemm_kernels().width);
  const double vector_time = 16.0 / width * double(kernels<m>().points) / 36;
  const double in = std::ceil(double(p.c) / width);
  const double out = std::ceil(double(p.k) / width);
  const double tiles = static_cast<double>(grid.tiles());
  const double products =
      tiles * double(kernels<m>().points) * double(p.c) * out * width / nominal_multiply_adds;
  const double transforms = tiles * (65 * in + 45 * out) + 25 * double(p.c) * out;
  return 2e3 + products + transforms * vector_time;
}

template <int m>
index_t workspace(const ConvProblem& p, ConvDirection direction, int threads) {
  if (direction == ConvDirection::backward_weight) {
    return winograd_weight_gradient_workspace(kernels<m>(), p, threads);
  }
  const bool is_forward = direction == ConvDirection::forward;
  const WinogradCorrelation job{kernels<m>(),
                                is_forward ? forward_grid(p, m) : backward_grid(p, m),
                                is_forward ? p.c : p.k,
                                is_forward ? p.k : p.c,
                                nullptr,
                                {},
                                nullptr,
                                nullptr};
  return winograd_correlate_workspace(job, threads);
}

template <int m>
void forward(const ConvForward& conv) {
  const ConvProblem& p = conv.problem;
  winograd_correlate({kernels<m>(),
                      forward_grid(p, m),
                      p.c,
                      p.k,
                      conv.x.data<float>(),
                      {},
                      conv.stage,
                      conv.y.data<float>()},
                     {conv.weight, p.c, p.k, false}, conv.keep_weights);
}

template <int m>
void backward_data(const ConvBackwardData& conv) {
  const ConvProblem& p = conv.problem;
  winograd_correlate({kernels<m>(), backward_grid(p, m), p.k, p.c, conv.dy.data<float>(), conv.gate,
                      conv.stage, conv.dx.data<float>()},
                     {conv.weight, p.k, p.c, true}, conv.keep_weights);
}

template <int m>
void backward_weight(const ConvBackwardWeight& conv) {
  winograd_weight_gradient(kernels<m>(), conv);
}

constexpr ConvAbilities abilities{false, true, {false, true, true}, false};

}  // namespace

const ConvAlgorithm winograd4{"winograd4",  abilities,  refuses,          cost<4>,
                              workspace<4>, forward<4>, backward_data<4>, backward_weight<4>};
const ConvAlgorithm winograd2{"winograd2",  abilities,  refuses,          cost<2>,
                              workspace<2>, forward<2>, backward_data<2>, backward_weight<2>};

}  // namespace tilewise
