// Cross entropy is softmax and its loss in one: forward keeps two numbers a row, from which
// backward recomputes the softmax. Rows are taken in blocks, so that what there is one of in a row
// (logarithm, focal power) is computed for many at a time.
#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "ops/class_targets.h"
#include "ops/copy.h"
#include "ops/losses_rows.h"

namespace tilewise {
namespace {

constexpr index_t block = 256;

struct Sums {
  double loss = 0;
  double weight = 0;
};

Sums total_of(const std::vector<Sums>& pieces) {
  Sums total;
  for (const Sums& piece : pieces) {
    total.loss += piece.loss;
    total.weight += piece.weight;
  }
  return total;
}

// Calls run(first row, rows, piece) for blocks of rows; the blocks of a piece come in order.
template <typename Run>
void for_blocks(const ClassTargets& targets, const Run& run) {
  const index_t grain = class_row_grain(targets.classes());
  parallel_ranges(targets.rows(), grain, [&](index_t first, index_t last) {
    for (index_t r = first; r < last; r += block) {
      run(r, std::min(block, last - r), static_cast<std::size_t>(first / grain));
    }
  });
}

std::size_t pieces_of(const ClassTargets& targets) {
  return static_cast<std::size_t>(ceil_div(targets.rows(), class_row_grain(targets.classes())));
}

// Labels of a block of rows and -log p of each; 0 for ignored rows.
template <typename T>
struct LabelBlock {
  LabelBlock(const ClassTargets& targets, const T* x, const T* maximum, const T* log_sum,
             index_t first, index_t count) {
    for (index_t i = 0; i < count; ++i) {
      const index_t r = first + i;
      label[i] = targets.label(r);
      entropy[i] = T(0);
      if (label[i] < 0) continue;
      const double score{x[r * targets.classes() + label[i]]};
      entropy[i] = static_cast<T>(double{maximum[r]} - score + double{log_sum[r]});
    }
  }
  index_t label[block];
  T entropy[block];
};

template <typename T>
Sums forward_rows(const Array& scores, const ClassTargets& targets, const ClassLoss& options,
                  const Array& each, const Array& state) {
  const index_t classes = targets.classes();
  const double smoothing = options.label_smoothing;
  const T* x = scores.data<const T>();
  const T* weight = targets.weights<T>();
  T* maximum = state.data<T>();
  T* log_sum = maximum + targets.rows();
  std::vector<Sums> pieces(pieces_of(targets));
  for_blocks(targets, [&](index_t first, index_t count, std::size_t piece) {
    log_sum_exp_rows(x + first * classes, {count, classes}, maximum + first, log_sum + first);
    const LabelBlock<T> rows(targets, x, maximum, log_sum, first, count);
    T factor[block];
    T slope[block];
    const bool focal = options.focal_gamma != 0;
    if (focal) focal_rows(rows.entropy, options.focal_gamma, factor, slope, count);
    for (index_t i = 0; i < count; ++i) {
      const index_t r = first + i;
      double loss = 0;
      if (rows.label[i] >= 0) {
        const double w = targets.weight_of(rows.label[i]);
        loss = (1 - smoothing) * w * double{rows.entropy[i]} * (focal ? double{factor[i]} : 1.0);
        if (smoothing > 0) {
          const double gap = gap_of(x + r * classes, weight, classes, maximum[r]);
          loss += smoothing / static_cast<double>(classes) *
                  (gap + targets.weight_sum() * double{log_sum[r]});
        }
        pieces[piece].weight += w;
      }
      pieces[piece].loss += loss;
      if (each.defined()) each.data<T>()[r] = static_cast<T>(loss);
    }
  });
  return total_of(pieces);
}

template <typename T>
void backward_rows(const Array& scores, const ClassTargets& targets, const ClassLoss& options,
                   const RowLossGradient& gradient, const Array& state, const Array& out) {
  const index_t classes = targets.classes();
  const double smoothing = options.label_smoothing;
  const T* x = scores.data<const T>();
  const T* maximum = state.data<const T>();
  const T* log_sum = maximum + targets.rows();
  T* dx = out.data<T>();
  for_blocks(targets, [&](index_t first, index_t count, std::size_t /*piece*/) {
    const LabelBlock<T> rows(targets, x, maximum, log_sum, first, count);
    T factor[block];
    T slope[block];
    T scale[block];
    T share[block];
    double hit[block];
    const bool focal = options.focal_gamma != 0;
    if (focal) focal_rows(rows.entropy, options.focal_gamma, factor, slope, count);
    for (index_t i = 0; i < count; ++i) {
      hit[i] = 0;
      scale[i] = share[i] = T(0);
      if (rows.label[i] < 0) continue;
      const double g = gradient(first + i);
      const double part = g * smoothing / static_cast<double>(classes);
      hit[i] = g * (1 - smoothing) * targets.weight_of(rows.label[i]);
      if (focal) hit[i] *= double{slope[i]};
      scale[i] = static_cast<T>(hit[i] + part * targets.weight_sum());
      share[i] = static_cast<T>(part);
    }
    const GradientRows<T> g{maximum + first, log_sum + first, scale,
                            smoothing > 0 ? share : nullptr, targets.weights<T>()};
    gradient_rows(x + first * classes, {count, classes}, g, dx + first * classes);
    for (index_t i = 0; i < count; ++i) {
      T* row = dx + (first + i) * classes;
      if (rows.label[i] >= 0) {
        row[rows.label[i]] -= static_cast<T>(hit[i]);
      } else {
        std::fill(row, row + classes, T(0));  // also where a score is NaN
      }
    }
  });
}

template <typename T>
SoftTargetRow<T> soft_row(const Array& scores, const ClassTargets& targets, double smoothing,
                          const Array& state, index_t r) {
  const index_t classes = targets.classes();
  const T* maximum = state.data<const T>();
  return {scores.data<const T>() + r * classes,
          targets.target().data<const T>() + r * classes,
          targets.weights<T>(),
          classes,
          1 - smoothing,
          smoothing / static_cast<double>(classes),
          maximum[r],
          maximum[targets.rows() + r]};
}

template <typename T>
Sums soft_forward_rows(const Array& scores, const ClassTargets& targets, double smoothing,
                       const Array& each, const Array& state) {
  const index_t classes = targets.classes();
  const T* x = scores.data<const T>();
  T* maximum = state.data<T>();
  T* log_sum = maximum + targets.rows();
  std::vector<Sums> pieces(pieces_of(targets));
  for_blocks(targets, [&](index_t first, index_t count, std::size_t piece) {
    log_sum_exp_rows(x + first * classes, {count, classes}, maximum + first, log_sum + first);
    for (index_t r = first; r < first + count; ++r) {
      const double loss = soft_loss(soft_row<T>(scores, targets, smoothing, state, r));
      pieces[piece].loss += loss;
      if (each.defined()) each.data<T>()[r] = static_cast<T>(loss);
    }
  });
  return total_of(pieces);
}

template <typename T>
void soft_backward_rows(const Array& scores, const ClassTargets& targets, double smoothing,
                        const RowLossGradient& gradient, const Array& state, const Array& out,
                        bool of_target) {
  for_blocks(targets, [&](index_t first, index_t count, std::size_t /*piece*/) {
    for (index_t r = first; r < first + count; ++r) {
      const SoftTargetRow<T> row = soft_row<T>(scores, targets, smoothing, state, r);
      T* to = out.data<T>() + r * targets.classes();
      if (of_target) {
        soft_dt(row, gradient(r) * (1 - smoothing), to);
      } else {
        soft_dx(row, gradient(r), to);
      }
    }
  });
}

CrossEntropyResult empty_result(const ClassTargets& targets, DType dtype) {
  CrossEntropyResult r;
  r.log_sum_exp = Array::empty({2, targets.rows()}, dtype);
  if (targets.reduction() == Reduction::none) r.loss = Array::empty(targets.loss_shape(), dtype);
  return r;
}

Array checked_state(const char* op, const Array& log_sum_exp, const ClassTargets& targets,
                    DType dtype) {
  const Dims expected{2, targets.rows()};
  TW_CHECK(log_sum_exp.shape() == expected && log_sum_exp.dtype() == dtype, op,
           ": expected log_sum_exp of shape ", to_string(expected), " and dtype ", name_of(dtype),
           ", got ", to_string(log_sum_exp.shape()), " and ", name_of(log_sum_exp.dtype()));
  return contiguous(log_sum_exp);
}

const char* name_of_label_loss(const ClassLoss& options) {
  return options.focal_gamma == 0 ? "cross_entropy" : "softmax_focal_loss";
}

}  // namespace

CrossEntropyResult cross_entropy_forward(const Array& logits, const ClassLoss& options) {
  const char* op = name_of_label_loss(options);
  const DType dtype = logits.dtype();
  const ClassTargets targets(op, logits.shape(), dtype, options);
  TW_CHECK(options.focal_gamma >= 0, op, ": expected gamma >= 0, got ", options.focal_gamma);
  const Array x = class_rows(logits);
  CrossEntropyResult r = empty_result(targets, dtype);
  const auto run = dtype == DType::float32 ? forward_rows<float> : forward_rows<double>;
  const Sums sums = run(x, targets, options, r.loss, r.log_sum_exp);
  r.loss = reduce_rows(targets.reduction(), r.loss, sums.loss, sums.weight, dtype);
  r.total_weight = sums.weight;
  return r;
}

Array cross_entropy_backward(const Array& dloss, const Array& logits, const Array& log_sum_exp,
                             double total_weight, const ClassLoss& options) {
  const char* op = name_of_label_loss(options);
  const DType dtype = logits.dtype();
  const ClassTargets targets(op, logits.shape(), dtype, options);
  const RowLossGradient gradient(op, dloss, targets.reduction(), targets.loss_shape(), dtype,
                                 total_weight);
  const Array state = checked_state(op, log_sum_exp, targets, dtype);
  const Array x = class_rows(logits);
  Array dx = empty_class_rows(x.shape(), dtype);
  const auto run = dtype == DType::float32 ? backward_rows<float> : backward_rows<double>;
  run(x, targets, options, gradient, state, dx);
  return dx;
}

CrossEntropyResult soft_cross_entropy_forward(const Array& logits, const ClassLoss& options) {
  const DType dtype = logits.dtype();
  const ClassTargets targets("cross_entropy", logits.shape(), dtype, options,
                             ClassTargets::Kind::probabilities);
  const Array x = class_rows(logits);
  CrossEntropyResult r = empty_result(targets, dtype);
  const auto run = dtype == DType::float32 ? soft_forward_rows<float> : soft_forward_rows<double>;
  const Sums sums = run(x, targets, options.label_smoothing, r.loss, r.log_sum_exp);
  r.total_weight = static_cast<double>(targets.rows());
  r.loss = reduce_rows(targets.reduction(), r.loss, sums.loss, r.total_weight, dtype);
  return r;
}

Array soft_cross_entropy_backward(const Array& dloss, const Array& logits, const Array& log_sum_exp,
                                  const ClassLoss& options, bool of_target) {
  const char* op = "cross_entropy";
  const DType dtype = logits.dtype();
  const ClassTargets targets(op, logits.shape(), dtype, options, ClassTargets::Kind::probabilities);
  const RowLossGradient gradient(op, dloss, targets.reduction(), targets.loss_shape(), dtype,
                                 static_cast<double>(targets.rows()));
  const Array state = checked_state(op, log_sum_exp, targets, dtype);
  const Array x = class_rows(logits);
  Array out = empty_class_rows(x.shape(), dtype);
  const auto run = dtype == DType::float32 ? soft_backward_rows<float> : soft_backward_rows<double>;
  run(x, targets, options.label_smoothing, gradient, state, out, of_target);
  return out;
}

}  // namespace tilewise
