#include "ops/conv/correlate.h"

#include <algorithm>

#include "base/memory.h"
#include "base/threads.h"
#include "kernels/gemm.h"
#include "ops/conv/strip.h"

namespace tilewise {
namespace {

constexpr index_t kReduction = 192;
constexpr index_t kStripBytes = 128 << 10;
constexpr index_t kWantedPieces = 16;
constexpr index_t kMaxBlockCols = 224;

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
    choose_blocks();
    const index_t c = job.channels;
    strip_ = table(c, strip_cols_ * c, strip_rows_ * strip_cols_ * c);
    const index_t row = job.src_extent[2] * job.src_pixel;
    direct_ = table(job.src_pixel, row, plane_step_ * row * job.src_extent[1]);
  }

  void run() const {
    const index_t outputs =
        job_.images * job_.dst_extent[0] * job_.dst_extent[1] * job_.dst_extent[2] * job_.columns;
    const index_t multiply_adds =
        checked_mul(outputs, static_cast<index_t>(job_.taps.size()) * job_.channels);
    parallel_for(pieces_, multiply_adds, [&](index_t piece) { run_piece(piece); });
  }

  index_t strip_floats() const {
    return checked_mul(planes_ * strip_rows_ * strip_cols_, job_.channels);
  }
  index_t bytes_a_thread() const {
    const auto runs = static_cast<index_t>(strip_.taps.size());
    return strip_floats() * static_cast<index_t>(sizeof(float)) +
           block_rows_ * (runs * static_cast<index_t>(sizeof(GemmTap)) + 8);
  }

  // Panel groups of one place write different channels.
  index_t places() const { return pieces_ / panel_groups_; }

