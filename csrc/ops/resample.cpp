// For each row of the result (a run along W):
//
//   line[i, c]  = sum over the rows r that it depends on (depth and height together) of
//                 wd[r] wh[r] x[r, i, c]                 one contiguous sweep over W * C floats
//   y[o, c]     = sum over k of ww[o, k] line[first[o] + k, c]
//
// so a D * H * W window costs D * H + W multiplications. The line stays in L1 or L2. Rows that
// depend on the same rows of x with the same weights as the one before them reuse its line.
// Work is cut into groups of rows, and into blocks of channels where rows are few or long.
#include "ops/resample.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/resample.h"
#include "ops/copy.h"
#include "ops/operand.h"
#include "ref/resample.h"

namespace tilewise {
namespace {

// The horizontal pass of few channels, as permutations of registers: see ResampleSteps.
class StepTable {
 public:
  StepTable(const ResampleAxis& axis, index_t channels, index_t width)
      : length_(axis.out * channels) {
    const index_t row = axis.in * channels;
    begin_.push_back(0);
    for (index_t first = 0; first < length_; first += width) {
      add_block(axis, channels, width, first, row);
      begin_.push_back(static_cast<std::int32_t>(base_.size()));
    }
  }

  ResampleSteps view() const {
    return {begin_.data(), base_.data(), mask_.data(), lane_.data(), weight_.data(), length_};
  }

 private:
  // Each step takes the next tap of every lane whose source lies in its register of x, which
  // starts at the lowest source that is wanted.
  void add_block(const ResampleAxis& axis, index_t channels, index_t width, index_t first,
                 index_t row) {
    constexpr index_t most_lanes = 16;
    index_t done[most_lanes] = {};
    const index_t lanes = std::min(width, length_ - first);
    const auto source = [&](index_t lane) {  // of the lane's next tap; `row` when there is none
      const auto o = static_cast<std::size_t>((first + lane) / channels);
      if (done[lane] == axis.count[o]) return row;
      return (axis.first[o] + done[lane]) * channels + (first + lane) % channels;
    };
    for (;;) {
      index_t base = row;
      for (index_t lane = 0; lane < lanes; ++lane) base = std::min(base, source(lane));
      if (base == row) return;
      base = std::max<index_t>(0, std::min(base, row - width));
      std::uint32_t mask = 0;
      for (index_t lane = 0; lane < width; ++lane) {
        const index_t at = lane < lanes ? source(lane) : row;
        const bool taken = at < row && at >= base && at < base + width;
        lane_.push_back(taken ? static_cast<std::int32_t>(at - base) : 0);
        weight_.push_back(0.0F);
        if (!taken) continue;
        const auto o = static_cast<std::size_t>((first + lane) / channels);
        weight_.back() =
            static_cast<float>(axis.weight[static_cast<std::size_t>(axis.begin[o] + done[lane])]);
        mask |= 1U << lane;
        ++done[lane];
      }
      base_.push_back(static_cast<std::int32_t>(base));
      mask_.push_back(mask);
    }
  }

  index_t length_;
  std::vector<std::int32_t> begin_;
  std::vector<std::int32_t> base_;
  std::vector<std::uint32_t> mask_;
  std::vector<std::int32_t> lane_;
  std::vector<float> weight_;
};

class Plan {
 public:
  Plan(const ResampleAxes& axes, index_t samples, index_t channels)
      : d(axes.axes[0]),
        h(axes.axes[1]),
        w(axes.axes[2]),
        channels(channels),
        rows(samples * d.out * h.out),
        kernels(resample_kernels()),
        weight_(w.weight.begin(), w.weight.end()) {
    constexpr index_t long_line = 1 << 16;  // floats: a quarter of a megabyte
    constexpr index_t block = 64;           // four AVX-512 registers, two cache lines
    constexpr index_t most_steps = 8;       // taps; more are cheaper one pixel at a time
    copies_line_ = w.is_identity();
    block_channels =
        rows >= 16 && w.in * channels <= long_line ? channels : std::min(channels, block);
    constexpr index_t worth_tables = 32;  // rows that share the cost of making them
    if (block_channels < kernels.width && w.most_taps() <= most_steps && !copies_line_ &&
        rows >= worth_tables) {
      steps_ = std::make_unique<StepTable>(w, channels, kernels.width);
    }
  }

