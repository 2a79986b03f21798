#include "ops/conv/correlate.h"

#include <algorithm>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"
#include "ops/conv/strip.h"

namespace tilewise {
namespace {

constexpr index_t kReduction = 192;
constexpr index_t kStripBytes = 256 << 10;     // and a quarter of L2 at most
constexpr index_t kMaxStripBytes = 384 << 10;  // of a single row
constexpr index_t kPanelsBytes = 16 << 10;     // of B that stays in L1 beside a tile
constexpr index_t kWantedPieces = 16;
// Multiply-adds below which parallel_for wakes no thread.
constexpr index_t kOneThread = index_t{1} << 18;
constexpr index_t kMaxBlockCols = 224;
constexpr std::size_t kSmallStrip = 2048;  // floats, and runs of all rows, that lie on the stack
constexpr std::size_t kSmallRuns = 64;

// Offsets of the taps in a source with the given distances, neighbours merged into runs.
struct TapTable {
  std::vector<GemmTap> taps;
  std::vector<const CorrelateTap*> origin;  // of each run: its first tap
  index_t run;
  index_t taps_a_block;  // of about kReduction products
};

struct Extremes {
  index_t low[3];
  index_t high[3];
};

class CorrelatePlan {
 public:
  explicit CorrelatePlan(const Correlate& job) : job_(job), kernels_(gemm_kernels()) {
    find_extremes();
    strip_pixel_ = job.channels + (aliases(job.channels) ? kPixelPad : 0);
    choose_blocks();
    strip_ =
        table(strip_pixel_, strip_cols_ * strip_pixel_, strip_rows_ * strip_cols_ * strip_pixel_);
    const index_t row = job.src_extent[2] * job.src_pixel;
    direct_ = table(job.src_pixel, row, plane_step_ * row * job.src_extent[1]);
    stream_ = wants_streaming();
    const index_t panel_bytes =
        std::min(static_cast<index_t>(job.taps.size()) * job.channels, kReduction) *
        kernels_.panel * static_cast<index_t>(sizeof(float));
    panels_at_once_ = std::max<index_t>(1, kPanelsBytes / std::max<index_t>(1, panel_bytes));
  }

  void run() const {
    parallel_for(pieces_, multiply_adds(), [&](index_t piece) { run_piece(piece); });
  }

  index_t strip_floats() const {
    return checked_mul(planes_ * strip_rows_ * strip_cols_, strip_pixel_);
  }
  index_t bytes_a_thread() const {
    const auto runs = static_cast<index_t>(strip_.taps.size());
    return strip_floats() * static_cast<index_t>(sizeof(float)) +
           block_rows_ * (runs + 1) * static_cast<index_t>(sizeof(GemmTap));
  }

  // Panel groups of one place write different channels.
  index_t places() const { return pieces_ / panel_groups_; }

 private:
  index_t multiply_adds() const {
    const index_t outputs =
        job_.images * job_.dst_extent[0] * job_.dst_extent[1] * job_.dst_extent[2] * job_.columns;
    return checked_mul(outputs, static_cast<index_t>(job_.taps.size()) * job_.channels);
  }

  void find_extremes() {
    for (int i = 0; i < 3; ++i) {
      extremes_.low[i] = job_.taps.empty() ? 0 : job_.taps[0].offset[i];
      extremes_.high[i] = extremes_.low[i];
      for (const CorrelateTap& tap : job_.taps) {
        extremes_.low[i] = std::min(extremes_.low[i], tap.offset[i]);
        extremes_.high[i] = std::max(extremes_.high[i], tap.offset[i]);
      }
    }
    // Planes are read at multiples of the distance between the taps' planes.
    plane_step_ = 0;
    for (const CorrelateTap& tap : job_.taps) {
      const index_t delta = tap.offset[0] - extremes_.low[0];
      if (delta > 0) plane_step_ = plane_step_ == 0 ? delta : std::min(plane_step_, delta);
    }
    plane_step_ = std::max<index_t>(1, plane_step_);
    for (const CorrelateTap& tap : job_.taps) {
      if ((tap.offset[0] - extremes_.low[0]) % plane_step_ != 0) plane_step_ = 1;
    }
    planes_ = (extremes_.high[0] - extremes_.low[0]) / plane_step_ + 1;
  }

