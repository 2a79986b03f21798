// Convolutions of several groups of few channels: forward and gradient of the data.
//
//   y[n, o, k] = sum over taps t and channels j of group(k) of
//                x[n, o*stride + t*dilation - pad, group(k)*C/groups + j] * w[k, j, t]
//
// Output channels are the lanes of vectors that span several groups (kernels/grouped.h), so that no
// lane is idle where a panel of a matrix product would be mostly empty: 8 channels a group fill
// half a vector of 16. The gradient of the data is the same correlation of dY with the channels of
// a group exchanged, one target for each phase of input pixels modulo the stride.
//
//   for each piece = (image, plane, block of rows, block of columns, block of units)  -> threads
//     strip of the input: sources, phases, padding                                    -> L2
//     for each vector of output channels (its weights, a few KB)                      -> L1
//       for each target and row: pixels of the row in registers
//
// One chain of additions an output, in the order of runs and channels, whatever the blocks.
#include "ops/conv/grouped.h"

#include <algorithm>

#include "base/threads.h"
#include "kernels/gemm.h"
#include "ops/conv/grouped_plan.h"
#include "ops/conv/packed_weights.h"
#include "ops/conv/problem.h"

namespace tilewise {
namespace {

constexpr index_t kStripBytes = 512 << 10;
constexpr index_t kMostChannels = 128;  // of a group

// Weights as [unit][vector][run][channel][tap][width]. Reflected: lanes are input channels, the
// reduction runs over the output channels of their group.
void pack_weights(const GroupedPlan& plan, const ConvProblem& p, bool reflected,
                  const float* weight, float* packed) {
  const GroupedChannels& channels = plan.channels();
  const index_t cg = p.group_c();
  const index_t kg = p.group_k();
  const index_t taps = p.taps();
  parallel_for(channels.units() * channels.vectors(), [&](index_t i) {
    float* out = packed + i * plan.vector_floats();
    std::fill_n(out, plan.vector_floats(), 0.0F);  // lanes past the last
    plan.for_each_weight(i / channels.vectors(), i % channels.vectors(),
                         [&](index_t lane, index_t tap, index_t j, index_t place) {
                           const index_t k = reflected ? lane / cg * kg + j : lane;
                           const index_t c = reflected ? lane % cg : j;
                           out[place] = weight[(k * cg + c) * taps + tap];
                         });
  });
}

struct Tensors {
  const float* src;
  const float* weights;  // packed
  float* dst;
  GradientGate gate;
};

class GroupedCorrelation {
 public:
  GroupedCorrelation(const GroupedJob& job, const GroupedPlan& plan, const OutputStage* stage)
      : job_(job), plan_(plan), stage_(stage) {
    for (std::size_t i = 0; i < job.targets.size(); ++i) {
      most_runs_ = std::max(most_runs_, plan.runs(i).size());
    }
  }

  index_t bytes_a_thread() const {
    return plan_.strip_floats() * static_cast<index_t>(sizeof(float)) +
           static_cast<index_t>(most_runs_ * sizeof(GroupedRun));
  }

  void run(const Tensors& tensors, index_t multiply_adds) const {
    const bool stream = wants_streaming(tensors.dst);
    parallel_for(plan_.pieces(), multiply_adds, [&](index_t piece) {
      const GroupedPlan::Block block = block_of(piece);
      Scratch<float> strip(static_cast<std::size_t>(plan_.strip_floats()));
      Scratch<GroupedRun> runs(most_runs_);
      plan_.pack(block, tensors.src, tensors.gate, strip.data());
      AheadSlices ahead = slices_after(piece, block, tensors);
      for (index_t unit = block.unit0; unit < block.unit1; ++unit) {
        const float* src = strip.data() + (unit - block.unit0) * plan_.channels().sources() *
                                              plan_.source_floats();
        for (index_t v = 0; v < plan_.channels().vectors(); ++v) {
          run_vector(block, unit, v, {src, runs.data(), &ahead}, tensors, stream);
        }
      }
      if (stream) gemm_kernels().fence();
    });
  }

