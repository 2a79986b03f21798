// Short rows: pieces of rows go to the threads, and a row is finished while it lies in the caches:
// one pass over memory. The columns' sums are added up a piece, then over the pieces.
//
// Long rows: pieces of columns go to the threads, each with all rows, so that the columns' sums are
// complete at once; the rows' sums are added up over the pieces; then comes the second pass.
#include "ops/row_passes.h"

#include "base/cpu.h"
#include "kernels/row_norm.h"
#include "ref/row_norm.h"

namespace tilewise {
namespace {

constexpr index_t longest_short_row = 16384;
constexpr index_t chunk = 8192;      // columns of a piece of a long row
constexpr index_t float_rows = 256;  // whose column sums are added in float32

const float* floats_or_null(const Array& a) { return a.defined() ? a.data<float>() : nullptr; }
const double* doubles_or_null(const Array& a) { return a.defined() ? a.data<double>() : nullptr; }

// Whether the arrays that a pass goes through, each as large as `a`, are more than the caches hold.
bool sweeps_caches(const Array& a, index_t arrays) {
  return arrays * a.size() * static_cast<index_t>(itemsize(a.dtype())) > cache_sizes().l3;
}

RowScale scale_of(const RowsForward& f, index_t row, const Moments& m) {
  return {static_cast<float>(m.mean), static_cast<float>(f.scale_of(row, m.deviations))};
}

// What the kernels call for a few rows; theirs count from the first row of a range.
struct ScalesOf {
  const RowsForward& f;
  index_t origin;

  static void make(const void* context, index_t first, index_t count, const Moments* moments,
                   RowScale* out) {
    const ScalesOf& self = *static_cast<const ScalesOf*>(context);
    for (index_t r = 0; r < count; ++r) {
      out[r] = scale_of(self.f, self.origin + first + r, moments[r]);
    }
  }
};

void short_forward(const float* x, const RowsForward& f, RowScale* scales, float* y,
                   bool streaming) {
  const index_t columns = f.matrix.columns;
  const auto& kernels = row_norm_kernels();
  const ColumnVectors vectors{floats_or_null(f.weight), floats_or_null(f.bias)};
  const index_t grain = std::max<index_t>(1, elementwise_grain / columns);
  parallel_ranges(f.matrix.rows, grain, [&](index_t first, index_t last) {
    const RowBlock block{last - first, columns, columns, streaming};
    const ScalesOf scales_of{f, first};
    const index_t i = first * columns;
    if (columns <= kernels.longest_row) {
      kernels.forward(x + i, block, f.centred, vectors, {ScalesOf::make, &scales_of},
                      scales + first, y + i);
    } else {
      const RowBlock one{1, columns, columns, streaming};
      for (index_t r = first; r < last; ++r) {
        Moments moments;
        kernels.moments(x + r * columns, one, f.centred, &moments);
        scales[r] = scale_of(f, r, moments);
        kernels.normalise(x + r * columns, one, scales + r, vectors, y + r * columns);
      }
    }
    if (streaming) kernels.fence();
  });
}

Moments combined(const Moments* parts, index_t count, index_t columns) {
  Moments total = parts[0];
  for (index_t p = 1; p < count; ++p) {
    const double before = static_cast<double>(p * chunk);
    const double added = static_cast<double>(std::min(chunk, columns - p * chunk));
    const double gap = parts[p].mean - total.mean;
    total.mean += gap * (added / (before + added));
    total.deviations += parts[p].deviations + gap * gap * (before * added / (before + added));
  }
  return total;
}

void long_forward(const float* x, const RowsForward& f, RowScale* scales, float* y,
                  bool streaming) {
  const RowMatrix m = f.matrix;
  const index_t pieces = ceil_div(m.columns, chunk);
  Scratch<Moments> parts(at(checked_mul(m.rows, pieces)));
  const auto& kernels = row_norm_kernels();
  const auto width = [&](index_t p) { return std::min(chunk, m.columns - p * chunk); };
  const auto first = [&](index_t r, index_t p) {
    kernels.moments(x + r * m.columns + p * chunk, {1, width(p), m.columns, false}, f.centred,
                    parts.data() + r * pieces + p);
  };
  const auto finish = [&](index_t r) {
    scales[r] = scale_of(f, r, combined(parts.data() + r * pieces, pieces, m.columns));
  };
  const auto second = [&](index_t r, index_t p) {
    const index_t i = r * m.columns + p * chunk;
    const float* weight = floats_or_null(f.weight);
    const float* bias = floats_or_null(f.bias);
    kernels.normalise(x + i, {1, width(p), m.columns, streaming}, scales + r,
                      {weight ? weight + p * chunk : nullptr, bias ? bias + p * chunk : nullptr},
                      y + i);
    if (streaming) kernels.fence();
  };
  two_passes(m.rows, pieces, first, finish, second);
}

}  // namespace

void normalise_rows(const Array& x, const RowsForward& f, const Array& statistics, const Array& y) {
  const RowMatrix m = f.matrix;
  if (x.size() == 0) return;
  if (x.dtype() == DType::float32) {
    auto* scales = reinterpret_cast<RowScale*>(statistics.data<float>());
    const auto run = m.columns > longest_short_row ? long_forward : short_forward;
    run(x.data<float>(), f, scales, y.data<float>(), sweeps_caches(y, 2));
    return;
  }
  for (index_t r = 0; r < m.rows; ++r) {
    double* row = statistics.data<double>() + 2 * r;
    double deviations = 0;
    ref::row_moments(x.data<double>() + r * m.columns, m.columns, f.centred, row, &deviations);
    row[1] = f.scale_of(r, deviations);
    ref::row_normalise(x.data<double>() + r * m.columns, m.columns, row[0], row[1],
                       doubles_or_null(f.weight), doubles_or_null(f.bias),
                       y.data<double>() + r * m.columns);
  }
}

namespace {

// The sums of columns over some rows: float32 for a few rows, then double.
class ColumnSums {
 public:
  ColumnSums(index_t columns, bool wanted)
      : columns_(columns), floats_(wanted ? at(2 * columns) : 0) {
    std::fill(floats_.data(), floats_.data() + floats_.size(), 0.0F);
  }
  float* dweight() { return floats_.size() > 0 ? floats_.data() : nullptr; }
  float* dbias() { return floats_.size() > 0 ? floats_.data() + columns_ : nullptr; }

