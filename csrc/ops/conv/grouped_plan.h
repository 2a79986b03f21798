// How a convolution of several groups is cut into vectors, runs of taps and strips.
//
// Input is copied to strips, kernels/grouped.h has the layout of a pixel:
//
//   strip[source][plane][row][phase][pixel][width]     phase and pixel: column = pixel*step + phase
//
// so that the taps of a kernel row see neighbouring pixels at any stride, with the padding left and
// right written out. Rows outside of the input are neither copied nor read. The distance between
// sources is an odd number of cache lines: they are written side by side.
#pragma once

#include <vector>

#include "base/conv_problem.h"
#include "base/memory.h"
#include "kernels/grouped.h"

namespace tilewise {

// A unit is as many groups as fit a vector of outputs and one of inputs, at least one; it reads
// `sources` vectors of input channels (more than one only where a unit is a single group).
class GroupedChannels {
 public:
  GroupedChannels(index_t groups, index_t group_in, index_t group_out);

  index_t groups() const { return groups_; }
  index_t group_in() const { return in_; }
  index_t group_out() const { return out_; }
  index_t unit_in() const { return unit_groups_ * in_; }
  index_t unit_out() const { return unit_groups_ * out_; }
  index_t units() const { return ceil_div(groups_, unit_groups_); }
  index_t sources() const { return ceil_div(unit_in(), width_); }   // of a unit
  index_t vectors() const { return ceil_div(unit_out(), width_); }  // of a unit
  bool permutes() const { return unit_groups_ > 1; }

  // Channels of group j that source `source` of a unit holds.
  index_t reduction(index_t source) const;
  // Output channels of a vector of a unit: the first, and how many.
  index_t first_output(index_t unit, index_t vector) const;
  index_t outputs(index_t unit, index_t vector) const;
  // Input channels of units [first, last).
  index_t inputs(index_t first, index_t last) const;
  // GroupedRow::lanes; null where a unit is one group.
  const std::int32_t* lanes() const { return lanes_.empty() ? nullptr : lanes_.data(); }

 private:
  index_t groups_;
  index_t in_;
  index_t out_;
  index_t width_;
  index_t unit_groups_;
  std::vector<std::int32_t> lanes_;
};

// Input pixel relative to output pixel * step, and the tap's place in the weight tensor.
struct GroupedTap {
  index_t offset[3];
  index_t tap;
};

// Output pixels that the same taps reach: all of them, or a phase of a strided gradient.
struct GroupedTarget {
  index_t first;  // elements from the image's first
  index_t extent[3];
  index_t stride[3];  // elements
  std::vector<GroupedTap> taps;
};

struct GroupedJob {
  index_t images;
  index_t groups;
  index_t group_in;
  index_t group_out;
  index_t extent[3];  // of the input
  index_t step[3];
  index_t dst_image;  // elements
  std::vector<GroupedTarget> targets;
};

GroupedJob grouped_forward_job(const ConvProblem& problem);
GroupedJob grouped_backward_job(const ConvProblem& problem);

struct PlannedRun {
  GroupedRun run;
  index_t offset[2];  // planes and rows from output * step, to tell what lies outside
  index_t taps[grouped_run_taps];
  index_t source;
};

// Hands out memory that is needed next in slices, one for each call of a kernel.
class AheadSlices {
 public:
  void add(const GroupedAhead& range) { ranges_[count_++] = range; }
  // `calls` kernels will ask.
  void start(index_t calls) {
    index_t lines = 0;
    for (int i = 0; i < count_; ++i) lines += ranges_[i].lines;
    slice_ = ceil_div(lines, calls);
  }
  GroupedAhead next() {
    if (at_ == count_) return {nullptr, 0};
    GroupedAhead& range = ranges_[at_];
    const GroupedAhead slice{range.first, range.lines < slice_ ? range.lines : slice_};
    range.first += slice.lines * 16;
    range.lines -= slice.lines;
    if (range.lines == 0) ++at_;
    return slice;
  }