 private:
  GroupedPlan::Block block_of(index_t piece) const {
    return plan_.block(piece / plan_.unit_blocks(), piece % plan_.unit_blocks());
  }

  bool wants_streaming(const float* dst) const {
    const GroupedChannels& c = plan_.channels();
    const index_t width = grouped_kernels().width;
    const bool lines =
        width == 16 && c.groups() * c.group_out() % width == 0 && c.unit_out() % width == 0;
    const index_t bytes = job_.images * job_.dst_image * static_cast<index_t>(sizeof(float));
    return lines && reinterpret_cast<std::uintptr_t>(dst) % 64 == 0 &&
           stores_past_caches(stage_, bytes);
  }

  // The input of the piece that this thread will probably take next: a hint, no more.
  AheadSlices slices_after(index_t piece, const GroupedPlan::Block& block,
                           const Tensors& tensors) const {
    AheadSlices ahead;
    const index_t next = piece + num_threads();
    if (next < plan_.pieces()) {
      ahead.add(plan_.input_of(block_of(next), tensors.src));
      if (tensors.gate.y != nullptr) ahead.add(plan_.input_of(block_of(next), tensors.gate.y));
    }
    const index_t vectors = (block.unit1 - block.unit0) * plan_.channels().vectors();
    ahead.start(vectors * block.rows * static_cast<index_t>(job_.targets.size()));
    return ahead;
  }

  struct Working {
    const float* src;  // of the unit, in the strip
    GroupedRun* runs;
    AheadSlices* ahead;
  };

  void run_vector(const GroupedPlan::Block& b, index_t unit, index_t vector, const Working& working,
                  const Tensors& tensors, bool stream) const {
    const GroupedChannels& channels = plan_.channels();
    const index_t channel = channels.first_output(unit, vector);
    GroupedRow row{};
    row.runs = working.runs;
    row.stream = stream;
    row.weights = tensors.weights + (unit * channels.vectors() + vector) * plan_.vector_floats();
    row.lanes = channels.lanes();
    row.channels = channels.outputs(unit, vector);
    if (stage_ != nullptr && stage_->bias() != nullptr) row.bias = stage_->bias() + channel;
    row.relu = stage_ != nullptr && stage_->relu();
    for (std::size_t i = 0; i < job_.targets.size(); ++i) {
      const GroupedTarget& target = job_.targets[i];
      row.dst_pixel = target.stride[2];
      row.count = std::min(b.cols, target.extent[2] - b.col0);
      const index_t rows = std::min(b.rows, target.extent[1] - b.row0);
      if (b.plane >= target.extent[0] || row.count <= 0) continue;
      float* dst = tensors.dst + b.image * job_.dst_image + target.first +
                   b.plane * target.stride[0] + b.col0 * target.stride[2] + channel;
      for (index_t h = 0; h < rows; ++h) {
        row.run_count = 0;
        for (const PlannedRun& run : plan_.runs(i)) {
          if (plan_.inside(run, b.plane, b.row0 + h)) working.runs[row.run_count++] = run.run;
        }
        row.ahead = working.ahead->next();
        row.src = working.src + h * plan_.row_step();
        row.dst = dst + (b.row0 + h) * target.stride[1];
        grouped_kernels().correlate(row);
        if (stage_ == nullptr || !stage_->pending()) continue;
        stage_->finish(b.place, {row.dst, row.count, row.dst_pixel, row.channels}, channel);
      }
    }
  }

