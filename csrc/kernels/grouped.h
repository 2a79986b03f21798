// Inner loops of convolutions with few channels a group.
//
// Lanes of a vector are neighbouring output channels, of several groups where a group is smaller
// than the vector. Every lane needs the input channels of its own group: input lies in vectors of
// `width` channels (a "source"), and step j of the reduction permutes such a vector so that each
// lane holds channel j of its group. Where one group fills the vector, a broadcast does the same.
// A run is up to three taps that see neighbouring pixels: one permuted vector serves all of them.
#pragma once

#include "kernels/dispatch.h"
#include "kernels/epilogue.h"

namespace tilewise {

constexpr index_t grouped_run_taps = 3;

struct GroupedRun {
  index_t src;       // floats from the source pixel of an output to that of the run's first tap
  index_t weights;   // offset of the run's [channel][tap][width]
  index_t taps;      // 1 to grouped_run_taps
  index_t channels;  // steps of the reduction
};

// Memory that the next piece of work will read: `lines` cache lines, brought to L2 while this one
// is computed.
struct GroupedAhead {
  const float* first;
  index_t lines;
};

// dst[o * dst_pixel + lane] = bias[lane] + sum over runs, channels j, taps t of
//                             src[run.src + (o + t) * width + lanes[j][lane]] * weights[...][lane]
struct GroupedRow {
  const float* src;  // pixels of `width` floats
  const GroupedRun* runs;
  index_t run_count;
  const float* weights;
  const std::int32_t* lanes;  // [j][width]: where channel j of each lane's group lies; null: at j
  float* dst;
  index_t dst_pixel;
  index_t count;      // output pixels
  index_t channels;   // lanes that are stored
  const float* bias;  // `channels` values, or null
  bool relu;
  bool stream;  // store past the caches: whole vectors at aligned addresses
  GroupedAhead ahead;
};

// sums[j][t][lane] += sum over rows and o < count of
//                     x[row * x_row + (o + t) * width + lanes[j][lane]] * dy[row * dy_row + o *
//                     width + lane]
// of one run: rows are added up in registers, then to `sums`.
struct GroupedGradient {
  const float* x;
  index_t x_row;
  const float* dy;
  index_t dy_row;
  index_t rows;
  index_t count;
  index_t taps;
  index_t channels;
  const std::int32_t* lanes;  // as above
  float* sums;
  GroupedAhead ahead;
};

// Channels-last pixels to sources: dst[source * dst_source + pixel * width + i] for the channels of
// `units` of `unit` channels each, every unit beginning a source.
struct GroupedPack {
  const float* src;
  index_t src_pixel;
  index_t pixels;
  index_t channels;  // in all
  index_t unit;
  float* dst;
  index_t dst_source;
  GradientGate gate;  // y lies as src does, or is null
};

struct GroupedKernels {
  index_t width;
  void (*correlate)(const GroupedRow& row);
  void (*gradient)(const GroupedGradient& g);
  void (*pack)(const GroupedPack& p);
};
TW_KERNEL_TABLE(GroupedKernels, grouped_kernels)

}  // namespace tilewise