  index_t region_extent(int dim, index_t outputs) const {
    return (outputs - 1) * job_.step[dim] + extremes_.high[dim] - extremes_.low[dim] + 1;
  }

  void choose_blocks() {
    const index_t pixel_bytes = strip_pixel_ * static_cast<index_t>(sizeof(float));
    const index_t most_cols = std::clamp<index_t>(
        kMaxStripBytes / checked_mul(planes_ * job_.step[2], pixel_bytes), 28, kMaxBlockCols);
    const index_t col_blocks = ceil_div(job_.dst_extent[2], most_cols);
    block_cols_ = ceil_div(job_.dst_extent[2], col_blocks);
    strip_cols_ = region_extent(2, block_cols_);
    const index_t row_bytes = checked_mul(planes_ * strip_cols_, pixel_bytes);
    const index_t strip_bytes = std::min<index_t>(kStripBytes, cache_sizes().l2 / 4);
    index_t rows = 1;
    while (rows < job_.dst_extent[1] && region_extent(1, rows + 1) * row_bytes <= strip_bytes)
      ++rows;
    const index_t fixed = job_.images * job_.dst_extent[0] * col_blocks;
    // What one thread computes alone is not cut for others.
    const index_t wanted = multiply_adds() < kOneThread ? 1 : kWantedPieces;
    const index_t wanted_row_blocks = ceil_div(wanted, std::max<index_t>(1, fixed));
    const index_t row_blocks =
        std::clamp(std::max(ceil_div(job_.dst_extent[1], rows), wanted_row_blocks), index_t{1},
                   job_.dst_extent[1]);
    block_rows_ = ceil_div(job_.dst_extent[1], row_blocks);
    strip_rows_ = region_extent(1, block_rows_);
    row_blocks_ = ceil_div(job_.dst_extent[1], block_rows_);
    col_blocks_ = ceil_div(job_.dst_extent[2], block_cols_);
    const index_t panels = ceil_div(job_.columns, kernels_.panel);
    const index_t spatial = fixed * row_blocks_;
    panel_groups_ = std::clamp<index_t>(ceil_div(wanted, std::max<index_t>(1, spatial)), 1, panels);
    panels_a_group_ = ceil_div(panels, panel_groups_);
    panel_groups_ = ceil_div(panels, panels_a_group_);
    pieces_ =
        checked_mul(job_.images * job_.dst_extent[0], row_blocks_ * col_blocks_ * panel_groups_);
  }

  bool reads_in_place() const { return !aliases(job_.src_pixel) && job_.gate.y == nullptr; }
  bool aliases(index_t pixel) const { return pixels_alias(pixel * job_.step[2]); }

  bool wants_streaming() const {
    const index_t bytes = job_.images * job_.dst_image * static_cast<index_t>(sizeof(float));
    const bool once = static_cast<index_t>(std::max(strip_.taps.size(), direct_.taps.size())) <=
                      std::min(strip_.taps_a_block, direct_.taps_a_block);
    const bool dense = job_.dst_stride[2] == job_.columns;
    const bool aligned =
        reinterpret_cast<std::uintptr_t>(job_.dst) % 64 == 0 && job_.columns % kernels_.width == 0;
    return stores_past_caches(job_.stage, bytes) && once && dense && aligned;
  }