  // Floats of a row of the result and of the line before it, for a block of channels.
  index_t line_floats() const { return w.in * block_channels; }
  index_t row_cost() const {
    return (std::max<index_t>(1, d.most_taps() * h.most_taps()) * w.in + w.out) * block_channels;
  }
  bool copies_line() const { return copies_line_ && block_channels == channels; }
  // Whether the second pass can read a row of x where it is: no register reaches beyond it.
  bool reads_in_place() const { return !steps_ || w.in * channels >= kernels.width; }

  // Rows of one source or two, pixels of one or two, and registers full of channels: no line is
  // written between the passes.
  bool pairs() const {
    const auto few = [](const ResampleAxis& axis) {
      return std::all_of(axis.count.begin(), axis.count.end(),
                         [](std::int32_t taps) { return taps == 1 || taps == 2; });
    };
    return d.is_identity() && !copies_line_ && !steps_ && block_channels >= kernels.width &&
           few(h) && few(w);
  }

  ResampleTaps taps() const {
    return {w.first.data(), w.count.data(), w.begin.data(), weight_.data(), w.out};
  }

  void along(const float* line, index_t stride, index_t count, float* y, bool past_caches) const {
    if (steps_) {
      kernels.along_steps(line, steps_->view(), y, past_caches);
      return;
    }
    kernels.along(line, stride, taps(), count, y, channels, past_caches);
  }

  const ResampleAxis& d;
  const ResampleAxis& h;
  const ResampleAxis& w;
  const index_t channels;
  const index_t rows;
  const ResampleKernels& kernels;
  index_t block_channels = 0;

 private:
  SmallVector<float, 32> weight_;
  bool copies_line_ = false;
  std::unique_ptr<StepTable> steps_;
};

// One row of y after the other, or two at once where they lie between the same rows of x.
void make_pairs(const Plan& p, const float* x, float* y, index_t first, index_t last, index_t c,
                index_t count, bool past_caches) {
  const ResampleTaps taps = p.taps();
  const ResampleAxis& h = p.h;
  for (index_t row = first; row < last;) {
    ResamplePair pair{};
    const auto oh = static_cast<std::size_t>(row % h.out);
    const index_t plane = row / h.out;
    pair.sources = h.count[oh];
    for (int s = 0; s < 2; ++s) {
      const index_t source = plane * h.in + h.first[oh] + std::min(s, pair.sources - 1);
      pair.x[s] = x + source * p.w.in * p.channels + c;
    }
    const bool next = row + 1 < last && oh + 1 < h.first.size() && h.first[oh + 1] == h.first[oh] &&
                      h.count[oh + 1] == h.count[oh];
    pair.results = next ? 2 : 1;
    pair.pixel_stride = p.channels;
    for (int r = 0; r < pair.results; ++r, ++row) {
      const auto at = static_cast<std::size_t>(h.begin[oh + static_cast<std::size_t>(r)]);
      for (int s = 0; s < pair.sources; ++s) {
        pair.weight[r][s] = static_cast<float>(h.weight[at + static_cast<std::size_t>(s)]);
      }
      pair.y[r] = y + row * p.w.out * p.channels + c;
    }
    p.kernels.pair(pair, taps, count, past_caches);
  }
}

// Makes rows of y one after the other, on one thread.
class RowMaker {
 public:
  RowMaker(const Plan& plan, const float* x, float* y, bool past_caches)
      : p_(plan),
        x_(x),
        y_(y),
        past_caches_(past_caches),
        line_(static_cast<std::size_t>(plan.line_floats() + plan.kernels.width)) {}