 private:
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
    const index_t col_blocks = ceil_div(job_.dst_extent[2], kMaxBlockCols);
    block_cols_ = ceil_div(job_.dst_extent[2], col_blocks);
    strip_cols_ = region_extent(2, block_cols_);
    const index_t row_bytes =
        checked_mul(checked_mul(planes_ * strip_cols_, job_.channels), sizeof(float));
    index_t rows = 1;
    while (rows < job_.dst_extent[1] && region_extent(1, rows + 1) * row_bytes <= kStripBytes)
      ++rows;
    const index_t fixed = job_.images * job_.dst_extent[0] * col_blocks;
    const index_t wanted_row_blocks = ceil_div(kWantedPieces, std::max<index_t>(1, fixed));
    const index_t row_blocks =
        std::clamp(std::max(ceil_div(job_.dst_extent[1], rows), wanted_row_blocks), index_t{1},
                   job_.dst_extent[1]);
    block_rows_ = ceil_div(job_.dst_extent[1], row_blocks);
    strip_rows_ = region_extent(1, block_rows_);
    row_blocks_ = ceil_div(job_.dst_extent[1], block_rows_);
    col_blocks_ = ceil_div(job_.dst_extent[2], block_cols_);
    const index_t panels = ceil_div(job_.columns, kernels_.panel);
    const index_t spatial = fixed * row_blocks_;
    panel_groups_ =
        std::clamp<index_t>(ceil_div(kWantedPieces, std::max<index_t>(1, spatial)), 1, panels);
    panels_a_group_ = ceil_div(panels, panel_groups_);
    panel_groups_ = ceil_div(panels, panels_a_group_);
    pieces_ =
        checked_mul(job_.images * job_.dst_extent[0], row_blocks_ * col_blocks_ * panel_groups_);
  }

  // For a source with these distances between pixels, rows, and the planes that are read.
  TapTable table(index_t pixel, index_t row, index_t plane) const {
    const index_t channels = job_.channels;
    const index_t panel = kernels_.panel;
    TapTable t{{}, {}, channels, 1};
    index_t merged = mergeable_taps(pixel);
    if (merged * channels > 2 * kReduction) merged = 1;
    index_t parts = 1;  // of a tap with many channels
    while (channels / parts > 2 * kReduction && channels % (2 * parts) == 0) parts *= 2;
    const auto count = static_cast<index_t>(job_.taps.size());
    t.run = merged * channels / parts;
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

    const StripSource source{{job_.src_extent[0], job_.src_extent[1], job_.src_extent[2]},
                             job_.src_pixel,
                             job_.channels};
    const StripRegion region{plane * job_.step[0] + extremes_.low[0],
                             plane_step_,
                             planes_,
                             row0 * job_.step[1] + extremes_.low[1],
                             region_extent(1, rows),
                             col0 * job_.step[2] + extremes_.low[2],
                             region_extent(2, cols)};
    const float* base = job_.src + image * job_.src_extent[0] * job_.src_extent[1] *
                                       job_.src_extent[2] * job_.src_pixel;
    float* dst = job_.dst + image * job_.dst_image + plane * job_.dst_stride[0] +
                 row0 * job_.dst_stride[1] + col0 * job_.dst_stride[2];
    if (strip_is_inside(source, region)) {
      const index_t row = job_.src_extent[2] * job_.src_pixel;
      const float* src = base + region.plane0 * row * job_.src_extent[1] + region.row0 * row +
                         region.col0 * job_.src_pixel;
      multiply(direct_,
               {src, job_.src_pixel, row, plane, row0, rows, cols, group, piece / panel_groups_},
               dst);
      return;
    }
    // Full-width rows even in the last column block: one tap table serves all strips.
    StripRegion padded = region;
    padded.cols = strip_cols_;
    padded.rows = strip_rows_;
    Scratch<float> strip(static_cast<std::size_t>(strip_floats()));
    pack_strip(source, padded, base, strip.data());
    multiply(strip_,
             {strip.data(), job_.channels, strip_cols_ * job_.channels, plane, row0, rows, cols,
              group, piece / panel_groups_},
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
  };

  // Runs that meet the input in output row `h` of the block, and how many; the others see padding
  // only and are left out.
  index_t runs_of_row(const TapTable& table, const Block& block, index_t h, GemmTap* out) const {
    const index_t depth = block.plane0 * job_.step[0];
    const index_t height = (block.row0 + h) * job_.step[1];
    index_t count = 0;
    for (std::size_t i = 0; i < table.taps.size(); ++i) {
      const index_t* offset = table.origin[i]->offset;
      const bool inside = depth + offset[0] >= 0 && depth + offset[0] < job_.src_extent[0] &&
                          height + offset[1] >= 0 && height + offset[1] < job_.src_extent[1];
      if (inside) out[count++] = table.taps[i];
    }
    return count;
  }

  void multiply(const TapTable& table, const Block& block, float* dst) const {
    const index_t panels = ceil_div(job_.columns, kernels_.panel);
    const index_t first_panel = block.group * panels_a_group_;
    const index_t last_panel = std::min(first_panel + panels_a_group_, panels);
    Scratch<GemmTap> taps(static_cast<std::size_t>(block.rows) * table.taps.size());
    Scratch<index_t> counts(static_cast<std::size_t>(block.rows));
    const auto row_taps = [&](index_t h) {
      return taps.data() + h * static_cast<index_t>(table.taps.size());
    };
    for (index_t h = 0; h < block.rows; ++h) {
      counts.data()[h] = runs_of_row(table, block, h, row_taps(h));
    }
    for (index_t panel = first_panel; panel < last_panel; ++panel) {
      for (index_t h = 0; h < block.rows; ++h) {
        multiply_row(table, block, h, row_taps(h), counts.data()[h], panel,
                     dst + h * job_.dst_stride[1] + panel * kernels_.panel);
      }
    }
  }

  void multiply_row(const TapTable& table, const Block& block, index_t h, const GemmTap* taps,
                    index_t tap_count, index_t panel, float* dst) const {
    const index_t tile = ceil_div(block.cols, ceil_div(block.cols, kernels_.max_rows));
    const index_t column = panel * kernels_.panel;
    GemmTile t{};
    t.lda = job_.step[2] * block.pixel;
    t.run = table.run;
    t.b = job_.packed + panel * job_.packed_taps * job_.channels * kernels_.panel;
    t.ldb = kernels_.panel;
    t.ldc = job_.dst_stride[2];
    t.columns = std::min(kernels_.panel, job_.columns - column);
    const float* bias = job_.stage != nullptr ? job_.stage->bias() : nullptr;
    const bool relu = job_.stage != nullptr && job_.stage->relu();
    for (index_t w = 0; w < block.cols; w += tile) {
      t.a = block.src + h * job_.step[1] * block.row + w * job_.step[2] * block.pixel;
      t.c = dst + w * job_.dst_stride[2];
      for (index_t tap = 0; tap == 0 || tap < tap_count; tap += table.taps_a_block) {
        t.taps = taps + tap;
        t.tap_count = std::min(table.taps_a_block, tap_count - tap);
        t.accumulate = tap > 0;
        t.bias = tap == 0 && bias != nullptr ? bias + job_.channel + column : nullptr;
        t.relu = relu && tap + table.taps_a_block >= tap_count;
        kernels_.tile(std::min(tile, block.cols - w), t);
      }
    }
    if (job_.stage != nullptr && job_.stage->pending()) {
      job_.stage->finish(job_.first_piece + block.place,
                         {dst, block.cols, job_.dst_stride[2], t.columns}, job_.channel + column);
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
