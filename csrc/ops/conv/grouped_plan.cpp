#include "ops/conv/grouped_plan.h"

#include <algorithm>
#include <cstring>
#include <tuple>

namespace tilewise {
namespace {

constexpr index_t kMaxBlockCols = 224;
constexpr index_t kTileCols = 56;  // a multiple of the pixels that kernels hold in registers
constexpr index_t kUnitBytes = 20 << 10;
constexpr index_t kWantedPlaces = 16;
constexpr index_t kLine = 16;  // floats

index_t floor_div(index_t a, index_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

void channels_last_strides(index_t (&stride)[3], const index_t (&extent)[3], index_t pixel) {
  stride[2] = pixel;
  stride[1] = extent[2] * pixel;
  stride[0] = extent[1] * stride[1];
}

// Calls visit(tap, position along each dimension) for the taps in order.
template <typename Visit>
void for_each_tap(const ConvProblem& p, const Visit& visit) {
  index_t tap = 0;
  for (index_t d = 0; d < p.kernel[0]; ++d) {
    for (index_t h = 0; h < p.kernel[1]; ++h) {
      for (index_t w = 0; w < p.kernel[2]; ++w) visit(tap++, {d, h, w});
    }
  }
}

// The taps that reach input pixels phase + stride * j, as offsets in dY.
std::vector<GroupedTap> phase_taps(const ConvProblem& p, const index_t (&phase)[3]) {
  std::vector<GroupedTap> taps;
  for_each_tap(p, [&](index_t tap, const index_t(&at)[3]) {
    GroupedTap entry{{0, 0, 0}, tap};
    for (int i = 0; i < 3; ++i) {
      const index_t offset = phase[i] + p.pad_begin[i] - at[i] * p.dilation[i];
      entry.offset[i] = floor_div(offset, p.stride[i]);
      if (entry.offset[i] * p.stride[i] != offset) return;
    }
    taps.push_back(entry);
  });
  return taps;
}

}  // namespace

GroupedChannels::GroupedChannels(index_t groups, index_t group_in, index_t group_out)
    : groups_(groups), in_(group_in), out_(group_out), width_(grouped_kernels().width) {
  unit_groups_ = std::clamp<index_t>(std::min(width_ / in_, width_ / out_), 1, groups_);
  if (unit_groups_ == 1) return;
  for (index_t j = 0; j < in_; ++j) {
    for (index_t lane = 0; lane < width_; ++lane) {
      const index_t group = std::min(lane / out_, unit_groups_ - 1);
      lanes_.push_back(static_cast<std::int32_t>(group * in_ + j));
    }
  }
}

index_t GroupedChannels::reduction(index_t source) const {
  return permutes() ? in_ : std::min(width_, in_ - source * width_);
}

index_t GroupedChannels::first_output(index_t unit, index_t vector) const {
  return unit * unit_out() + vector * width_;
}

index_t GroupedChannels::outputs(index_t unit, index_t vector) const {
  const index_t end = std::min((unit + 1) * unit_out(), groups_ * out_);
  return std::min(width_, end - first_output(unit, vector));
}

index_t GroupedChannels::inputs(index_t first, index_t last) const {
  return std::min(last * unit_in(), groups_ * in_) - first * unit_in();
}

GroupedJob grouped_forward_job(const ConvProblem& p) {
  GroupedJob job{p.n, p.groups, p.group_c(), p.group_k(), {}, {}, p.out_pixels() * p.k, {}};
  std::copy(p.in, p.in + 3, job.extent);
  std::copy(p.stride, p.stride + 3, job.step);
  GroupedTarget target{};
  std::copy(p.out, p.out + 3, target.extent);
  channels_last_strides(target.stride, p.out, p.k);
  for_each_tap(p, [&](index_t tap, const index_t(&at)[3]) {
    GroupedTap entry{{0, 0, 0}, tap};
    for (int i = 0; i < 3; ++i) entry.offset[i] = at[i] * p.dilation[i] - p.pad_begin[i];
    target.taps.push_back(entry);
  });
  job.targets.push_back(std::move(target));
  return job;
}

GroupedJob grouped_backward_job(const ConvProblem& p) {
  GroupedJob job{p.n, p.groups, p.group_k(), p.group_c(), {}, {1, 1, 1}, p.in_pixels() * p.c, {}};
  std::copy(p.out, p.out + 3, job.extent);
  index_t pixel[3];
  channels_last_strides(pixel, p.in, p.c);
  index_t phases[3];  // a stride beyond the input has no more phases than pixels
  for (int i = 0; i < 3; ++i) phases[i] = std::min(p.stride[i], p.in[i]);
  for (index_t number = 0; number < phases[0] * phases[1] * phases[2]; ++number) {
    const index_t phase[3] = {number / (phases[1] * phases[2]), number / phases[2] % phases[1],
                              number % phases[2]};
    GroupedTarget target{};
    for (int i = 0; i < 3; ++i) {
      target.first += phase[i] * pixel[i];
      target.extent[i] = ceil_div(p.in[i] - phase[i], p.stride[i]);
      target.stride[i] = pixel[i] * p.stride[i];
    }
    target.taps = phase_taps(p, phase);
    job.targets.push_back(std::move(target));
  }
  return job;
}

GroupedPlan::GroupedPlan(const GroupedJob& job, index_t strip_bytes, index_t unit_blocks,
                         bool weight_gradient)
    : job_(job),
      channels_(job.groups, job.group_in, job.group_out),
      width_(grouped_kernels().width) {
  find_extremes();
  choose_blocks(strip_bytes, unit_blocks, weight_gradient);
  plan_runs();
}

index_t GroupedPlan::weight_floats() const {
  return channels_.units() * channels_.vectors() * vector_floats_;
}

void GroupedPlan::find_extremes() {
  bool first = true;
  std::fill(low_, low_ + 3, 0);
  std::fill(high_, high_ + 3, 0);
  std::fill(largest_, largest_ + 3, 0);
  for (const GroupedTarget& target : job_.targets) {
    for (int i = 0; i < 3; ++i) largest_[i] = std::max(largest_[i], target.extent[i]);
    for (const GroupedTap& tap : target.taps) {
      for (int i = 0; i < 3; ++i) {
        low_[i] = first ? tap.offset[i] : std::min(low_[i], tap.offset[i]);
        high_[i] = first ? tap.offset[i] : std::max(high_[i], tap.offset[i]);
      }
      first = false;
    }
  }
  const auto add = [](std::vector<index_t>& list, index_t value) {
    if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
  };
  used_rows_.assign(static_cast<std::size_t>(job_.step[1]), false);
  for (const GroupedTarget& target : job_.targets) {
    for (const GroupedTap& tap : target.taps) {
      add(planes_, tap.offset[0]);
      add(phases_, (tap.offset[2] - low_[2]) % job_.step[2]);
      used_rows_[static_cast<std::size_t>((tap.offset[1] - low_[1]) % job_.step[1])] = true;
    }
  }
  std::sort(planes_.begin(), planes_.end());
  std::sort(phases_.begin(), phases_.end());
}

void GroupedPlan::set_strip(index_t rows, index_t cols) {
  const auto count = [](const std::vector<index_t>& list) {
    return static_cast<index_t>(list.size());
  };
  phase_pixels_ = ceil_div(region(2, cols), job_.step[2]);
  row_floats_ = checked_mul(count(phases_) * phase_pixels_, width_);
  plane_floats_ = checked_mul(region(1, rows), row_floats_);
  const index_t lines = ceil_div(checked_mul(count(planes_), plane_floats_), kLine);
  source_floats_ = (lines | 1) * kLine;
}

void GroupedPlan::choose_blocks(index_t strip_bytes, index_t unit_blocks, bool weight_gradient) {
  const index_t units = channels_.units();
  // A single row gains nothing from the rows beside it: its vectors read a unit's pixels from L1.
  const index_t pixel_bytes = channels_.sources() * width_ * static_cast<index_t>(sizeof(float));
  const index_t in_l1 = std::max<index_t>(1, kUnitBytes / pixel_bytes / kTileCols) * kTileCols;
  const index_t most_cols = largest_[1] > 1 ? kMaxBlockCols : std::min(kMaxBlockCols, in_l1);
  col_blocks_ = ceil_div(largest_[2], most_cols);
  block_cols_ = ceil_div(largest_[2], col_blocks_);
  col_blocks_ = ceil_div(largest_[2], block_cols_);
  const auto unit_bytes = [&](index_t rows) {
    set_strip(rows, block_cols_);
    const index_t dy = weight_gradient ? rows * block_cols_ * channels_.vectors() * width_ : 0;
    return checked_mul(channels_.sources() * source_floats_ + dy, sizeof(float));
  };
  const index_t fitting = std::clamp<index_t>(strip_bytes / unit_bytes(1), 1, units);
  split_units(std::max(unit_blocks, ceil_div(units, fitting)));
  block_rows_ = 1;
  while (block_rows_ < largest_[1] && units_a_block_ * unit_bytes(block_rows_ + 1) <= strip_bytes) {
    ++block_rows_;
  }
  const index_t fixed = job_.images * largest_[0] * col_blocks_;
  row_blocks_ =
      std::clamp(std::max(ceil_div(largest_[1], block_rows_), ceil_div(kWantedPlaces, fixed)),
                 index_t{1}, largest_[1]);
  block_rows_ = ceil_div(largest_[1], row_blocks_);
  row_blocks_ = ceil_div(largest_[1], block_rows_);
  places_ = checked_mul(fixed, row_blocks_);
  if (!weight_gradient) split_units(std::max(unit_blocks_, ceil_div(kWantedPlaces, places_)));
  set_strip(block_rows_, block_cols_);
}

void GroupedPlan::split_units(index_t blocks) {
  const index_t units = channels_.units();
  units_a_block_ = ceil_div(units, std::min(blocks, units));
  unit_blocks_ = ceil_div(units, units_a_block_);
}

void GroupedPlan::plan_runs() {
  const auto place_in = [](const std::vector<index_t>& list, index_t value) {
    return static_cast<index_t>(std::lower_bound(list.begin(), list.end(), value) - list.begin());
  };
  struct Place {
    index_t row;  // floats from the strip's first pixel to the row and phase
    index_t pixel;
    const GroupedTap* tap;
  };
  for (const GroupedTarget& target : job_.targets) {
    std::vector<Place> places;
    for (const GroupedTap& tap : target.taps) {
      const index_t col = tap.offset[2] - low_[2];
      const index_t phase = place_in(phases_, col % job_.step[2]);
      places.push_back({place_in(planes_, tap.offset[0]) * plane_floats_ +
                            (tap.offset[1] - low_[1]) * row_floats_ +
                            phase * phase_pixels_ * width_,
                        col / job_.step[2], &tap});
    }
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
      return std::tie(a.row, a.pixel) < std::tie(b.row, b.pixel);
    });
    std::vector<PlannedRun>& runs = runs_.emplace_back();
    for (index_t source = 0; source < channels_.sources(); ++source) {
      for (std::size_t i = 0; i < places.size();) {
        std::size_t end = i + 1;  // of the neighbours
        while (end < places.size() && places[end].row == places[i].row &&
               places[end].pixel == places[end - 1].pixel + 1) {
          ++end;
        }
        const auto left = static_cast<index_t>(end - i);
        const index_t taps = ceil_div(left, ceil_div(left, grouped_run_taps));
        PlannedRun run{};
        run.run = {source * source_floats_ + places[i].row + places[i].pixel * width_,
                   vector_floats_, taps, channels_.reduction(source)};
        run.offset[0] = places[i].tap->offset[0];
        run.offset[1] = places[i].tap->offset[1];
        run.source = source;
        for (index_t t = 0; t < taps; ++t) run.taps[t] = places[i++].tap->tap;
        vector_floats_ += taps * run.run.channels * width_;
        runs.push_back(run);
      }
    }
  }
}

