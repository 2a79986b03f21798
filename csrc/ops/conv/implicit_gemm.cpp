// Implicit im2col + GEMM: packs the filters and describes each direction to the correlation engine.
// Float32, any problem whose strips are not out of proportion to its tensors.
#include "ops/conv/implicit_gemm.h"

#include <algorithm>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"
#include "ops/conv/algorithm.h"
#include "ops/conv/correlate.h"
#include "ops/conv/fold.h"
#include "ops/conv/packed_weights.h"
#include "ops/conv/problem.h"

namespace tilewise {
namespace {

// Filters as panels [group][panel][tap][channel][panel width].
index_t group_floats(index_t taps, index_t channels, index_t columns) {
  return checked_mul(checked_mul(taps, channels), round_up(columns, gemm_kernels().panel));
}

void pack_forward(const ConvProblem& p, const float* weight, float* packed) {
  const GemmKernels& kernels = gemm_kernels();
  const index_t panel = kernels.panel;
  const index_t cg = p.group_c();
  const index_t kg = p.group_k();
  const index_t taps = p.taps();
  const index_t panels = ceil_div(kg, panel);
  parallel_for(p.groups * panels, [&](index_t i) {
    const index_t group = i / panels;
    const index_t k0 = i % panels * panel;
    kernels.pack_transposed(
        {weight + (group * kg + k0) * cg * taps, cg * taps, std::min(panel, kg - k0), cg * taps,
         packed + group * group_floats(taps, cg, kg) + k0 * taps * cg, taps, cg * panel, panel});
  });
}

// Lanes are input channels, the reduction runs over output channels, and taps are reflected, so
// that taps in the order of ascending dY pixels lie in ascending order.
void pack_backward(const ConvProblem& p, const float* weight, float* packed) {
  const GemmKernels& kernels = gemm_kernels();
  const index_t panel = kernels.panel;
  const index_t cg = p.group_c();
  const index_t kg = p.group_k();
  const index_t taps = p.taps();
  const index_t panels = ceil_div(cg, panel);
  parallel_for(p.groups * panels, [&](index_t i) {
    const index_t group = i / panels;
    const index_t c0 = i % panels * panel;
    const index_t lanes = std::min(panel, cg - c0);
    float* dst = packed + group * group_floats(taps, kg, cg) + c0 * taps * kg;
    const float* src = weight + (group * kg * cg + c0) * taps;
    if (taps == 1) {
      kernels.pack_rows(src, cg, kg, lanes, dst);
      return;
    }
    for (index_t k = 0; k < kg; ++k) {
      kernels.pack_transposed({src + k * cg * taps, taps, lanes, taps,
                               dst + ((taps - 1) * kg + k) * panel, taps, -kg * panel, 0});
    }
  });
}

index_t floor_div(index_t a, index_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// The taps that reach input pixels phase + stride * j, in the order of ascending dY pixels.
std::vector<CorrelateTap> phase_taps(const ConvProblem& p, const index_t (&phase)[3]) {
  std::vector<CorrelateTap> taps;
  const index_t count = p.taps();
  for (index_t position = 0; position < count; ++position) {
    const index_t tap = count - 1 - position;
    const index_t at[3] = {tap / (p.kernel[1] * p.kernel[2]), tap / p.kernel[2] % p.kernel[1],
                           tap % p.kernel[2]};
    CorrelateTap entry{{0, 0, 0}, position};
    bool reaches = true;
    for (int i = 0; i < 3; ++i) {
      const index_t offset = phase[i] + p.pad_begin[i] - at[i] * p.dilation[i];
      entry.offset[i] = floor_div(offset, p.stride[i]);
      reaches = reaches && entry.offset[i] * p.stride[i] == offset;
    }
    if (reaches) taps.push_back(entry);
  }
  return taps;
}

void channels_last_strides(index_t (&stride)[3], const index_t (&extent)[3], index_t pixel) {
  stride[2] = pixel;
  stride[1] = extent[2] * pixel;
  stride[0] = extent[1] * stride[1];
}

Correlate forward_job(const ConvProblem& p) {
  Correlate job{};
  job.images = p.n;
  std::copy(p.in, p.in + 3, job.src_extent);
  job.src_pixel = p.c;
  job.channels = p.group_c();
  std::copy(p.stride, p.stride + 3, job.step);
  job.border = p.border;
  std::copy(p.out, p.out + 3, job.dst_extent);
  job.dst_image = p.out_pixels() * p.k;
  channels_last_strides(job.dst_stride, p.out, p.k);
  job.columns = p.group_k();
  job.packed_taps = p.taps();
  job.taps.reserve(static_cast<std::size_t>(p.taps()));
  index_t position = 0;
  for (index_t d = 0; d < p.kernel[0]; ++d) {
    for (index_t h = 0; h < p.kernel[1]; ++h) {
      for (index_t w = 0; w < p.kernel[2]; ++w) {
        job.taps.push_back({{d * p.dilation[0] - p.pad_begin[0], h * p.dilation[1] - p.pad_begin[1],
                             w * p.dilation[2] - p.pad_begin[2]},
                            position++});
      }
    }
  }
  return job;
}

// All of the gradient's job but what belongs to a phase.
Correlate backward_job(const ConvProblem& p) {
  Correlate job{};
  job.images = p.n;
  std::copy(p.out, p.out + 3, job.src_extent);
  job.src_pixel = p.k;
  job.channels = p.group_k();
  std::fill(job.step, job.step + 3, 1);
  job.dst_image = p.in_pixels() * p.c;
  job.columns = p.group_c();
  job.packed_taps = p.taps();
  return job;
}

// Returns the offset of the phase's first pixel.
index_t set_phase(const ConvProblem& p, const index_t (&phase)[3], Correlate& job) {
  index_t pixel_stride[3];
  channels_last_strides(pixel_stride, p.in, p.c);
  index_t offset = 0;
  for (int i = 0; i < 3; ++i) {
    job.dst_extent[i] = ceil_div(p.in[i] - phase[i], p.stride[i]);
    job.dst_stride[i] = pixel_stride[i] * p.stride[i];
    offset += pixel_stride[i] * phase[i];
  }
  job.taps = phase_taps(p, phase);
  return offset;
}

template <typename Visit>
void for_each_phase(const ConvProblem& p, const Visit& visit) {
  index_t phases[3];  // a stride beyond the input has no more phases than pixels
  for (int i = 0; i < 3; ++i) phases[i] = std::min(p.stride[i], p.in[i]);
  for (index_t d = 0; d < phases[0]; ++d) {
    for (index_t h = 0; h < phases[1]; ++h) {
      for (index_t w = 0; w < phases[2]; ++w) visit({d, h, w});
    }
  }
}

const char* refuses(const ConvProblem& p, ConvDirection) {
  for (int i = 0; i < 3; ++i) {
    const index_t span = (p.kernel[i] - 1) * p.dilation[i] + 1;
    const index_t reach = std::min<index_t>(p.out[i] - 1, 224) * p.stride[i] + span;
    if (reach > 2 * (p.in[i] + p.out[i]) + 4096) {
      return "kernel and stride reach far beyond the input: strips would be mostly padding";
    }
  }
  return nullptr;
}

// Lanes past the last column of a group multiply zeros.
double cost(const ConvProblem& p, ConvDirection direction) {
  const bool folds = direction == ConvDirection::backward_data && fold_applies(p);
  const index_t columns = direction == ConvDirection::backward_data ? p.group_c() : p.group_k();
  const double waste =
      folds ? 1 : double(round_up(columns, gemm_kernels().width / 2)) / double(columns);
  // Weights are packed, or their gradient summed and unpacked: it tells for small maps.
  const double packing = 0.25 * double(p.k) * double(p.group_c() * p.taps());
  // 5 ns for each run that is folded.
  const double folding = folds ? 5 * double(p.n * p.out_pixels() * p.kernel[1]) : 0;
  return 1e3 + packing + folding + multiply_adds(p) * waste / nominal_multiply_adds;
}

index_t packed(const ConvProblem& problem, ConvDirection direction) {
  const ConvProblem p = simplified(problem);
  if (direction == ConvDirection::backward_weight) return 0;
  if (direction == ConvDirection::backward_data && fold_applies(p)) return 0;
  const bool is_forward = direction == ConvDirection::forward;
  const index_t channels = is_forward ? p.group_c() : p.group_k();
  const index_t columns = is_forward ? p.group_k() : p.group_c();
  return p.groups * group_floats(p.taps(), channels, columns) * static_cast<index_t>(sizeof(float));
}

index_t workspace(const ConvProblem& problem, ConvDirection direction, int threads) {
  const ConvProblem p = simplified(problem);
  if (direction == ConvDirection::backward_weight) return weight_gradient_workspace(p, threads);
  if (direction == ConvDirection::backward_data && fold_applies(p)) {
    return fold_workspace(p, threads);
  }
  const bool is_forward = direction == ConvDirection::forward;
  Correlate job = is_forward ? forward_job(p) : backward_job(p);
  if (!is_forward) {
    const index_t phase[3] = {0, 0, 0};
    set_phase(p, phase, job);
  }
  return packed(p, direction) + threads * correlate_bytes_a_thread(job);
}

bool collects(const OutputStage* stage) { return stage != nullptr && stage->collects(); }

void forward(const ConvForward& conv) {
  const ConvProblem p = simplified(conv.problem);
  const index_t size = group_floats(p.taps(), p.group_c(), p.group_k());
  const PackedWeights packed(
      conv.weight, conv.keep_weights, "implicit_gemm", gemm_kernels().panel, p.groups * size,
      [&](float* out) { pack_forward(p, conv.weight.data<float>(), out); }, p.groups);
  Correlate job = forward_job(p);
  job.stage = conv.stage;
  if (collects(conv.stage)) conv.stage->expect_pieces(correlate_pieces(job));
  for (index_t group = 0; group < p.groups; ++group) {
    job.src = conv.x.data<float>() + group * p.group_c();
    job.dst = conv.y.data<float>() + group * p.group_k();
    job.packed = packed.data() + group * size;
    job.channel = group * p.group_k();
    correlate(job);
  }
}

void backward_data(const ConvBackwardData& conv) {
  if (fold_applies(conv.problem)) {
    fold_backward_data(conv);
    return;
  }
  const ConvProblem p = simplified(conv.problem);
  const index_t size = group_floats(p.taps(), p.group_k(), p.group_c());
  const PackedWeights packed(
      conv.weight, conv.keep_weights, "implicit_gemm reflected", gemm_kernels().panel,
      p.groups * size, [&](float* out) { pack_backward(p, conv.weight.data<float>(), out); },
      p.groups);
  Correlate job = backward_job(p);
  job.stage = conv.stage;
  job.gate = conv.gate;
  if (collects(conv.stage)) {
    index_t pieces = 0;
    for_each_phase(p, [&](const index_t(&phase)[3]) {
      set_phase(p, phase, job);
      pieces += correlate_pieces(job);
    });
    conv.stage->expect_pieces(pieces);
  }
  for_each_phase(p, [&](const index_t(&phase)[3]) {
    const index_t offset = set_phase(p, phase, job);
    for (index_t group = 0; group < p.groups; ++group) {
      job.src = conv.dy.data<float>() + group * p.group_k();
      if (conv.gate.y != nullptr) job.gate.y = conv.gate.y + group * p.group_k();
      job.dst = conv.dx.data<float>() + offset + group * p.group_c();
      job.packed = packed.data() + group * size;
      job.channel = group * p.group_c();
      correlate(job);
    }
    if (collects(conv.stage)) job.first_piece += correlate_pieces(job);
  });
}

}  // namespace

const ConvAlgorithm implicit_gemm{
    "implicit_gemm", {false, true, {false, true, true}, true, {true, false, true}},
    refuses,         cost,
    workspace,       packed,
    forward,         backward_data,
    weight_gradient};

}  // namespace tilewise
