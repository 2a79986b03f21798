// Winograd's F(4x4, 3x3) and F(2x2, 3x3) as algorithms: 36 multiplications for 16 outputs instead
// of 144, or 16 for 4 instead of 36, in all three directions, filters transformed anew each call.
//
// Error, of the output's RMS, up to C = 512: F(4x4) 2e-5, weights 5e-5; F(2x2) 5e-6.
#include "ops/conv/winograd.h"

#include <cmath>

#include "kernels/gemm.h"
#include "ops/copy.h"

namespace tilewise {
namespace {

template <int m>
const WinogradKernels& kernels() {
  return m == 4 ? winograd4_kernels() : winograd2_kernels();
}

// Planes of depth are images of their own, or what the kernel's planes sum over.
WinogradGrid forward_grid(const ConvProblem& p, index_t m) {
  const index_t dh = p.dilation[1];
  const index_t dw = p.dilation[2];
  return {p.n * p.out[0] * dh * dw,
          p.in[1] / dh,
          p.in[2] / dw,
          p.out[1] / dh,
          p.out[2] / dw,
          p.pad_begin[1] / dh,
          p.pad_begin[2] / dw,
          m,
          {p.kernel[0], p.in[0], p.out[0], -p.pad_begin[0], p.dilation[0]},
          dh,
          dw,
          p.border};
}

WinogradGrid backward_grid(const ConvProblem& p, index_t m) {
  const index_t dh = p.dilation[1];
  const index_t dw = p.dilation[2];
  return {p.n * p.in[0] * dh * dw,
          p.out[1] / dh,
          p.out[2] / dw,
          p.in[1] / dh,
          p.in[2] / dw,
          2 - p.pad_begin[1] / dh,
          2 - p.pad_begin[2] / dw,
          m,
          {p.kernel[0], p.out[0], p.in[0], p.pad_begin[0], -p.dilation[0]},
          dh,
          dw};
}

// The weights (k, c, planes, 3, 3) with the planes beside the channels that are summed over.
Array plane_filters(const Array& weight, const ConvProblem& p, bool reflected) {
  if (p.kernel[0] == 1) return weight;
  return contiguous(weight.permute(reflected ? Dims{2, 0, 1, 3, 4} : Dims{0, 2, 1, 3, 4}));
}

const char* refuses(const ConvProblem& p, ConvDirection) {
  if (p.kernel[1] != 3 || p.kernel[2] != 3) return "the kernel is not 3x3";
  if (p.stride[0] != 1 || p.stride[1] != 1 || p.stride[2] != 1) return "the stride is not 1";
  if (p.groups != 1) return "the channels are grouped";
  for (int i = 1; i < 3; ++i) {
    const index_t d = p.dilation[i];
    if (p.in[i] % d != 0 || p.out[i] % d != 0 || p.pad_begin[i] % d != 0) {
      return "the dilation does not divide the map and its padding";
    }
  }
  return nullptr;
}

// Fitted to measurements from 3 to 512 channels and maps of 4x4 to 56x56: nanoseconds a point and
// vector of 16 channels in the transforms of inputs, outputs and filters, what a partial vector
// adds to the first, and what a product adds to its multiply-adds for each row.
constexpr double kInput = 2.5;
constexpr double kOutput = 1.7;
constexpr double kFilter = 1.7;
constexpr double kPartial = 3.0;
constexpr double kRow = 1.7;
constexpr double kLeastTiles = 4;  // a product of fewer rows takes as long

template <int m>
double cost(const ConvProblem& p, ConvDirection direction) {
  const bool is_backward = direction == ConvDirection::backward_data;
  const WinogradGrid grid = is_backward ? backward_grid(p, m) : forward_grid(p, m);
  const double width = double(gemm_kernels().width);
  const double vector = width / 16;
  const index_t channels = p.kernel[0] * (is_backward ? p.k : p.c);
  const index_t outputs = is_backward ? p.c : p.k;
  const double in = std::ceil(double(channels) / width);
  const double out = std::ceil(double(outputs) / width);
  const double tiles = double(grid.tiles());
  const double points = double(grid.images) * double(grid.row_points() * grid.col_points());
  const double multiplied = points * std::max(1.0, kLeastTiles / tiles);
  const double products = multiplied * double(channels) * out * width / nominal_multiply_adds;
  const double partial = channels % gemm_kernels().width != 0 ? kPartial : 0;
  const double transforms = points * (kInput * in + partial + kOutput * out) * vector;
  const double rows = points * kRow * std::ceil(out / 2) * vector;
  const double filters = kFilter * double(kernels<m>().points) * double(channels) * out * vector;
  return 1e3 + products + transforms + rows + filters;
}

// What correlates in a direction, without its data.
template <int m>
WinogradCorrelation correlation_of(const ConvProblem& p, ConvDirection direction) {
  const bool is_forward = direction == ConvDirection::forward;
  return {kernels<m>(),
          is_forward ? forward_grid(p, m) : backward_grid(p, m),
          p.kernel[0] * (is_forward ? p.c : p.k),
          is_forward ? p.k : p.c,
          nullptr,
          {},
          nullptr,
          nullptr};
}

template <int m>
index_t workspace(const ConvProblem& p, ConvDirection direction, int threads) {
  if (direction == ConvDirection::backward_weight) {
    return winograd_weight_gradient_workspace(kernels<m>(), forward_grid(p, m), p, threads);
  }
  return winograd_correlate_workspace(correlation_of<m>(p, direction), threads);
}

template <int m>
index_t packed(const ConvProblem& p, ConvDirection direction) {
  if (direction == ConvDirection::backward_weight) return 0;
  return winograd_filter_bytes(correlation_of<m>(p, direction));
}

template <int m>
void forward(const ConvForward& conv) {
  const ConvProblem& p = conv.problem;
  const Array filters = plane_filters(conv.weight, p, false);
  const index_t channels = p.kernel[0] * p.c;
  winograd_correlate({kernels<m>(),
                      forward_grid(p, m),
                      channels,
                      p.k,
                      conv.x.data<float>(),
                      {},
                      conv.stage,
                      conv.y.data<float>()},
                     {conv.weight, filters.data<float>(), channels, p.k, false}, conv.keep_weights);
}

template <int m>
void backward_data(const ConvBackwardData& conv) {
  const ConvProblem& p = conv.problem;
  const Array filters = plane_filters(conv.weight, p, true);
  const index_t channels = p.kernel[0] * p.k;
  winograd_correlate({kernels<m>(), backward_grid(p, m), channels, p.c, conv.dy.data<float>(),
                      conv.gate, conv.stage, conv.dx.data<float>()},
                     {conv.weight, filters.data<float>(), channels, p.c, true}, conv.keep_weights);
}

template <int m>
void backward_weight(const ConvBackwardWeight& conv) {
  winograd_weight_gradient(kernels<m>(), forward_grid(conv.problem, m), conv);
}

constexpr ConvAbilities abilities{false, true, {false, true, true}, false, {true, false, true}};

}  // namespace

const ConvAlgorithm winograd4{"winograd4", abilities,        refuses,
                              cost<4>,     workspace<4>,     packed<4>,
                              forward<4>,  backward_data<4>, backward_weight<4>};
const ConvAlgorithm winograd2{"winograd2", abilities,        refuses,
                              cost<2>,     workspace<2>,     packed<2>,
                              forward<2>,  backward_data<2>, backward_weight<2>};

}  // namespace tilewise
