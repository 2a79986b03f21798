// The result is cut into runs of some registers that are all alike: the innermost dimensions, and
// as much of the next one as makes them whole registers. For one run a table says which registers
// of the source give which lanes; the kernel follows it for every run. Reversed rows, every n-th
// element, interleaved channels and pixels that become channels are all of this kind.
#include "ops/permute_copy.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "base/threads.h"
#include "kernels/copy.h"
#include "ops/operand.h"

namespace tilewise {
namespace {

constexpr int dst_operand = 0;
constexpr int src_operand = 1;

// From how many registers of the source one of the result may come.
constexpr index_t most_steps = 8;

constexpr index_t line_floats = 16;

class StepTable {
 public:
  // offsets[i]: where element i of a run is in the source.
  StepTable(const std::vector<index_t>& offsets, index_t width) : offsets_(offsets), width_(width) {
    begin_.push_back(0);
    if (offsets.empty()) return;
    const auto [low, high] = std::minmax_element(offsets.begin(), offsets.end());
    low_ = *low;
    // Registers are loaded between the ends of a run, so that none reaches beyond the source.
    last_base_ = *high + 1 - width;
    fits_ = last_base_ >= low_;
    for (index_t first = 0; fits_ && first < length(); first += width) {
      // Loads that cross cache lines take twice as long.
      const bool aligned = steps(first, width) <= steps(first, 1);
      add_register(first, aligned ? width : 1);
      begin_.push_back(static_cast<std::int32_t>(base_.size()));
    }
    for (index_t offset : offsets_) line_.push_back(offset - (offset - low_) % line_floats);
    std::sort(line_.begin(), line_.end());
    line_.erase(std::unique(line_.begin(), line_.end()), line_.end());
  }

  bool fits() const { return fits_; }
  PermuteSteps view() const {
    return {begin_.data(),
            base_.data(),
            mask_.data(),
            lane_.data(),
            length(),
            line_.data(),
            static_cast<index_t>(line_.size())};
  }

 private:
  struct Step {
    index_t base;
    std::uint32_t mask;
  };

  index_t length() const { return static_cast<index_t>(offsets_.size()); }
  index_t at(index_t i) const { return offsets_[static_cast<std::size_t>(i)]; }
  std::uint32_t all_lanes(index_t first) const {
    return (1U << std::min(width_, length() - first)) - 1U;
  }

  // What the register gives that has the lowest element still wanted, and starts at a multiple of
  // `unit`.
  Step next(index_t first, std::uint32_t left, index_t unit) const {
    Step step{std::numeric_limits<index_t>::max(), 0};
    for (index_t i = 0; i < width_; ++i) {
      if ((left >> i & 1U) != 0) step.base = std::min(step.base, at(first + i));
    }
    step.base = std::min(step.base - (step.base - low_) % unit, last_base_);
    for (index_t i = 0; i < width_; ++i) {
      if ((left >> i & 1U) != 0 && at(first + i) < step.base + width_) step.mask |= 1U << i;
    }
    return step;
  }

  index_t steps(index_t first, index_t unit) const {
    index_t count = 0;
    for (std::uint32_t left = all_lanes(first); left != 0; ++count) {
      left &= ~next(first, left, unit).mask;
    }
    return count;
  }

  void add_register(index_t first, index_t unit) {
    index_t count = 0;
    for (std::uint32_t left = all_lanes(first); left != 0; ++count) {
      const Step step = next(first, left, unit);
      base_.push_back(step.base);
      mask_.push_back(step.mask);
      for (index_t i = 0; i < width_; ++i) {
        const bool taken = (step.mask >> i & 1U) != 0;
        lane_.push_back(taken ? static_cast<std::int32_t>(at(first + i) - step.base) : 0);
      }
      left &= ~step.mask;
    }
    fits_ = count <= most_steps;
  }

  std::vector<index_t> offsets_;
  index_t width_;
  index_t low_ = 0;
  index_t last_base_ = 0;
  bool fits_ = true;
  std::vector<std::int32_t> begin_;
  std::vector<index_t> base_;
  std::vector<std::uint32_t> mask_;
  std::vector<std::int32_t> lane_;
  std::vector<index_t> line_;
};

// Which dimensions make a run: those inside `outer`, and `factor` indices of `outer` itself.
struct Cut {
  int outer;  // -1: all dimensions
  index_t inner = 1;
  index_t factor = 1;
};

Cut cut_of(const LoopNest& loops, index_t width) {
  constexpr index_t long_run = 256;
  constexpr index_t enough = 64;
  Cut cut{loops.rank() - 1};
  const auto in_order = [&] {
    return cut.outer >= 0 && loops.stride(cut.outer, dst_operand) == cut.inner;
  };
  while (in_order() && cut.inner * loops.extent(cut.outer) <= long_run) {
    cut.inner *= loops.extent(cut.outer--);
  }
  if (cut.inner % width != 0 && in_order()) {
    const index_t unit = width / std::gcd(cut.inner, width);
    const index_t most = std::max<index_t>(1, enough / (cut.inner * unit));
    cut.factor = std::min(unit * most, loops.extent(cut.outer));
  }
  return cut;
}

std::vector<index_t> run_offsets(const LoopNest& loops, const Cut& cut, index_t factor) {
  std::vector<index_t> offsets(static_cast<std::size_t>(cut.inner * factor));
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    auto rest = static_cast<index_t>(i);
    for (int dim = loops.rank() - 1; dim >= std::max(cut.outer, 0) && rest > 0; --dim) {
      const index_t extent = dim == cut.outer ? factor : loops.extent(dim);
      offsets[i] += rest % extent * loops.stride(dim, src_operand);
      rest /= extent;
    }
  }
  return offsets;
}

struct Place {
  index_t dst = 0;
  index_t src = 0;
};

// The dimensions outside the runs: those before `outer`, and `turns` of `outer` itself where it is
// not the runs' own.
struct PermuteWalk {
  const LoopNest& loops;
  int outer;
  index_t turns = 1;