  // For a source with these distances between pixels, rows, and the planes that are read.
  TapTable table(index_t pixel, index_t row, index_t plane) const {
    const index_t channels = job_.channels;
    const index_t panel = kernels_.panel;
    TapTable t{{}, {}, channels, 1};
    index_t merged = mergeable_taps(pixel);
    if (merged * channels > 2 * kReduction) merged = 1;
    index_t parts = 1;  // of a tap with many channels
    while (channels / parts > kReduction && channels % (2 * parts) == 0) parts *= 2;
    const auto count = static_cast<index_t>(job_.taps.size());
    t.run = merged * channels / parts;
    t.taps.reserve(static_cast<std::size_t>(count / merged * parts));
    t.origin.reserve(static_cast<std::size_t>(count / merged * parts));
    for (index_t i = 0; i < count; i += merged) {
      const CorrelateTap& tap = job_.taps[static_cast<std::size_t>(i)];
      const index_t a = (tap.offset[0] - extremes_.low[0]) / plane_step_ * plane +
                        (tap.offset[1] - extremes_.low[1]) * row +
                        (tap.offset[2] - extremes_.low[2]) * pixel;
      const index_t b = tap.position * channels * panel;
      for (index_t part = 0; part < parts; ++part) {
        t.taps.push_back({a + part * t.run, b + part * t.run * panel});
        t.origin.push_back(&tap);
      }
    }
    t.taps_a_block = std::max<index_t>(1, (kReduction + t.run / 2) / std::max<index_t>(1, t.run));
    return t;
  }

  // How many consecutive taps see contiguous floats, if all taps group evenly that way.
  index_t mergeable_taps(index_t pixel) const {
    if (pixel != job_.channels || job_.taps.empty()) return 1;
    const auto follows = [](const CorrelateTap& a, const CorrelateTap& b) {
      return b.offset[0] == a.offset[0] && b.offset[1] == a.offset[1] &&
             b.offset[2] == a.offset[2] + 1 && b.position == a.position + 1;
    };
    const std::size_t count = job_.taps.size();
    std::size_t merged = 1;
    while (merged < count && follows(job_.taps[merged - 1], job_.taps[merged])) ++merged;
    if (count % merged != 0) return 1;
    for (std::size_t i = 0; i < count; ++i) {
      if (i % merged != 0 && !follows(job_.taps[i - 1], job_.taps[i])) return 1;
    }
    return static_cast<index_t>(merged);
  }

  void run_piece(index_t piece) const {
    const index_t group = piece % panel_groups_;
    index_t rest = piece / panel_groups_;
    const index_t col0 = rest % col_blocks_ * block_cols_;
    rest /= col_blocks_;
    const index_t row0 = rest % row_blocks_ * block_rows_;
    rest /= row_blocks_;
    const index_t plane = rest % job_.dst_extent[0];
    const index_t image = rest / job_.dst_extent[0];
    const index_t rows = std::min(block_rows_, job_.dst_extent[1] - row0);
    const index_t cols = std::min(block_cols_, job_.dst_extent[2] - col0);

    const index_t image_start =
        image * job_.src_extent[0] * job_.src_extent[1] * job_.src_extent[2] * job_.src_pixel;
    GradientGate gate = job_.gate;
    if (gate.y != nullptr) gate.y += image_start;
    const StripSource source{{job_.src_extent[0], job_.src_extent[1], job_.src_extent[2]},
                             job_.src_pixel,
                             job_.channels,
                             strip_pixel_,
                             gate,
                             job_.border};
    const StripRegion region{plane * job_.step[0] + extremes_.low[0],
                             plane_step_,
                             planes_,
                             row0 * job_.step[1] + extremes_.low[1],
                             region_extent(1, rows),
                             col0 * job_.step[2] + extremes_.low[2],
                             region_extent(2, cols)};
    const float* base = job_.src + image_start;
    float* dst = job_.dst + image * job_.dst_image + plane * job_.dst_stride[0] +
                 row0 * job_.dst_stride[1] + col0 * job_.dst_stride[2];
    if (reads_in_place() && strip_is_inside(source, region)) {
      const index_t row = job_.src_extent[2] * job_.src_pixel;
      const float* src = base + region.plane0 * row * job_.src_extent[1] + region.row0 * row +
                         region.col0 * job_.src_pixel;
      multiply(
          direct_,
          {src, job_.src_pixel, row, plane, row0, rows, cols, group, piece / panel_groups_, true},
          dst);
      return;
    }
    // Full-width rows even in the last column block: one tap table serves all strips.
    StripRegion padded = region;
    padded.cols = strip_cols_;
    padded.rows = strip_rows_;
    SmallScratch<float, kSmallStrip> strip(static_cast<std::size_t>(strip_floats()));
    pack_strip(source, padded, base, strip.data());
    multiply(strip_,
             {strip.data(), strip_pixel_, strip_cols_ * strip_pixel_, plane, row0, rows, cols,
              group, piece / panel_groups_, false},
             dst);
  }