 private:
  GroupedAhead ranges_[3] = {};
  int count_ = 0;
  int at_ = 0;
  index_t slice_ = 0;
};

class GroupedPlan {
 public:
  // Strips of at most `strip_bytes`, if one row fits; units in at least `unit_blocks` blocks, if
  // there are so many. A plan for weight gradients counts dY under a strip as well.
  GroupedPlan(const GroupedJob& job, index_t strip_bytes, index_t unit_blocks,
              bool weight_gradient);

  const GroupedChannels& channels() const { return channels_; }
  const std::vector<PlannedRun>& runs(std::size_t target) const { return runs_[target]; }
  index_t vector_floats() const { return vector_floats_; }  // of weights
  index_t weight_floats() const;
  // Calls visit(k or c of the output lane, tap, reduced channel within the group, place) for each
  // weight of a vector.
  template <typename Visit>
  void for_each_weight(index_t unit, index_t vector, const Visit& visit) const;

  // Pieces of work: (place) x (units).
  struct Block {
    index_t place;
    index_t image, plane, row0, rows, col0, cols;  // of the largest target
    index_t unit0, unit1;
  };
  index_t places() const { return places_; }
  index_t unit_blocks() const { return unit_blocks_; }
  index_t pieces() const { return places_ * unit_blocks_; }
  Block block(index_t place, index_t unit_block) const;

  index_t strip_floats() const { return units_a_block_ * channels_.sources() * source_floats_; }
  index_t source_floats() const { return source_floats_; }
  index_t row_step() const { return job_.step[1] * row_floats_; }
  index_t block_rows() const { return block_rows_; }
  index_t block_cols() const { return block_cols_; }
  void pack(const Block& block, const float* src, const GradientGate& gate, float* strip) const;
  // What `pack` would read of `src`, if it is one piece of memory; else nothing.
  GroupedAhead input_of(const Block& block, const float* src) const;
  // Whether a run of output row `row` (of the plane of `block`) reads rows inside the input.
  bool inside(const PlannedRun& run, index_t plane, index_t row) const;

 private:
  void find_extremes();
  void choose_blocks(index_t strip_bytes, index_t unit_blocks, bool weight_gradient);
  void split_units(index_t blocks);
  void set_strip(index_t rows, index_t cols);
  void plan_runs();
  index_t region(int dim, index_t outputs) const {
    return (outputs - 1) * job_.step[dim] + high_[dim] - low_[dim] + 1;
  }

  const GroupedJob& job_;
  GroupedChannels channels_;
  index_t width_;
  index_t low_[3];
  index_t high_[3];
  index_t largest_[3];           // extents of targets
  std::vector<index_t> planes_;  // offsets that taps have
  std::vector<index_t> phases_;  // of columns that taps have
  std::vector<bool> used_rows_;  // modulo the step, while rows repeat with it
  index_t block_rows_ = 1;
  index_t block_cols_ = 1;
  index_t units_a_block_ = 1;
  index_t row_blocks_ = 1;
  index_t col_blocks_ = 1;
  index_t unit_blocks_ = 1;
  index_t places_ = 0;
  index_t phase_pixels_ = 0;
  index_t row_floats_ = 0;
  index_t plane_floats_ = 0;
  index_t source_floats_ = 0;
  index_t vector_floats_ = 0;
  std::vector<std::vector<PlannedRun>> runs_;  // of each target
};

template <typename Visit>
void GroupedPlan::for_each_weight(index_t unit, index_t vector, const Visit& visit) const {
  const index_t first = channels_.first_output(unit, vector);
  const index_t lanes = channels_.outputs(unit, vector);
  for (const auto& target : runs_) {
    for (const PlannedRun& r : target) {
      index_t at = r.run.weights;
      for (index_t j = 0; j < r.run.channels; ++j) {
        for (index_t t = 0; t < r.run.taps; ++t) {
          for (index_t lane = 0; lane < lanes; ++lane) {
            visit(first + lane, r.taps[t], r.source * width_ + j, at + lane);
          }
          at += width_;
        }
      }
    }
  }
}

}  // namespace tilewise