  // Where a plane begins, the flat index of the outer dimensions.
  Place place_of(index_t plane, index_t turn) const {
    Place place;
    if (turns > 1) {
      place.dst = turn * loops.stride(outer, dst_operand);
      place.src = turn * loops.stride(outer, src_operand);
    }
    for (int dim = outer - 1; dim >= 0; --dim) {
      const index_t index = plane % loops.extent(dim);
      plane /= loops.extent(dim);
      place.dst += index * loops.stride(dim, dst_operand);
      place.src += index * loops.stride(dim, src_operand);
    }
    return place;
  }
};

constexpr index_t worth_tables = 4096;  // elements

// Copies all runs of a cut; offsets(n) tells where the elements of n indices of its outer dimension
// are in the source. False where one register would need too many of the source.
template <typename Offsets>
bool copy_runs(const LoopNest& loops, const Cut& cut, const Offsets& offsets, const Array& dst,
               const Array& src) {
  const CopyKernels& kernels = copy_kernels();
  const index_t extent = cut.outer < 0 ? 1 : loops.extent(cut.outer);
  const index_t dst_stride = cut.outer < 0 ? 0 : loops.stride(cut.outer, dst_operand);
  const index_t src_stride = cut.outer < 0 ? 0 : loops.stride(cut.outer, src_operand);
  const index_t whole = extent / cut.factor;
  const index_t rest = extent % cut.factor;
  const StepTable table(offsets(cut.factor), kernels.width);
  const StepTable last(rest > 0 ? offsets(rest) : std::vector<index_t>(), kernels.width);
  if (!table.fits() || !last.fits()) return false;

  PermuteWalk walk{loops, cut.outer};
  // A dimension around the runs that comes back to the cache lines that they have read, as the rows
  // of shuffled pixels do, is walked for some runs at a time, so that memory is read evenly.
  const int around = cut.outer - 1;
  if (around >= 0) {
    const index_t step = loops.stride(around, src_operand);
    if (step >= 0 && step < src_stride) {
      walk.turns = loops.extent(around);
      walk.outer = around;
    }
  }
  index_t planes = 1;
  for (int dim = 0; dim < walk.outer; ++dim) planes *= loops.extent(dim);
  const bool past_caches = copy_sweeps_caches(dst, src);
  const index_t grain = ceil_div(elementwise_grain, cut.inner * cut.factor * walk.turns);
  // The source is asked for a page ahead: steps do not read in the order that the processor
  // expects.
  constexpr index_t page = 1024;  // floats
  const index_t ahead = past_caches ? ceil_div(page, cut.inner * cut.factor) : 0;
  const index_t together = walk.turns > 1 ? ceil_div(page, cut.inner * cut.factor) : whole;
  parallel_ranges(planes * whole, grain, [&](index_t first, index_t end) {
    while (first < end) {
      const index_t run = first % whole;
      const index_t runs = std::min({end - first, whole - run, together});
      for (index_t turn = 0; turn < walk.turns; ++turn) {
        const Place place = walk.place_of(first / whole, turn);
        const auto at = [&](index_t number, index_t count) {
          return PermuteRuns{src.data<const float>() + place.src + number * cut.factor * src_stride,
                             dst.data<float>() + place.dst + number * cut.factor * dst_stride,
                             count,
                             cut.factor * src_stride,
                             cut.factor * dst_stride,
                             past_caches,
                             turn == 0 ? ahead : 0};
        };
        kernels.permute(table.view(), at(run, runs));
        if (rest > 0 && run + runs == whole) kernels.permute(last.view(), at(whole, 1));
      }
      first += runs;
    }
    if (past_caches) kernels.fence();
  });
  return true;
}

}  // namespace

bool copy_permuted(const LoopNest& loops, const Array& dst, const Array& src) {
  if (dst.size() < worth_tables || loops.inner_stride(dst_operand) != 1) return false;
  const Cut cut = cut_of(loops, copy_kernels().width);
  return copy_runs(
      loops, cut, [&](index_t factor) { return run_offsets(loops, cut, factor); }, dst, src);
}

bool copy_rotated(const Array& dst, const Array& src, int dim, index_t shift) {
  constexpr index_t longest = 1024;  // of longer rows two parts are copied as quickly
  const index_t length = src.extent(dim);
  const index_t width = copy_kernels().width;
  const bool words = dst.dtype() == src.dtype() && itemsize(dst.dtype()) == sizeof(float);
  if (!words || dst.size() < worth_tables || length < 2 * width || length > longest ||
      dst.strides()[dim] != 1 || src.strides()[dim] != 1) {
    return false;
  }
  const Array starts = dst.slice(dim, 0, 1, 1);
  const LoopNest rows(starts.shape(), {&starts.strides(), &src.strides()});
  Cut cut{rows.rank() - 1, length};
  const index_t unit = width / std::gcd(length, width);
  if (rows.inner_stride(dst_operand) == length && unit * length <= longest) {
    cut.factor = std::min(unit, rows.extent(cut.outer));
  }
  const index_t step = rows.inner_stride(src_operand);
  const auto offsets = [&](index_t factor) {
    std::vector<index_t> places;
    places.reserve(static_cast<std::size_t>(factor * length));
    for (index_t row = 0; row < factor; ++row) {
      for (index_t i = 0; i < length; ++i) {
        places.push_back(row * step + (i < shift ? i + length : i) - shift);
      }
    }
    return places;
  };
  dst.storage()->bump_version();
  return copy_runs(rows, cut, offsets, dst, src);
}

}  // namespace tilewise