  // Counts the rows added and moves their sums on when they are many.
  void added(index_t rows, double* dweight, double* dbias) {
    rows_ += rows;
    if (rows_ >= float_rows) flush(dweight, dbias);
  }
  void flush(double* dweight, double* dbias) {
    rows_ = 0;
    if (floats_.size() == 0) return;
    for (index_t c = 0; c < columns_; ++c) {
      dweight[c] += double{floats_[at(c)]};
      dbias[c] += double{floats_[at(columns_ + c)]};
    }
    std::fill(floats_.data(), floats_.data() + floats_.size(), 0.0F);
  }

 private:
  index_t columns_;
  index_t rows_ = 0;
  Scratch<float> floats_;
};

RowGrad grad_of(const RowsBackward& b, index_t row, const RowScale& s, const double* sums) {
  const RowSlopes slopes = b.slopes_of(row, double{s.scale}, sums[0], sums[1]);
  return {s.mean, s.scale, static_cast<float>(slopes.slope), static_cast<float>(slopes.offset)};
}

struct FloatOperands {
  const float* dy;
  const float* x;
  const float* weight;
  const RowScale* scales;
  float* dx;
  bool streaming;
};

struct GradsOf {
  const RowsBackward& b;
  const RowScale* scales;
  index_t origin;