  // What one piece reads and covers.
  struct Block {
    const float* src;
    index_t pixel;         // floats between pixels of src
    index_t row;           // and rows
    index_t plane0, row0;  // first output pixel
    index_t rows, cols;
    index_t group;  // of panels
    index_t place;  // of the piece
    bool in_place;  // src is the input itself, perhaps not in a cache yet
  };

  // The runs of every output row of a block of rows. Rows that lie in padding are left out, so rows
  // differ; the block of k that a run belongs to does not.
  struct RowRuns {
    SmallScratch<GemmTap, kSmallRuns> taps;   // [row][run]
    SmallScratch<index_t, kSmallRuns> start;  // [row][block of k, and the end]
    index_t runs;
    index_t blocks;

    RowRuns(index_t rows, index_t run_count, index_t block_count)
        : taps(static_cast<std::size_t>(rows * run_count)),
          start(static_cast<std::size_t>(rows * (block_count + 1))),
          runs(run_count),
          blocks(block_count) {}

    const index_t* row(index_t h) const { return start.data() + h * (blocks + 1); }
    // The first block that has runs; block 0 where none has.
    bool is_first(index_t h, index_t b) const {
      const index_t* at = row(h);
      return at[b] == 0 && (at[b + 1] > 0 || (b == 0 && at[blocks] == 0));
    }
    bool is_empty(index_t h, index_t b) const { return row(h)[b] == row(h)[b + 1]; }
    bool is_last(index_t h, index_t b) const { return row(h)[b + 1] == row(h)[blocks]; }
  };

  void find_runs(const TapTable& table, const Block& block, RowRuns& out) const {
    const index_t depth = block.plane0 * job_.step[0];
    for (index_t h = 0; h < block.rows; ++h) {
      const index_t height = (block.row0 + h) * job_.step[1];
      GemmTap* taps = out.taps.data() + h * out.runs;
      index_t* start = out.start.data() + h * (out.blocks + 1);
      index_t count = 0;
      for (index_t i = 0; i < out.runs; ++i) {
        if (i % table.taps_a_block == 0) start[i / table.taps_a_block] = count;
        const index_t* offset = table.origin[static_cast<std::size_t>(i)]->offset;
        const bool inside = job_.border != Border::zeros ||
                            (depth + offset[0] >= 0 && depth + offset[0] < job_.src_extent[0] &&
                             height + offset[1] >= 0 && height + offset[1] < job_.src_extent[1]);
        if (inside) taps[count++] = table.taps[static_cast<std::size_t>(i)];
      }
      if (out.runs == 0) start[0] = 0;
      start[out.blocks] = count;
    }
  }

  // Panels of B within a block of k stay in L1 while all pixels of the piece run past.
  void multiply(const TapTable& table, const Block& block, float* dst) const {
    const index_t panels = ceil_div(job_.columns, kernels_.panel);
    const index_t first_panel = block.group * panels_a_group_;
    const index_t last_panel = std::min(first_panel + panels_a_group_, panels);
    const auto run_count = static_cast<index_t>(table.taps.size());
    RowRuns runs(block.rows, run_count,
                 std::max<index_t>(1, ceil_div(run_count, table.taps_a_block)));
    find_runs(table, block, runs);
    for (index_t b = 0; b < runs.blocks; ++b) {
      for (index_t panel = first_panel; panel < last_panel; panel += panels_at_once_) {
        const index_t end = std::min(panel + panels_at_once_, last_panel);
        for (index_t h = 0; h < block.rows; ++h) {
          if (runs.is_empty(h, b) && !runs.is_first(h, b)) continue;
          multiply_row(table, block, runs, {h, b, panel, end}, dst);
        }
      }
    }
    if (stream_) kernels_.fence();
  }