  const GroupedJob& job_;
  const GroupedPlan& plan_;
  const OutputStage* stage_;
  std::size_t most_runs_ = 0;
};

const char* refuses(const ConvProblem& p, ConvDirection) {
  if (p.groups == 1) return "there is one group";
  if (p.group_c() == 1) return "a group has one input channel";
  if (p.group_c() > kMostChannels || p.group_k() > kMostChannels) {
    return "a group has more than 128 channels";
  }
  for (int i = 0; i < 3; ++i) {
    const index_t span = (p.kernel[i] - 1) * p.dilation[i] + 1;
    const index_t reach = std::min<index_t>(p.out[i] - 1, 224) * p.stride[i] + span;
    if (reach > 2 * (p.in[i] + p.out[i]) + 4096) {
      return "kernel and stride reach far beyond the input: strips would be mostly padding";
    }
  }
  return nullptr;
}

// Lanes past the last channel of a vector multiply zeros. The rate is that of matrix products: 80
// to 90 % of the peak for 2 to 128 channels a group.
double cost(const ConvProblem& p, ConvDirection direction) {
  const bool backward = direction == ConvDirection::backward_data;
  const GroupedChannels channels(p.groups, backward ? p.group_k() : p.group_c(),
                                 backward ? p.group_c() : p.group_k());
  const double outputs = double(p.groups * channels.group_out());
  const double lanes = double(channels.units() * channels.vectors() * grouped_kernels().width);
  // Runs of one tap over wide groups leave the loads the limit where a panel of a matrix product
  // has 16 registers too.
  const bool load_bound = grouped_kernels().width < 16 && (p.kernel[2] == 1 || p.dilation[2] > 1) &&
                          channels.group_out() >= gemm_kernels().panel;
  const double rate = load_bound ? 0.9 : 1;
  return 1e3 + multiply_adds(p) * lanes / outputs / (rate * nominal_multiply_adds);
}

GroupedJob job_of(const ConvProblem& p, ConvDirection direction) {
  return direction == ConvDirection::forward ? grouped_forward_job(p) : grouped_backward_job(p);
}

index_t packed(const ConvProblem& problem, ConvDirection direction) {
  if (direction == ConvDirection::backward_weight) return 0;
  const GroupedJob job = job_of(simplified(problem), direction);
  const GroupedPlan plan(job, kStripBytes, 1, false);
  return plan.weight_floats() * static_cast<index_t>(sizeof(float));
}

index_t workspace(const ConvProblem& problem, ConvDirection direction, int threads) {
  const ConvProblem p = simplified(problem);
  if (direction == ConvDirection::backward_weight) {
    return grouped_weight_gradient_workspace(p, threads);
  }
  const GroupedJob job = job_of(p, direction);
  const GroupedPlan plan(job, kStripBytes, 1, false);
  return plan.weight_floats() * static_cast<index_t>(sizeof(float)) +
         threads * GroupedCorrelation(job, plan, nullptr).bytes_a_thread();
}

void forward(const ConvForward& conv) {
  const ConvProblem p = simplified(conv.problem);
  const GroupedJob job = grouped_forward_job(p);
  const GroupedPlan plan(job, kStripBytes, 1, false);
  const PackedWeights packed(
      conv.weight, conv.keep_weights, "grouped", grouped_kernels().width, plan.weight_floats(),
      [&](float* out) { pack_weights(plan, p, false, conv.weight.data<float>(), out); }, p.groups);
  if (conv.stage != nullptr) conv.stage->expect_pieces(plan.places());
  GroupedCorrelation(job, plan, conv.stage)
      .run({conv.x.data<float>(), packed.data(), conv.y.data<float>(), {}},
           static_cast<index_t>(multiply_adds(p)));
}

void backward_data(const ConvBackwardData& conv) {
  const ConvProblem p = simplified(conv.problem);
  const GroupedJob job = grouped_backward_job(p);
  const GroupedPlan plan(job, kStripBytes, 1, false);
  const PackedWeights packed(
      conv.weight, conv.keep_weights, "grouped reflected", grouped_kernels().width,
      plan.weight_floats(),
      [&](float* out) { pack_weights(plan, p, true, conv.weight.data<float>(), out); }, p.groups);
  if (conv.stage != nullptr) conv.stage->expect_pieces(plan.places());
  GroupedCorrelation(job, plan, conv.stage)
      .run({conv.dy.data<float>(), packed.data(), conv.dx.data<float>(), conv.gate},
           static_cast<index_t>(multiply_adds(p)));
}

}  // namespace

const ConvAlgorithm grouped{"grouped",
                            {false, true, {false, true, true}, false},
                            refuses,
                            cost,
                            workspace,
                            packed,
                            forward,
                            backward_data,
                            grouped_weight_gradient};

}  // namespace tilewise
