#include "ops/conv/implicit_gemm.h"

#include <algorithm>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"
#include "ops/conv/correlate.h"
#include "ops/conv/problem.h"

namespace tilewise {
namespace {

// Filters of one group as panels [panel][tap][channel][panel width].
struct PackedFilters {
  Scratch<float> floats;
  index_t group_size;

  PackedFilters(index_t groups, index_t taps, index_t channels, index_t columns)
      : floats(static_cast<std::size_t>(checked_mul(groups, size(taps, channels, columns)))),
        group_size(size(taps, channels, columns)) {}

  static index_t size(index_t taps, index_t channels, index_t columns) {
    return checked_mul(checked_mul(taps, channels), round_up(columns, gemm_kernels().panel));
  }
};

void pack_forward(const ConvProblem& p, const float* weight, PackedFilters& packed) {
  const GemmKernels& kernels = gemm_kernels();
  const index_t panel = kernels.panel;
  const index_t cg = p.group_c();
  const index_t kg = p.group_k();
  const index_t taps = p.taps();
  const index_t panels = ceil_div(kg, panel);
  parallel_for(p.groups * panels, [&](index_t i) {
    const index_t group = i / panels;
    const index_t k0 = i % panels * panel;
    kernels.pack_transposed({weight + (group * kg + k0) * cg * taps, cg * taps,
                             std::min(panel, kg - k0), cg * taps,
                             packed.floats.data() + group * packed.group_size + k0 * taps * cg,
                             taps, cg * panel, panel});
  });
}

// Lanes are input channels, the reduction runs over output channels, and taps are reflected, so
// that taps in the order of ascending dY pixels lie in ascending order.
void pack_backward(const ConvProblem& p, const float* weight, PackedFilters& packed) {
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
    float* dst = packed.floats.data() + group * packed.group_size + c0 * taps * kg;
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

}  // namespace

const char* implicit_gemm_refuses(const ConvProblem& p) {
  for (int i = 0; i < 3; ++i) {
    const index_t span = (p.kernel[i] - 1) * p.dilation[i] + 1;
    const index_t reach = std::min<index_t>(p.out[i] - 1, 224) * p.stride[i] + span;
    if (reach > 2 * (p.in[i] + p.out[i]) + 4096) {
      return "kernel and stride reach far beyond the input: strips would be mostly padding";
    }
  }
  return nullptr;
}

void implicit_gemm_forward(const ConvProblem& problem, const float* x, const float* weight,
                           const float* bias, bool relu, float* y) {
  const ConvProblem p = simplified(problem);
  PackedFilters packed(p.groups, p.taps(), p.group_c(), p.group_k());
  pack_forward(p, weight, packed);
  Correlate job{};
  job.images = p.n;
  std::copy(p.in, p.in + 3, job.src_extent);
  job.src_pixel = p.c;
  job.channels = p.group_c();
  std::copy(p.stride, p.stride + 3, job.step);
  std::copy(p.out, p.out + 3, job.dst_extent);
  job.dst_image = p.out_pixels() * p.k;
  channels_last_strides(job.dst_stride, p.out, p.k);
  job.columns = p.group_k();
  job.packed_taps = p.taps();
  job.relu = relu;
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
  for (index_t group = 0; group < p.groups; ++group) {
    job.src = x + group * p.group_c();
    job.dst = y + group * p.group_k();
    job.packed = packed.floats.data() + group * packed.group_size;
    job.bias = bias != nullptr ? bias + group * p.group_k() : nullptr;
    correlate(job);
  }
}

void implicit_gemm_backward_data(const ConvProblem& problem, const float* dy, const float* weight,
                                 float* dx) {
  const ConvProblem p = simplified(problem);
  PackedFilters packed(p.groups, p.taps(), p.group_k(), p.group_c());
  pack_backward(p, weight, packed);
  Correlate job{};
  job.images = p.n;
  std::copy(p.out, p.out + 3, job.src_extent);
  job.src_pixel = p.k;
  job.channels = p.group_k();
  std::fill(job.step, job.step + 3, 1);
  job.dst_image = p.in_pixels() * p.c;
  job.columns = p.group_c();
  job.packed_taps = p.taps();
  index_t pixel_stride[3];
  channels_last_strides(pixel_stride, p.in, p.c);
  index_t phases[3];  // a stride beyond the input has no more phases than pixels
  for (int i = 0; i < 3; ++i) phases[i] = std::min(p.stride[i], p.in[i]);
  for (index_t index = 0; index < phases[0] * phases[1] * phases[2]; ++index) {
    const index_t phase[3] = {index / (phases[1] * phases[2]), index / phases[2] % phases[1],
                              index % phases[2]};
    index_t offset = 0;
    for (int i = 0; i < 3; ++i) {
      job.dst_extent[i] = ceil_div(p.in[i] - phase[i], p.stride[i]);
      job.dst_stride[i] = pixel_stride[i] * p.stride[i];
      offset += pixel_stride[i] * phase[i];
    }
    job.taps = phase_taps(p, phase);
    for (index_t group = 0; group < p.groups; ++group) {
      job.src = dy + group * p.group_k();
      job.dst = dx + offset + group * p.group_c();
      job.packed = packed.floats.data() + group * packed.group_size;
      correlate(job);
    }
  }
}

}  // namespace tilewise