  static void make(const void* context, index_t first, index_t count, const float* sums,
                   RowGrad* out) {
    const GradsOf& self = *static_cast<const GradsOf*>(context);
    for (index_t r = 0; r < count; ++r) {
      const index_t row = self.origin + first + r;
      const double pair[2] = {double{sums[2 * r]}, double{sums[2 * r + 1]}};
      out[r] = grad_of(self.b, row, self.scales[row], pair);
    }
  }
};

// A piece of rows; its columns' sums are added in float32 (null: not wanted).
void backward_piece(const FloatOperands& o, const RowsBackward& b, index_t first, index_t last,
                    float* dweight, float* dbias) {
  const index_t columns = b.matrix.columns;
  const auto& kernels = row_norm_kernels();
  if (columns <= kernels.longest_row) {
    const GradsOf grads_of{b, o.scales, first};
    const index_t i = first * columns;
    kernels.backward({o.dy + i, o.x + i, o.scales + first, o.weight, dweight, dbias, o.dx + i},
                     {last - first, columns, columns, o.streaming}, {GradsOf::make, &grads_of});
  } else {
    const RowBlock one{1, columns, columns, o.streaming};
    for (index_t r = first; r < last; ++r) {
      const index_t i = r * columns;
      double sums[2];
      kernels.backward_sums(o.dy + i, o.x + i, one, o.scales + r, o.weight, sums, dweight, dbias);
      const RowGrad grad = grad_of(b, r, o.scales[r], sums);
      kernels.backward_input(o.dy + i, o.x + i, one, &grad, o.weight, o.dx + i);
    }
  }
  if (o.streaming) kernels.fence();
}

void short_backward(const FloatOperands& o, const RowsBackward& b) {
  const RowMatrix m = b.matrix;
  const index_t most = std::max(float_rows, chunk / m.columns);
  const index_t piece =
      std::clamp<index_t>(std::max(elementwise_grain / m.columns, ceil_div(m.rows, 64)), 32, most);
  const index_t pieces = ceil_div(m.rows, piece);
  const index_t width = b.dweight ? 2 * m.columns : 0;
  Scratch<float> partial(at(checked_mul(pieces, width)));
  parallel_for(pieces, [&](index_t p) {
    float* sums = width > 0 ? partial.data() + p * width : nullptr;
    if (sums != nullptr) std::fill(sums, sums + width, 0.0F);
    backward_piece(o, b, p * piece, std::min(m.rows, (p + 1) * piece), sums,
                   sums ? sums + m.columns : nullptr);
  });
  for (index_t p = 0; p < pieces && width > 0; ++p) {
    for (index_t c = 0; c < m.columns; ++c) {
      (*b.dweight)[at(c)] += double{partial[at(p * width + c)]};
      (*b.dbias)[at(c)] += double{partial[at(p * width + m.columns + c)]};
    }
  }
}

void long_backward(const FloatOperands& o, const RowsBackward& b) {
  const RowMatrix m = b.matrix;
  const index_t pieces = ceil_div(m.columns, chunk);
  const auto& kernels = row_norm_kernels();
  Scratch<double> parts(at(checked_mul(checked_mul(m.rows, pieces), 2)));
  Scratch<RowGrad> grads(at(m.rows));
  const auto width = [&](index_t p) { return std::min(chunk, m.columns - p * chunk); };
  const auto weight = [&](index_t p) { return o.weight ? o.weight + p * chunk : nullptr; };
  parallel_for(pieces, [&](index_t p) {
    ColumnSums column_sums(width(p), b.dweight != nullptr);
    double* dweight = b.dweight ? b.dweight->data() + p * chunk : nullptr;
    double* dbias = b.dweight ? b.dbias->data() + p * chunk : nullptr;
    for (index_t r = 0; r < m.rows; r += 4) {
      const index_t rows = std::min<index_t>(4, m.rows - r);
      const index_t i = r * m.columns + p * chunk;
      kernels.backward_sums(o.dy + i, o.x + i, {rows, width(p), m.columns, false}, o.scales + r,
                            weight(p), parts.data() + (p * m.rows + r) * 2, column_sums.dweight(),
                            column_sums.dbias());
      column_sums.added(rows, dweight, dbias);
    }
    column_sums.flush(dweight, dbias);
  });
  for (index_t r = 0; r < m.rows; ++r) {
    double sums[2] = {0, 0};
    for (index_t p = 0; p < pieces; ++p) {
      sums[0] += parts[at((p * m.rows + r) * 2)];
      sums[1] += parts[at((p * m.rows + r) * 2 + 1)];
    }
    grads[at(r)] = grad_of(b, r, o.scales[r], sums);
  }
  parallel_for(m.rows * pieces, [&](index_t k) {
    const index_t r = k / pieces;
    const index_t p = k % pieces;
    const index_t i = r * m.columns + p * chunk;
    kernels.backward_input(o.dy + i, o.x + i, {1, width(p), m.columns, o.streaming},
                           grads.data() + r, weight(p), o.dx + i);
    if (o.streaming) kernels.fence();
  });
}

}  // namespace

void rows_backward(const Array& dy, const Array& x, const RowsBackward& b, const Array& dx) {
  const RowMatrix m = b.matrix;
  if (x.size() == 0) return;
  if (x.dtype() == DType::float32) {
    const FloatOperands o{
        dy.data<float>(),         x.data<float>(),
        floats_or_null(b.weight), reinterpret_cast<const RowScale*>(b.statistics.data<float>()),
        dx.data<float>(),         sweeps_caches(dx, 3)};
    const auto run = m.columns > longest_short_row ? long_backward : short_backward;
    run(o, b);
    return;
  }
  for (index_t r = 0; r < m.rows; ++r) {
    const index_t i = r * m.columns;
    const double* row = b.statistics.data<double>() + 2 * r;
    double sums[2];
    ref::row_backward_sums(dy.data<double>() + i, x.data<double>() + i, m.columns, row[0], row[1],
                           doubles_or_null(b.weight), sums, b.dweight ? b.dweight->data() : nullptr,
                           b.dweight ? b.dbias->data() : nullptr);
    const RowSlopes g = b.slopes_of(r, row[1], sums[0], sums[1]);
    ref::row_backward_input(dy.data<double>() + i, x.data<double>() + i, m.columns,
                            {row[0], row[1], g.slope, g.offset}, doubles_or_null(b.weight),
                            dx.data<double>() + i);
  }
}

}  // namespace tilewise
