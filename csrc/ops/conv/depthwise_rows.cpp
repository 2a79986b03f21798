#include "ops/conv/depthwise_rows.h"

#include <algorithm>

#include "base/types.h"

namespace tilewise {
namespace {

constexpr index_t kWantedPieces = 16;
constexpr index_t kLeastFloats = 4096;  // of a piece
constexpr index_t kMaxDilation = 16;    // beyond, tap by tap
constexpr index_t kColumnUnit = 8;

index_t floor_div(index_t a, index_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

index_t chunk_of(const ConvProblem& p, bool reversed) {
  const index_t stride = p.stride[2];
  const bool fast =
      stride == 1 ? p.dilation[2] <= kMaxDilation : stride == 2 && p.dilation[2] == 1 && !reversed;
  if (!fast) return 1;
  const bool whole = reversed && stride == 2;  // the kernel's row in one group
  for (index_t chunk : {7, 5, 3}) {
    if (whole ? p.kernel[2] == chunk : p.kernel[2] % chunk == 0) return chunk;
  }
  return 1;
}

}  // namespace

DepthwiseGeometry::DepthwiseGeometry(const ConvProblem& problem, bool reverse)
    : p(problem), reversed(reverse), chunk(chunk_of(problem, reverse)) {
  std::copy(p.in, p.in + 3, reversed ? out : src);
  std::copy(p.out, p.out + 3, reversed ? src : out);
  if (p.stride[2] == 1 && chunk > 1) {
    add_dilation_classes();
  } else if (reversed && chunk > 1) {
    add_doubling_class();
  } else {
    add_phase_classes();
  }
}

// Stride 1: columns of one residue modulo the dilation are a convolution without dilation.
void DepthwiseGeometry::add_dilation_classes() {
  const index_t d = p.dilation[2];
  const index_t span = (p.kernel[2] - 1) * d;
  const index_t origin = reversed ? p.pad_begin[2] - span : -p.pad_begin[2];
  for (index_t r = 0; r < std::min(d, out[2]); ++r) {
    const index_t first = r + origin;  // source column of the leftmost tap
    const index_t column = floor_div(first, d);
    DepthwiseColumns c{r, d, first - column * d, d, 1, 0, {}};
    for (index_t i = 0; i < p.kernel[2]; i += chunk) {
      c.groups.push_back({reversed ? p.kernel[2] - 1 - i : i, column + i});
    }
    classes.push_back(c);
  }
}

// Gradient of stride 2: both phases at once.
void DepthwiseGeometry::add_doubling_class() {
  const index_t pad = p.pad_begin[2];
  classes.push_back({0, 1, 0, 1, -2, pad % 2, {{0, pad / 2}}});
}

void DepthwiseGeometry::add_phase_classes() {
  const index_t s = p.stride[2];
  if (!reversed) {
    DepthwiseColumns c{0, 1, 0, 1, s, 0, {}};
    for (index_t i = 0; i < p.kernel[2]; i += chunk) {
      c.groups.push_back({i, i * p.dilation[2] - p.pad_begin[2]});
    }
    classes.push_back(c);
    return;
  }
  // Output columns of one residue modulo the stride meet the same taps: no zeros are multiplied.
  for (index_t r = 0; r < std::min(s, out[2]); ++r) {
    DepthwiseColumns c{r, s, 0, 1, 1, 0, {}};
    for (index_t tap = p.kernel[2] - 1; tap >= 0; --tap) {
      const index_t offset = r + p.pad_begin[2] - tap * p.dilation[2];
      if (floor_div(offset, s) * s == offset) c.groups.push_back({tap, floor_div(offset, s)});
    }
    classes.push_back(c);
  }
}

bool DepthwiseGeometry::source_at(int dim, index_t at, index_t tap, index_t& source) const {
  if (reversed) {
    const index_t offset = at + p.pad_begin[dim] - tap * p.dilation[dim];
    source = floor_div(offset, p.stride[dim]);
    if (source * p.stride[dim] != offset) return false;
  } else {
    source = at * p.stride[dim] - p.pad_begin[dim] + tap * p.dilation[dim];
  }
  return source >= 0 && source < src[dim];
}

index_t DepthwiseGeometry::rows_of(index_t out_row, Row* rows) const {
  index_t count = 0;
  for (index_t i = 0; i < p.kernel[0]; ++i) {
    const index_t depth = reversed ? p.kernel[0] - 1 - i : i;
    index_t plane;
    if (!source_at(0, out_row / out[1], depth, plane)) continue;
    for (index_t j = 0; j < p.kernel[1]; ++j) {
      const index_t height = reversed ? p.kernel[1] - 1 - j : j;
      index_t row;
      if (!source_at(1, out_row % out[1], height, row)) continue;
      rows[count++] = {depth * p.kernel[1] + height, plane, row};
    }
  }
  return count;
}

void DepthwiseGeometry::source_columns(index_t begin, index_t end, index_t& first,
                                       index_t& last) const {
  const index_t s = p.stride[2];
  const index_t reach = (p.kernel[2] - 1) * p.dilation[2];
  if (reversed) {
    first = floor_div(begin + p.pad_begin[2] - reach, s);
    last = floor_div(end - 1 + p.pad_begin[2], s) + 1;
  } else {
    first = begin * s - p.pad_begin[2];
    last = (end - 1) * s - p.pad_begin[2] + reach + 1;
  }
  first = std::clamp<index_t>(first, 0, src[2]);
  last = std::clamp<index_t>(last, first, src[2]);
}

index_t DepthwiseGeometry::span(int dim) const {
  const index_t reach = (p.kernel[dim] - 1) * p.dilation[dim];
  const index_t rows = dim == 1 ? 2 : 1;  // output rows at once
  return std::min(src[dim], (reversed ? reach / p.stride[dim] : reach) + rows);
}

DepthwisePieces::DepthwisePieces(const DepthwiseGeometry& g, index_t wanted_floats)
    : images(g.p.n), out_rows(g.out_rows()), out_columns(g.out[2]) {
  const index_t row_floats = checked_mul(out_columns, g.p.k);
  const auto fitting = [](index_t floats, index_t a_unit) {
    return std::max<index_t>(1, floats / a_unit);
  };
  // Few rows in all: smaller pieces, so that every thread has some.
  const index_t share = ceil_div(checked_mul(images * out_rows, row_floats), kWantedPieces);
  const index_t floats = std::clamp(share, std::min(kLeastFloats, wanted_floats), wanted_floats);
  rows = std::min(out_rows, fitting(floats, row_floats));
  row_blocks = ceil_div(out_rows, rows);
  rows = ceil_div(out_rows, row_blocks);
  row_blocks = ceil_div(out_rows, rows);
  const index_t columns = fitting(floats, rows * g.p.k);
  cols = std::min(out_columns, round_up(columns, kColumnUnit));
  col_blocks = ceil_div(out_columns, cols);
}

DepthwisePieces::Piece DepthwisePieces::piece(index_t i) const {
  Piece b{};
  b.col0 = i % col_blocks * cols;
  i /= col_blocks;
  b.row0 = i % row_blocks * rows;
  b.image = i / row_blocks;
  b.rows = std::min(rows, out_rows - b.row0);
  b.cols = std::min(cols, out_columns - b.col0);
  return b;
}

DepthwiseRows::DepthwiseRows(const DepthwiseGeometry& g, const DepthwiseSourceView& view,
                             const DepthwisePieces::Piece& piece)
    : g_(g), view_(view), image_(piece.image) {
  g.source_columns(piece.col0, piece.col0 + piece.cols, first_, last_);
  if (!view.prepared()) return;
  slot_rows_ = g.span(1);
  slot_planes_ = g.span(0);
  const index_t slots = slot_rows_ * slot_planes_;
  scratch_.emplace(static_cast<std::size_t>(slots * (last_ - first_) * g.p.k));
  tags_.emplace(static_cast<std::size_t>(slots));
  std::fill_n(tags_->data(), slots, index_t{-1});
}

index_t DepthwiseRows::bytes(const DepthwiseGeometry& g, const DepthwiseSourceView& view,
                             index_t cols) {
  if (!view.prepared()) return 0;
  const index_t reach = (g.p.kernel[2] - 1) * g.p.dilation[2];
  const index_t most =
      g.reversed ? (cols + reach) / g.p.stride[2] + 1 : (cols - 1) * g.p.stride[2] + reach + 1;
  const index_t slots = checked_mul(g.span(0), g.span(1));
  return checked_mul(checked_mul(slots, std::min(most, g.src[2])),
                     g.p.k * static_cast<index_t>(sizeof(float))) +
         slots * static_cast<index_t>(sizeof(index_t));
}

const float* DepthwiseRows::row(index_t plane, index_t row) {
  const index_t number = (image_ * g_.src[0] + plane) * g_.src[1] + row;
  const float* source = view_.data + number * g_.src[2] * view_.channels;
  if (!scratch_ || !tags_) return source;  // nothing to prepare
  const index_t columns = last_ - first_;
  const index_t slot = plane % slot_planes_ * slot_rows_ + row % slot_rows_;
  float* prepared = scratch_->data() + slot * columns * g_.p.k;
  if ((*tags_)[static_cast<std::size_t>(slot)] != number) {
    (*tags_)[static_cast<std::size_t>(slot)] = number;
    const index_t offset = first_ * view_.channels;
    if (view_.gate.y != nullptr) {
      const GradientGate& gate = view_.gate;
      epilogue_kernels().gate(source + offset,
                              {gate.y + (source - view_.data) + offset, gate.upper, gate.slope},
                              prepared, columns * view_.channels);
    } else {
      depthwise_kernels().repeat(source + offset, columns * view_.channels, view_.multiplier,
                                 prepared);
    }
  }
  return prepared - first_ * g_.p.k;
}

DepthwiseAhead DepthwiseRows::ahead(index_t plane, index_t row, index_t out_rows) const {
  if (view_.prepared()) return {nullptr, 0};
  const index_t step = g_.reversed ? ceil_div(out_rows, g_.p.stride[1]) : out_rows * g_.p.stride[1];
  const index_t number = (image_ * g_.src[0] + plane) * g_.src[1] + row + 1;
  const index_t end = std::min(number + step, g_.p.n * g_.src[0] * g_.src[1]);
  const index_t row_floats = g_.src[2] * view_.channels;
  const index_t first = first_ * view_.channels;
  if (end <= number) return {nullptr, 0};
  // A piece of columns fetches as much of one row as it has itself.
  const bool part = last_ - first_ < g_.src[2];
  return {view_.data + number * row_floats + first,
          part ? (last_ - first_) * view_.channels : (end - number) * row_floats};
}

DepthwiseWalk::DepthwiseWalk(const DepthwiseGeometry& g, const DepthwisePieces::Piece& piece,
                             const Taps& taps)
    : g_(g),
      piece_(piece),
      taps_(taps),
      rows_(static_cast<std::size_t>(2 * g.most_rows())),
      merged_(static_cast<std::size_t>(2 * g.most_rows())),
      sources_(static_cast<std::size_t>(2 * g.most_rows())),
      groups_(static_cast<std::size_t>(2 * g.most_taps())) {}

index_t DepthwiseWalk::bytes(const DepthwiseGeometry& g) {
  return 2 * (g.most_rows() *
                  static_cast<index_t>(2 * sizeof(DepthwiseGeometry::Row) + sizeof(Source)) +
              g.most_taps() * static_cast<index_t>(sizeof(DepthwiseTaps)));
}

// Merges the source rows of two output rows: those of the first alone, of both, of the second.
index_t DepthwiseWalk::meet(index_t out_row, bool two) {
  const index_t most = g_.most_rows();
  DepthwiseGeometry::Row* first = rows_.data();
  DepthwiseGeometry::Row* second = first + most;
  const index_t n = g_.rows_of(out_row, first);
  const index_t m = two ? g_.rows_of(out_row + 1, second) : 0;
  index_t count = 0;
  for (int part = 0; part < 3; ++part) {
    const index_t before = count;
    for (index_t i = 0; i < (part < 2 ? n : m); ++i) {
      const DepthwiseGeometry::Row& r = part < 2 ? first[i] : second[i];
      const DepthwiseGeometry::Row* other = part < 2 ? second : first;
      const DepthwiseGeometry::Row* end = other + (part < 2 ? m : n);
      const auto* same = std::find_if(other, end, [&](const DepthwiseGeometry::Row& o) {
        return o.plane == r.plane && o.row == r.row;
      });
      if ((same != end) != (part == 1)) continue;
      const index_t match = same != end ? same->kernel_row : -1;
      sources_.data()[count++] = {nullptr,
                                  {part < 2 ? r.kernel_row : -1, part < 2 ? match : r.kernel_row}};
      merged_.data()[count - 1] = r;
    }
    counts_[part] = count - before;
  }
  return count;
}

void DepthwiseWalk::start_row(index_t out_row, bool two, DepthwiseRows& rows) {
  const index_t count = meet(out_row, two);
  ahead_ = {nullptr, 0};
  for (index_t i = 0; i < count; ++i) {
    const DepthwiseGeometry::Row& r = merged_.data()[i];
    sources_.data()[i].data = rows.row(r.plane, r.row);
    ahead_ = rows.ahead(r.plane, r.row, two ? 2 : 1);
  }
}

index_t DepthwiseWalk::run(const DepthwiseColumns& c, const DepthwiseRows& rows, index_t pixel,
                           DepthwiseRow& run) {
  const index_t begin = std::max<index_t>(0, ceil_div(piece_.col0 - c.out0, c.out_step));
  const index_t end = ceil_div(piece_.col0 + piece_.cols - c.out0, c.out_step);
  if (begin >= end) return -1;
  const index_t lanes = g_.p.k;
  const index_t count = counts_[0] + counts_[1] + counts_[2];
  // Pieces begin at even columns.
  const index_t shift = c.step == -2 ? begin / 2 : begin * c.step;
  const auto weights = [&](index_t kernel_row, index_t tap) {
    const bool meets = kernel_row >= 0 && taps_.weights != nullptr;
    return meets ? taps_.weights + (kernel_row * g_.p.kernel[2] + tap) * taps_.stride : nullptr;
  };
  DepthwiseTaps* group = groups_.data();
  for (index_t i = 0; i < count; ++i) {
    const Source& s = sources_.data()[i];
    for (const DepthwiseColumns::Group& from : c.groups) {
      const index_t tap = s.kernel_row[0] * g_.p.kernel[2] + from.tap;
      *group++ = {s.data + c.src0 * lanes,
                  from.column + shift,
                  {weights(s.kernel_row[0], from.tap), weights(s.kernel_row[1], from.tap)},
                  taps_.sums != nullptr ? taps_.sums + tap * taps_.stride : nullptr};
    }
  }
  const index_t groups = static_cast<index_t>(c.groups.size());
  run.taps = groups_.data();
  run.only_first = counts_[0] * groups;
  run.both = counts_[1] * groups;
  run.only_second = counts_[2] * groups;
  run.chunk = g_.chunk;
  run.step = c.step;
  run.origin = c.origin;
  run.src_columns = std::max<index_t>(0, ceil_div(rows.last_column() - c.src0, c.src_step));
  run.src_pixel = c.src_step * lanes;
  run.out_columns = end - begin;
  run.out_pixel = c.out_step * pixel;
  run.channels = lanes;
  run.tap_stride = g_.reversed && c.step != -2 ? -taps_.stride : taps_.stride;
  // Each class fetches its share.
  const index_t classes = static_cast<index_t>(g_.classes.size());
  const index_t share = ahead_.floats / classes;
  run.ahead[0] = {ahead_.data + share * (&c - g_.classes.data()), share};
  run.ahead[1] = {nullptr, 0};
  return c.out0 + begin * c.out_step;
}

}  // namespace tilewise