  struct RowStep {
    index_t row;
    index_t block;  // of k
    index_t first_panel;
    index_t last_panel;
  };

  void multiply_row(const TapTable& table, const Block& block, const RowRuns& runs,
                    const RowStep& step, float* dst) const {
    const index_t h = step.row;
    const index_t tile = ceil_div(block.cols, ceil_div(block.cols, kernels_.max_rows));
    const OutputStage* stage = job_.stage;
    const bool last = runs.is_last(h, step.block);
    GemmTile t{};
    t.lda = job_.step[2] * block.pixel;
    t.taps = runs.taps.data() + h * runs.runs + runs.row(h)[step.block];
    t.tap_count = runs.row(h)[step.block + 1] - runs.row(h)[step.block];
    t.run = table.run;
    t.ldb = kernels_.panel;
    t.ldc = job_.dst_stride[2];
    t.accumulate = !runs.is_first(h, step.block);
    t.relu = last && stage != nullptr && stage->relu();
    t.stream = stream_;
    const float* bias = stage != nullptr && !t.accumulate ? stage->bias() : nullptr;
    const float* a = block.src + h * job_.step[1] * block.row;
    float* c = dst + h * job_.dst_stride[1];
    for (index_t w = 0; w < block.cols; w += tile) {
      t.a = a + w * t.lda;
      t.next = block.in_place && w + tile < block.cols ? t.a + tile * t.lda : nullptr;
      for (index_t panel = step.first_panel; panel < step.last_panel; ++panel) {
        const index_t column = panel * kernels_.panel;
        t.b = job_.packed + panel * job_.packed_taps * job_.channels * kernels_.panel;
        t.c = c + w * t.ldc + column;
        t.columns = std::min(kernels_.panel, job_.columns - column);
        t.bias = bias != nullptr ? bias + job_.channel + column : nullptr;
        kernels_.tile(std::min(tile, block.cols - w), t);
      }
    }
    if (last && stage != nullptr && stage->pending()) {
      const index_t column = step.first_panel * kernels_.panel;
      const index_t columns = std::min(step.last_panel * kernels_.panel, job_.columns) - column;
      stage->finish(job_.first_piece + block.place, {c + column, block.cols, t.ldc, columns},
                    job_.channel + column);
    }
  }

  const Correlate& job_;
  const GemmKernels& kernels_;
  Extremes extremes_{};
  index_t plane_step_ = 1;
  index_t planes_ = 1;
  index_t block_rows_ = 1;
  index_t block_cols_ = 1;
  index_t strip_rows_ = 1;
  index_t strip_cols_ = 1;
  index_t row_blocks_ = 1;
  index_t col_blocks_ = 1;
  index_t panel_groups_ = 1;
  index_t panels_a_group_ = 1;
  index_t pieces_ = 0;
  TapTable strip_;
  TapTable direct_;
  bool stream_ = false;
  index_t panels_at_once_ = 1;
  index_t strip_pixel_ = 0;  // floats between pixels of a strip
};

bool is_empty(const Correlate& job) {
  return job.images * job.columns * job.dst_extent[0] * job.dst_extent[1] * job.dst_extent[2] == 0;
}

}  // namespace

void correlate(const Correlate& job) {
  if (!is_empty(job)) CorrelatePlan(job).run();
}

index_t correlate_bytes_a_thread(const Correlate& job) {
  return is_empty(job) ? 0 : CorrelatePlan(job).bytes_a_thread();
}

index_t correlate_pieces(const Correlate& job) {
  return is_empty(job) ? 0 : CorrelatePlan(job).places();
}

}  // namespace tilewise
