#include "ops/array_lists.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/optimizer.h"
#include "ops/copy.h"
#include "ref/optimizer.h"

namespace tilewise {
namespace {

// A sum of |x|^order over a range, or its largest or smallest |x|.
double measure(const float* x, index_t count, double order) {
  const OptimizerKernels& kernels = optimizer_kernels();
  if (order == HUGE_VAL) return double{kernels.largest_size(x, count)};
  if (order == -HUGE_VAL) return ref::extreme(x, count, false);
  if (order == 1 || order == 2) {
    const double sum = order == 2 ? kernels.sum_squares(x, count) : kernels.sum_sizes(x, count);
    if (std::isfinite(sum)) return sum;  // what overflows a float fits a double
  }
  return ref::sum_powers(x, count, order);
}

double measure(const double* x, index_t count, double order) {
  if (std::isinf(order)) return ref::extreme(x, count, order > 0);
  return ref::sum_powers(x, count, order);
}

// The norm of what the measures of parts add up to.
double combine(const double* parts, std::size_t count, double order) {
  if (std::isinf(order)) {
    return ref::extreme(parts, static_cast<index_t>(count), order > 0);
  }
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += parts[i];
  return order == 0 ? sum : order == 2 ? std::sqrt(sum) : std::pow(sum, 1 / order);
}

template <typename Body32, typename Body64>
void in_place(const char* op, const ArrayList& arrays, const Body32& body32, const Body64& body64) {
  check_floating(op, arrays);
  const Written x(arrays);
  const std::vector<Piece> pieces = cut(x.dense());
  for_each_piece(pieces, [&](std::size_t i) {
    const Piece& piece = pieces[i];
    if (x.dense()[piece.array].dtype() == DType::float32) {
      body32(x.at<float>(piece), piece.count);
      return;
    }
    double* values = x.at<double>(piece);
    for (index_t j = 0; j < piece.count; ++j) values[j] = body64(values[j]);
  });
  x.finish();
}

}  // namespace

std::vector<Piece> cut(const ArrayList& arrays) {
  std::vector<Piece> pieces;
  pieces.reserve(arrays.size());
  for (std::size_t a = 0; a < arrays.size(); ++a) {
    const index_t size = arrays[a].size();
    for (index_t first = 0; first < size; first += elementwise_grain) {
      pieces.push_back({a, first, std::min(elementwise_grain, size - first)});
    }
  }
  return pieces;
}

ArrayList all_contiguous(const ArrayList& arrays) {
  ArrayList dense;
  dense.reserve(arrays.size());
  for (const Array& a : arrays) dense.push_back(contiguous(a));
  return dense;
}

void Written::finish() const {
  for (std::size_t i = 0; i < arrays_.size(); ++i) {
    if (dense_[i].storage() == arrays_[i].storage()) {
      arrays_[i].storage()->bump_version();
    } else {
      copy_into(arrays_[i], dense_[i]);
    }
  }
}

void check_floating(const char* op, const ArrayList& arrays) {
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    TW_CHECK_TYPE(is_floating(arrays[i].dtype()), op, ": expected floating tensors, got ",
                  name_of(arrays[i].dtype()), " at position ", i);
  }
}

double total_norm(const ArrayList& arrays, double order) {
  check_floating("total_norm", arrays);
  TW_CHECK(!std::isnan(order), "total_norm: expected the order of a norm, got NaN");
  const ArrayList x = all_contiguous(arrays);
  const std::vector<Piece> pieces = cut(x);
  std::vector<double> parts(pieces.size());
  for_each_piece(pieces, [&](std::size_t i) {
    const Piece& piece = pieces[i];
    const Array& a = x[piece.array];
    parts[i] = a.dtype() == DType::float32
                   ? measure(a.data<float>() + piece.first, piece.count, order)
                   : measure(a.data<double>() + piece.first, piece.count, order);
  });
  std::vector<double> norms(arrays.size(), 0.0);
  for (std::size_t a = 0, i = 0; a < arrays.size(); ++a) {
    const std::size_t first = i;
    while (i < pieces.size() && pieces[i].array == a) ++i;
    norms[a] = combine(parts.data() + first, i - first, order);
  }
  const auto count = static_cast<index_t>(norms.size());
  if (std::isinf(order)) return ref::extreme(norms.data(), count, order > 0);
  const double sum = ref::sum_powers(norms.data(), count, order);
  return order == 0 ? sum : order == 2 ? std::sqrt(sum) : std::pow(sum, 1 / order);
}

void scale_arrays(const ArrayList& arrays, double factor) {
  const auto kernel = optimizer_kernels().scale;
  in_place(
      "scale_", arrays,
      [&](float* x, index_t count) { kernel(x, static_cast<float>(factor), count); },
      [&](double x) { return x * factor; });
}

void clamp_arrays(const ArrayList& arrays, double bound) {
  TW_CHECK(bound >= 0, "clamp_: expected a bound >= 0, got ", bound);
  const auto kernel = optimizer_kernels().clamp;
  in_place(
      "clamp_", arrays,
      [&](float* x, index_t count) { kernel(x, static_cast<float>(bound), count); },
      [&](double x) { return x < -bound  ? -bound
                             : x > bound ? bound
                                         : x; });
}

}  // namespace tilewise
