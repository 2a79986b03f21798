// Cross entropy is softmax and its loss in one: forward keeps two numbers a row, from which
// backward recomputes the softmax.
#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/softmax.h"
#include "ops/class_targets.h"
#include "ops/copy.h"
#include "ref/cross_entropy.h"

namespace tilewise {
namespace {

// The float32 kernels and the float64 loops under one set of names.
ref::LogSumExp<float> log_sum_exp_of(const float* x, index_t columns) {
  const LogSumExp row = softmax_kernels().log_sum_exp(x, columns);
  return {row.maximum, row.log_sum};
}
ref::LogSumExp<double> log_sum_exp_of(const double* x, index_t columns) {
  return ref::log_sum_exp(x, columns);
}
float gap_of(const float* x, const float* weight, index_t columns, float maximum) {
  return softmax_kernels().weighted_gap(x, weight, columns, maximum);
}
double gap_of(const double* x, const double* weight, index_t columns, double maximum) {
  return ref::weighted_gap(x, weight, columns, maximum);
}

template <typename T>
struct RowGrad {
  ref::LogSumExp<T> row;
  double scale;
  double share;
};
void scaled_softmax_of(const float* x, const float* weight, index_t columns,
                       const RowGrad<float>& g, float* dx) {
  const SoftmaxGrad grad{
      {g.row.maximum, g.row.log_sum}, static_cast<float>(g.scale), static_cast<float>(g.share)};
  softmax_kernels().scaled_softmax(x, weight, columns, grad, dx);
}
void scaled_softmax_of(const double* x, const double* weight, index_t columns,
                       const RowGrad<double>& g, double* dx) {
  ref::scaled_softmax(x, weight, columns, g.row, g.scale, g.share, dx);
}

template <typename T>
const T* weights_of(const ClassTargets& targets) {
  return targets.weight().defined() ? targets.weight().data<T>() : nullptr;
}

index_t row_grain(index_t classes) {
  return std::max<index_t>(1, elementwise_grain / 8 / std::max<index_t>(1, classes));
}

struct Sums {
  double loss = 0;
  double weight = 0;
};

template <typename T>
Sums forward_rows(const Array& x, const ClassTargets& targets, double smoothing, const Array& each,
                  const Array& state) {
  const index_t classes = targets.classes();
  const T* weight = weights_of<T>(targets);
  const index_t grain = row_grain(classes);
  std::vector<Sums> sums(static_cast<std::size_t>(ceil_div(targets.rows(), grain)));
  parallel_ranges(targets.rows(), grain, [&](index_t first, index_t last) {
    Sums& sum = sums[static_cast<std::size_t>(first / grain)];
    for (index_t r = first; r < last; ++r) {
      const index_t label = targets.label(r);
      T* kept = state.data<T>() + 2 * r;
      double loss = 0;
      if (label < 0) {
        kept[0] = kept[1] = T(0);
      } else {
        const T* scores = x.data<T>() + r * classes;
        const ref::LogSumExp<T> row = log_sum_exp_of(scores, classes);
        kept[0] = row.maximum;
        kept[1] = row.log_sum;
        const double w = targets.weight_of(label);
        loss = (1 - smoothing) * w *
               (double{row.maximum} - double{scores[label]} + double{row.log_sum});
        if (smoothing > 0) {
          const double gap = gap_of(scores, weight, classes, row.maximum);
          loss += smoothing / static_cast<double>(classes) *
                  (gap + targets.weight_sum() * double{row.log_sum});
        }
        sum.weight += w;
      }
      sum.loss += loss;
      if (each.defined()) each.data<T>()[r] = static_cast<T>(loss);
    }
  });
  Sums total;
  for (const Sums& sum : sums) {
    total.loss += sum.loss;
    total.weight += sum.weight;
  }
  return total;
}

struct Backward {
  const ClassTargets& targets;
  const Array& x;
  const Array& state;
  const Array& dloss;
  const Array& total_weight;
  double smoothing;
};

template <typename T>
void backward_rows(const Backward& b, const Array& dx) {
  const index_t classes = b.targets.classes();
  const T* weight = weights_of<T>(b.targets);
  parallel_ranges(b.targets.rows(), row_grain(classes), [&](index_t first, index_t last) {
    for (index_t r = first; r < last; ++r) {
      const index_t label = b.targets.label(r);
      T* out = dx.data<T>() + r * classes;
      if (label < 0) {
        std::fill(out, out + classes, T(0));
        continue;
      }
      const double g = b.targets.gradient(b.dloss, b.total_weight, r);
      const double hit = g * (1 - b.smoothing) * b.targets.weight_of(label);
      const double share = g * b.smoothing / static_cast<double>(classes);
      const T* kept = b.state.data<T>() + 2 * r;
      const RowGrad<T> grad{{kept[0], kept[1]}, hit + share * b.targets.weight_sum(), share};
      scaled_softmax_of(b.x.data<T>() + r * classes, weight, classes, grad, out);
      out[label] -= static_cast<T>(hit);
    }
  });
}

Array rows_of(const Array& scores) {
  return scores.rank() >= 3 ? channels_last(scores) : contiguous(scores);
}

Array empty_rows(const Dims& shape, DType dtype) {
  return shape.size() >= 3 ? Array::empty_channels_last(shape, dtype) : Array::empty(shape, dtype);
}

}  // namespace

CrossEntropyResult cross_entropy_forward(const Array& logits, const ClassLoss& options) {
  const ClassTargets targets("cross_entropy", logits.shape(), logits.dtype(), options);
  const DType dtype = logits.dtype();
  const Array x = rows_of(logits);
  CrossEntropyResult r;
  r.log_sum_exp = Array::empty({targets.rows(), 2}, dtype);
  Array each;
  if (targets.reduction() == Reduction::none) each = targets.empty_losses();
  const Sums sums =
      dtype == DType::float32
          ? forward_rows<float>(x, targets, options.label_smoothing, each, r.log_sum_exp)
          : forward_rows<double>(x, targets, options.label_smoothing, each, r.log_sum_exp);
  r.loss = targets.reduce(each, sums.loss, sums.weight);
  r.total_weight = Array::empty({}, dtype);
  fill(r.total_weight, sums.weight);
  return r;
}

Array cross_entropy_backward(const Array& grad_loss, const Array& logits, const Array& log_sum_exp,
                             const Array& total_weight, const ClassLoss& options) {
  const char* op = "cross_entropy_backward";
  const ClassTargets targets(op, logits.shape(), logits.dtype(), options);
  const Array dloss = contiguous(grad_loss);
  targets.check_gradient(dloss, total_weight);
  const Dims expected{targets.rows(), 2};
  TW_CHECK(log_sum_exp.shape() == expected && log_sum_exp.dtype() == logits.dtype(), op,
           ": expected log_sum_exp of shape ", to_string(expected), " and dtype ",
           name_of(logits.dtype()), ", got ", to_string(log_sum_exp.shape()), " and ",
           name_of(log_sum_exp.dtype()));
  const Array x = rows_of(logits);
  Array dx = empty_rows(x.shape(), x.dtype());
  const Array state = contiguous(log_sum_exp);
  const Backward b{targets, x, state, dloss, total_weight, options.label_smoothing};
  if (x.dtype() == DType::float32) {
    backward_rows<float>(b, dx);
  } else {
    backward_rows<double>(b, dx);
  }
  return dx;
}

namespace {

template <typename T>
Sums nll_rows(const Array& x, const ClassTargets& targets, const Array& each) {
  Sums sums;
  for (index_t r = 0; r < targets.rows(); ++r) {
    const index_t label = targets.label(r);
    double loss = 0;
    if (label >= 0) {
      const double w = targets.weight_of(label);
      loss = -w * double{x.data<T>()[r * targets.classes() + label]};
      sums.weight += w;
    }
    sums.loss += loss;
    if (each.defined()) each.data<T>()[r] = static_cast<T>(loss);
  }
  return sums;
}

}  // namespace

// loss = -w_t x_t
NllResult nll_loss_forward(const Array& log_probs, const ClassLoss& options) {
  const ClassTargets targets("nll_loss", log_probs.shape(), log_probs.dtype(), options);
  const Array x = rows_of(log_probs);
  Array each;
  if (targets.reduction() == Reduction::none) each = targets.empty_losses();
  const Sums sums = x.dtype() == DType::float32 ? nll_rows<float>(x, targets, each)
                                                : nll_rows<double>(x, targets, each);
  NllResult r{targets.reduce(each, sums.loss, sums.weight), Array::empty({}, x.dtype())};
  fill(r.total_weight, sums.weight);
  return r;
}

Array nll_loss_backward(const Array& grad_loss, const Dims& input_shape, const Array& total_weight,
                        const ClassLoss& options) {
  const char* op = "nll_loss_backward";
  for (const index_t extent : input_shape) {
    TW_CHECK(extent >= 0, op, ": expected sizes >= 0 in the input shape, got ",
             to_string(input_shape));
  }
  const Array dloss = contiguous(grad_loss);
  const ClassTargets targets(op, input_shape, dloss.dtype(), options);
  targets.check_gradient(dloss, total_weight);
  Array dx = empty_rows(input_shape, dloss.dtype());
  fill(dx, 0.0);
  for (index_t r = 0; r < targets.rows(); ++r) {
    const index_t label = targets.label(r);
    if (label < 0) continue;
    const double d = -targets.weight_of(label) * targets.gradient(dloss, total_weight, r);
    const index_t i = r * targets.classes() + label;
    if (dx.dtype() == DType::float32) {
      dx.data<float>()[i] = static_cast<float>(d);
    } else {
      dx.data<double>()[i] = d;
    }
  }
  return dx;
}

}  // namespace tilewise