GroupedPlan::Block GroupedPlan::block(index_t place, index_t unit_block) const {
  Block b{};
  b.place = place;
  b.col0 = place % col_blocks_ * block_cols_;
  place /= col_blocks_;
  b.row0 = place % row_blocks_ * block_rows_;
  place /= row_blocks_;
  b.plane = place % largest_[0];
  b.image = place / largest_[0];
  b.rows = std::min(block_rows_, largest_[1] - b.row0);
  b.cols = std::min(block_cols_, largest_[2] - b.col0);
  b.unit0 = unit_block * units_a_block_;
  b.unit1 = std::min(b.unit0 + units_a_block_, channels_.units());
  return b;
}

bool GroupedPlan::inside(const PlannedRun& run, index_t plane, index_t row) const {
  const index_t d = plane * job_.step[0] + run.offset[0];
  const index_t h = row * job_.step[1] + run.offset[1];
  return d >= 0 && d < job_.extent[0] && h >= 0 && h < job_.extent[1];
}

GroupedAhead GroupedPlan::input_of(const Block& b, const float* src) const {
  if (unit_blocks_ > 1 || planes_.empty() || (col_blocks_ > 1 && block_rows_ > 1)) return {src, 0};
  const index_t d =
      std::clamp<index_t>(b.plane * job_.step[0] + planes_.back(), 0, job_.extent[0] - 1);
  const index_t row = b.row0 * job_.step[1] + low_[1];
  const index_t first = std::clamp<index_t>(row, 0, job_.extent[1]);
  const index_t last = std::clamp<index_t>(row + region(1, b.rows), first, job_.extent[1]);
  const index_t pixel = job_.groups * job_.group_in;
  const float* rows =
      src + ((b.image * job_.extent[0] + d) * job_.extent[1] + first) * job_.extent[2] * pixel;
  if (col_blocks_ == 1) return {rows, (last - first) * job_.extent[2] * pixel / kLine};
  const index_t col = b.col0 * job_.step[2] + low_[2];
  const index_t begin = std::clamp<index_t>(col, 0, job_.extent[2]);
  const index_t end = std::clamp<index_t>(col + region(2, b.cols), begin, job_.extent[2]);
  return {rows + begin * pixel, (end - begin) * pixel / kLine};
}

