// Dice: ref/loss_vectors.h has the formulas. Forward is one pass over predictions and target, in
// tiles that stay in L1; several pixels of few classes are taken as one long row, so that the sums
// over pixels fill the registers. Labels become a one-hot tile.
#include <algorithm>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "kernels/loss_vectors.h"
#include "kernels/reduce.h"
#include "ops/class_targets.h"
#include "ops/copy.h"
#include "ops/losses_vectors.h"

namespace tilewise {
namespace {

constexpr index_t tile = 2048;

struct DiceProblem {
  DiceProblem(const Array& in, const Array& t) : dtype(in.dtype()) {
    const char* op = "dice_loss";
    TW_CHECK_TYPE(is_floating(dtype), op, ": expected input of dtype float32 or float64, got ",
                  name_of(dtype));
    TW_CHECK(in.rank() >= 2 && in.extent(1) > 0, op,
             ": expected input of shape (N, C, ...) with C > 0, got ", to_string(in.shape()));
    labels = t.dtype() == DType::int64 && t.shape() == label_shape(in.shape());
    TW_CHECK(labels || t.shape() == in.shape(), op, ": expected target of shape ",
             to_string(in.shape()), ", or int64 labels ", to_string(label_shape(in.shape())),
             ", got ", name_of(t.dtype()), " ", to_string(t.shape()));
    samples = in.extent(0);
    classes = in.extent(1);
    pixels = samples > 0 ? in.size() / samples / classes : 0;
    input = class_rows(in);
    target = labels ? contiguous(t) : class_rows(cast(t, dtype));
    folded = std::max<index_t>(1, 64 / classes);
    tile_pixels = std::max<index_t>(1, tile / classes / folded) * folded;
    piece_pixels = round_up(std::max<index_t>(1, elementwise_grain / classes), tile_pixels);
    pieces = ceil_div(pixels, piece_pixels);
  }

  // The target of a tile; `buffer` holds a one-hot one.
  template <typename T>
  const T* mask(index_t pixel, index_t count, T* buffer) const {
    if (!labels) return target.data<const T>() + pixel * classes;
    std::fill(buffer, buffer + count * classes, T(0));
    for (index_t i = 0; i < count; ++i) {
      const index_t label = target.data<const std::int64_t>()[pixel + i];
      if (label < 0 || label >= classes) {
        throw IndexError(
            concat("dice_loss: target ", label, " is outside the ", classes, " classes"));
      }
      buffer[i * classes + label] = T(1);
    }
    return buffer;
  }

  // body(sample, piece, first pixel, pixels) for tiles, the tiles of a piece in order.
  template <typename Body>
  void for_tiles(const Body& body) const {
    parallel_for(samples * pieces, [&](index_t i) {
      const index_t sample = i / pieces;
      const index_t first = i % pieces * piece_pixels;
      const index_t last = std::min(pixels, first + piece_pixels);
      for (index_t p = first; p < last; p += tile_pixels) {
        body(sample, i, sample * pixels + p, std::min(tile_pixels, last - p));
      }
    });
  }
  std::size_t tile_size() const { return static_cast<std::size_t>(tile_pixels * classes); }