  void make(index_t row, index_t c, index_t count) {
    find_sources(row, c);
    float* y = y_ + row * p_.w.out * p_.channels + c;
    const auto sources = static_cast<index_t>(rows_.size());
    if (p_.copies_line()) {
      p_.kernels.combine(rows_.data(), weights_.data(), sources, {1, p_.line_floats(), 0}, y);
      return;
    }
    if (sources == 1 && weights_[0] == 1.0F && p_.reads_in_place()) {
      p_.along(rows_[0], p_.channels, count, y, past_caches_);
      return;
    }
    if (!made_ || rows_ != line_rows_ || weights_ != line_weights_) {
      const ResampleRuns runs = count == p_.channels ? ResampleRuns{1, p_.w.in * count, 0}
                                                     : ResampleRuns{p_.w.in, count, p_.channels};
      p_.kernels.combine(rows_.data(), weights_.data(), sources, runs, line_.data());
      made_ = true;
      line_rows_ = rows_;
      line_weights_ = weights_;
    }
    p_.along(line_.data(), count, count, y, past_caches_);
  }

 private:
  void find_sources(index_t row, index_t c) {
    rows_.clear();
    weights_.clear();
    const ResampleAxis& d = p_.d;
    const ResampleAxis& h = p_.h;
    const auto oh = static_cast<std::size_t>(row % h.out);
    const auto od = static_cast<std::size_t>(row / h.out % d.out);
    const index_t n = row / h.out / d.out;
    for (std::int32_t i = 0; i < d.count[od]; ++i) {
      const double depth =
          d.weight[static_cast<std::size_t>(d.begin[od]) + static_cast<std::size_t>(i)];
      for (std::int32_t j = 0; j < h.count[oh]; ++j) {
        const index_t source = (n * d.in + d.first[od] + i) * h.in + h.first[oh] + j;
        rows_.push_back(x_ + source * p_.w.in * p_.channels + c);
        weights_.push_back(static_cast<float>(
            depth * h.weight[static_cast<std::size_t>(h.begin[oh]) + static_cast<std::size_t>(j)]));
      }
    }
  }

  const Plan& p_;
  const float* x_;
  float* y_;
  bool past_caches_;
  Scratch<float> line_;
  SmallVector<const float*, 16> rows_;
  SmallVector<float, 16> weights_;
  bool made_ = false;  // line_ holds the sum of line_rows_ by line_weights_
  SmallVector<const float*, 16> line_rows_;
  SmallVector<float, 16> line_weights_;
};

}  // namespace

void resample(const Array& input, const ResampleAxes& axes, const Array& y) {
  const Array x = channels_last(input);
  const index_t samples = y.extent(0);
  const index_t channels = y.extent(1);
  if (y.size() == 0) return;
  if (x.dtype() == DType::float64) {
    ref::resample(x.data<double>(), samples, channels, axes, y.data<double>());
    return;
  }
  const Plan plan(axes, samples, channels);
  const bool past_caches = sweeps_caches(x, y);
  const index_t grain =
      std::max<index_t>({1, elementwise_grain / plan.row_cost(), plan.rows / 128});
  const index_t groups = ceil_div(plan.rows, grain);
  const index_t block = plan.block_channels;
  const index_t blocks = ceil_div(channels, block);
  const bool pairs = plan.pairs();
  parallel_for(groups * blocks, [&](index_t piece) {
    const index_t c = piece % blocks * block;
    const index_t first = piece / blocks * grain;
    if (pairs) {
      make_pairs(plan, x.data<float>(), y.data<float>(), first, std::min(first + grain, plan.rows),
                 c, std::min(block, channels - c), past_caches);
      if (past_caches) plan.kernels.fence();
      return;
    }
    RowMaker maker(plan, x.data<float>(), y.data<float>(), past_caches);
    for (index_t row = first; row < std::min(first + grain, plan.rows); ++row) {
      maker.make(row, c, std::min(block, channels - c));
    }
    if (past_caches) plan.kernels.fence();
  });
}

}  // namespace tilewise