void GroupedPlan::pack(const Block& b, const float* src, const GradientGate& gate,
                       float* strip) const {
  const index_t pixel = job_.groups * job_.group_in;
  GroupedPack p{};
  p.src_pixel = job_.step[2] * pixel;
  p.channels = channels_.inputs(b.unit0, b.unit1);
  p.unit = channels_.unit_in();
  p.dst_source = source_floats_;
  const index_t sources = (b.unit1 - b.unit0) * channels_.sources();
  const index_t row_begin = b.row0 * job_.step[1] + low_[1];
  const index_t col_begin = b.col0 * job_.step[2] + low_[2];
  const index_t rows = region(1, b.rows);
  const index_t cols = region(2, b.cols);
  for (std::size_t plane = 0; plane < planes_.size(); ++plane) {
    const index_t d = b.plane * job_.step[0] + planes_[plane];
    if (d < 0 || d >= job_.extent[0]) continue;
    for (index_t row = 0; row < rows; ++row) {
      const index_t h = row_begin + row;
      const bool used = used_rows_[static_cast<std::size_t>(row % job_.step[1])];
      if (!used || h < 0 || h >= job_.extent[1]) continue;
      const index_t image_row =
          (((b.image * job_.extent[0] + d) * job_.extent[1] + h) * job_.extent[2]) * pixel +
          b.unit0 * p.unit;
      for (std::size_t i = 0; i < phases_.size(); ++i) {
        // Pixels [first, last) lie inside the input.
        const index_t col0 = col_begin + phases_[i];
        const index_t count = ceil_div(std::max<index_t>(0, cols - phases_[i]), job_.step[2]);
        const index_t first = std::clamp<index_t>(ceil_div(-col0, job_.step[2]), 0, count);
        const index_t last = std::clamp<index_t>(
            floor_div(job_.extent[2] - 1 - col0, job_.step[2]) + 1, first, count);
        float* dst = strip + static_cast<index_t>(plane) * plane_floats_ + row * row_floats_ +
                     static_cast<index_t>(i) * phase_pixels_ * width_;
        const auto clear = [&](index_t from, index_t to) {
          if (from == to) return;
          for (index_t source = 0; source < sources; ++source) {
            std::memset(dst + source * source_floats_ + from * width_, 0,
                        static_cast<std::size_t>((to - from) * width_) * sizeof(float));
          }
        };
        clear(0, first);
        clear(last, count);
        const index_t at = image_row + (col0 + first * job_.step[2]) * pixel;
        p.src = src + at;
        p.gate = gate;
        if (gate.y != nullptr) p.gate.y = gate.y + at;
        p.pixels = last - first;
        p.dst = dst + first * width_;
        grouped_kernels().pack(p);
      }
    }
  }
}

}  // namespace tilewise