  DType dtype;
  bool labels = false;
  index_t samples = 0;
  index_t classes = 0;
  index_t pixels = 0;       // of a sample
  index_t folded = 1;       // pixels that make a long row
  index_t tile_pixels = 1;  // a multiple of them
  index_t piece_pixels = 1;
  index_t pieces = 0;  // of a sample
  Array input;
  Array target;
};

void overlap_terms(const float* p, const float* g, bool squared, float* overlap, float* size,
                   index_t n) {
  vector_loss_kernels().overlap_terms(p, g, squared, overlap, size, n);
}
void overlap_terms(const double* p, const double* g, bool squared, double* overlap, double* size,
                   index_t n) {
  for (index_t i = 0; i < n; ++i) {
    overlap[i] = p[i] * g[i];
    size[i] = squared ? p[i] * p[i] + g[i] * g[i] : p[i] + g[i];
  }
}

// out[c] += sum of column c
void sum_columns(const float* x, index_t rows, index_t columns, double* out) {
  reduce_kernels().sum_cols({x, rows, columns, columns}, out);
}
void sum_columns(const double* x, index_t rows, index_t columns, double* out) {
  for (index_t r = 0; r < rows; ++r) {
    for (index_t c = 0; c < columns; ++c) out[c] += x[r * columns + c];
  }
}

struct Gradient {
  bool squared;
  bool of_target;
};
void overlap_gradient(const float* p, const float* g, const float* by_overlap, const float* by_size,
                      bool squared, float* dp, index_t n) {
  vector_loss_kernels().overlap_gradient(p, g, by_overlap, by_size, squared, dp, n);
}
void overlap_gradient(const double* p, const double* g, const double* by_overlap,
                      const double* by_size, bool squared, double* dp, index_t n) {
  for (index_t i = 0; i < n; ++i) {
    dp[i] = by_overlap[i] * g[i] + by_size[i] * (squared ? p[i] : 1.0);
  }
}

// Adds the sums of each piece to sums[piece][2][folded classes].
template <typename T>
void sum_tiles(const DiceProblem& p, bool squared, double* sums) {
  const index_t columns = p.folded * p.classes;
  p.for_tiles([&](index_t, index_t piece, index_t pixel, index_t count) {
    Scratch<T> buffer(3 * p.tile_size());
    T* overlap = buffer.data() + p.tile_size();
    T* size = overlap + p.tile_size();
    const T* g = p.mask<T>(pixel, count, buffer.data());
    overlap_terms(p.input.data<const T>() + pixel * p.classes, g, squared, overlap, size,
                  count * p.classes);
    const index_t long_rows = count / p.folded;
    const index_t done = long_rows * columns;
    const index_t rest = count - long_rows * p.folded;
    double* to = sums + piece * 2 * columns;
    sum_columns(overlap, long_rows, columns, to);
    sum_columns(size, long_rows, columns, to + columns);
    sum_columns(overlap + done, rest, p.classes, to);
    sum_columns(size + done, rest, p.classes, to + columns);
  });
}

template <typename T>
void gradient_tiles(const DiceProblem& p, const double* coefficients, const Gradient& which,
                    const Array& out) {
  // The coefficients of a sample's classes, repeated for the pixels of a tile.
  const std::size_t size = p.tile_size();
  Scratch<T> repeated(2 * size * static_cast<std::size_t>(p.samples));
  parallel_for(p.samples, [&](index_t n) {
    T* to = repeated.data() + static_cast<index_t>(2 * size) * n;
    for (index_t i = 0; i < static_cast<index_t>(size); ++i) {
      const double* c = coefficients + (n * p.classes + i % p.classes) * 2;
      to[i] = static_cast<T>(c[0]);
      to[static_cast<index_t>(size) + i] = static_cast<T>(c[1]);
    }
  });
  p.for_tiles([&](index_t sample, index_t, index_t pixel, index_t count) {
    Scratch<T> buffer(size);
    const T* g = p.mask<T>(pixel, count, buffer.data());
    const T* x = p.input.data<const T>() + pixel * p.classes;
    const T* by_overlap = repeated.data() + static_cast<index_t>(2 * size) * sample;
    overlap_gradient(which.of_target ? g : x, which.of_target ? x : g, by_overlap,
                     by_overlap + size, which.squared, out.data<T>() + pixel * p.classes,
                     count * p.classes);
  });
}

}  // namespace

DiceResult dice_loss(const Array& input, const Array& target, const DiceOptions& options) {
  const DiceProblem p(input, target);
  const index_t columns = p.folded * p.classes;
  Scratch<double> partial(static_cast<std::size_t>(p.samples * p.pieces * 2 * columns));
  std::fill(partial.data(), partial.data() + partial.size(), 0.0);
  const auto run = p.dtype == DType::float32 ? sum_tiles<float> : sum_tiles<double>;
  run(p, options.squared, partial.data());

  DiceResult r{Array::empty({p.samples, p.classes}, p.dtype),
               Array::empty({p.samples, p.classes, 2}, DType::float64)};
  fill(r.sums, 0.0);
  for (index_t i = 0; i < p.samples * p.pieces; ++i) {
    double* to = r.sums.data<double>() + i / p.pieces * p.classes * 2;
    for (index_t j = 0; j < 2 * columns; ++j) {
      to[j % columns % p.classes * 2 + j / columns] += partial.data()[i * 2 * columns + j];
    }
  }
  for (index_t i = 0; i < p.samples * p.classes; ++i) {
    const double* s = r.sums.data<double>() + 2 * i;
    const double loss = 1 - (2 * s[0] + options.eps) / (s[1] + options.eps);
    if (p.dtype == DType::float32) {
      r.loss.data<float>()[i] = static_cast<float>(loss);
    } else {
      r.loss.data<double>()[i] = loss;
    }
  }
  return r;
}

Array dice_loss_backward(const Array& dloss, const Array& input, const Array& target,
                         const Array& sums, const DiceOptions& options, bool of_target) {
  const char* op = "dice_loss";
  const DiceProblem p(input, target);
  const Dims losses{p.samples, p.classes};
  const Dims kept{p.samples, p.classes, 2};
  TW_CHECK(dloss.shape() == losses && dloss.dtype() == p.dtype, op,
           ": expected a gradient of shape ", to_string(losses), " and dtype ", name_of(p.dtype),
           ", got ", to_string(dloss.shape()), " and ", name_of(dloss.dtype()));
  TW_CHECK(sums.shape() == kept && sums.dtype() == DType::float64, op,
           ": expected float64 sums of shape ", to_string(kept), ", got ", name_of(sums.dtype()),
           " ", to_string(sums.shape()));
  TW_CHECK_TYPE(!of_target || !p.labels, op, ": labels have no gradient");
  const Array g = contiguous(dloss);
  const Array s = contiguous(sums);
  Scratch<double> coefficients(static_cast<std::size_t>(p.samples * p.classes * 2));
  for (index_t i = 0; i < p.samples * p.classes; ++i) {
    const double size = s.data<double>()[2 * i + 1] + options.eps;
    const double dice = (2 * s.data<double>()[2 * i] + options.eps) / size;
    coefficients.data()[2 * i] = -2 * element(g, i) / size;
    coefficients.data()[2 * i + 1] = (options.squared ? 2 : 1) * dice * element(g, i) / size;
  }
  Array out = empty_class_rows(input.shape(), p.dtype);
  const auto run = p.dtype == DType::float32 ? gradient_tiles<float> : gradient_tiles<double>;
  run(p, coefficients.data(), {options.squared, of_target}, out);
  return of_target ? cast(out, target.dtype()) : out;
}

}  // namespace tilewise
