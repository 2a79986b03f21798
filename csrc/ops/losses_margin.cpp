// Hinges over classes; the formulas stand in ref/hinge.h.
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "ops/class_targets.h"
#include "ops/copy.h"
#include "ops/losses_rows.h"

namespace tilewise {
namespace {

// Scores (N, C) with labels of another shape, of no weights for multilabel_margin.
struct MarginProblem {
  MarginProblem(const char* op_name, const Array& input, const MarginLoss& options,
                const Dims& target_shape)
      : op(op_name),
        reduction(parse_reduction(op, options.reduction)),
        margin(options.margin),
        squared(options.squared) {
    TW_CHECK_TYPE(is_floating(input.dtype()), op,
                  ": expected input of dtype float32 or float64, got ", name_of(input.dtype()));
    TW_CHECK(input.rank() == 2 && input.extent(1) > 0, op,
             ": expected input of shape (N, C) or (C,) with C > 0, got ", to_string(input.shape()));
    TW_CHECK_TYPE(options.target.dtype() == DType::int64, op,
                  ": expected target of dtype int64, got ", name_of(options.target.dtype()));
    TW_CHECK(options.target.shape() == target_shape, op, ": expected target of shape ",
             to_string(target_shape), " for input ", to_string(input.shape()), ", got ",
             to_string(options.target.shape()));
    rows = input.extent(0);
    classes = input.extent(1);
    scores = contiguous(input);
    target = contiguous(options.target);
    if (!options.weight.defined()) return;
    const Dims expected{classes};
    TW_CHECK(options.weight.shape() == expected, op, ": expected weight of shape ",
             to_string(expected), " for input ", to_string(input.shape()), ", got ",
             to_string(options.weight.shape()));
    TW_CHECK_TYPE(options.weight.dtype() == input.dtype(), op, ": expected weight of dtype ",
                  name_of(input.dtype()), ", got ", name_of(options.weight.dtype()));
    weight = contiguous(options.weight);
  }

  // Read once, so that a caller that changes it meanwhile cannot make an index out of bounds.
  index_t label(index_t i) const { return target.data<const std::int64_t>()[i]; }
  void check(index_t label) const {
    if (label >= 0 && label < classes) return;
    throw IndexError(concat(op, ": target ", label, " is outside the ", classes, " classes"));
  }
  double factor(index_t label) const {
    return (weight.defined() ? element(weight, label) : 1.0) / static_cast<double>(classes);
  }

  const char* op;
  Reduction reduction;
  double margin;
  bool squared;
  index_t rows = 0;
  index_t classes = 0;
  Array scores;
  Array target;
  Array weight;
};

// loss(x, row) for each row.
template <typename T, typename Loss>
Array forward(const MarginProblem& p, const Loss& loss) {
  const DType dtype = p.scores.dtype();
  Array each = Array::empty({p.rows}, dtype);
  parallel_ranges(p.rows, class_row_grain(p.classes), [&](index_t first, index_t last) {
    for (index_t r = first; r < last; ++r) {
      each.data<T>()[r] = static_cast<T>(loss(p.scores.data<const T>() + r * p.classes, r));
    }
  });
  double sum = 0;
  for (index_t r = 0; r < p.rows; ++r) sum += double{each.data<const T>()[r]};
  return reduce_rows(p.reduction, each, sum, static_cast<double>(p.rows), dtype);
}

// add(x, row, gradient, dx) for each row of zeros.
template <typename T, typename Add>
Array backward(const MarginProblem& p, const Array& dloss, const Add& add) {
  const DType dtype = p.scores.dtype();
  const RowLossGradient gradient(p.op, dloss, p.reduction, Dims{p.rows}, dtype,
                                 static_cast<double>(p.rows));
  Array dx = Array::empty(p.scores.shape(), dtype);
  fill(dx, 0.0);
  parallel_ranges(p.rows, class_row_grain(p.classes), [&](index_t first, index_t last) {
    for (index_t r = first; r < last; ++r) {
      const index_t i = r * p.classes;
      add(p.scores.data<const T>() + i, r, gradient(r), dx.data<T>() + i);
    }
  });
  return dx;
}

// The classes before and after the label.
template <typename T>
double multi_margin_row(const MarginProblem& p, const T* x, index_t row) {
  const index_t y = p.label(row);
  p.check(y);
  const double offset = p.margin - double{x[y]};
  return p.factor(y) * (hinge_sum(x, y, offset, p.squared) +
                        hinge_sum(x + y + 1, p.classes - y - 1, offset, p.squared));
}

template <typename T>
void multi_margin_gradient(const MarginProblem& p, const T* x, index_t row, double gradient,
                           T* dx) {
  const index_t y = p.label(row);
  p.check(y);
  const double offset = p.margin - double{x[y]};
  const double scale = gradient * p.factor(y);
  const double added =
      hinge_gradient(x, y, offset, p.squared, scale, dx) +
      hinge_gradient(x + y + 1, p.classes - y - 1, offset, p.squared, scale, dx + y + 1);
  dx[y] = static_cast<T>(-added);
}

// The labels of a row, and its scores with those of the labels out of every hinge's reach.
template <typename T>
struct Labelled {
  Labelled(const MarginProblem& p, const T* x, index_t row)
      : labels(static_cast<std::size_t>(p.classes)), others(static_cast<std::size_t>(p.classes)) {
    std::copy(x, x + p.classes, others.data());
    for (; count < p.classes; ++count) {
      const index_t y = p.label(row * p.classes + count);
      if (y == -1) break;
      p.check(y);
      labels[static_cast<std::size_t>(count)] = y;
      others[static_cast<std::size_t>(y)] = -std::numeric_limits<T>::infinity();
    }
  }
  index_t label(index_t i) const { return labels.data()[i]; }
  Scratch<index_t> labels;
  Scratch<T> others;
  index_t count = 0;
};

template <typename T>
double multilabel_margin_row(const MarginProblem& p, const T* x, index_t row) {
  const Labelled<T> r(p, x, row);
  double sum = 0;
  for (index_t i = 0; i < r.count; ++i) {
    sum += hinge_sum(r.others.data(), p.classes, 1.0 - double{x[r.label(i)]}, false);
  }
  return sum / static_cast<double>(p.classes);
}

template <typename T>
void multilabel_margin_gradient(const MarginProblem& p, const T* x, index_t row, double gradient,
                                T* dx) {
  const Labelled<T> r(p, x, row);
  const double scale = gradient / static_cast<double>(p.classes);
  for (index_t i = 0; i < r.count; ++i) {
    const index_t y = r.label(i);
    const double added =
        hinge_gradient(r.others.data(), p.classes, 1.0 - double{x[y]}, false, scale, dx);
    dx[y] -= static_cast<T>(added);
  }
}

template <typename Row>
Array forward_of(const MarginProblem& p, const Row& row) {
  if (p.scores.dtype() == DType::float32) return forward<float>(p, row);
  return forward<double>(p, row);
}
template <typename Row>
Array backward_of(const MarginProblem& p, const Array& dloss, const Row& row) {
  if (p.scores.dtype() == DType::float32) return backward<float>(p, dloss, row);
  return backward<double>(p, dloss, row);
}

MarginProblem multi_margin_problem(const Array& scores, const MarginLoss& options) {
  return {"multi_margin_loss", scores, options,
          scores.rank() > 0 ? Dims{scores.extent(0)} : Dims()};
}
MarginProblem multilabel_margin_problem(const Array& scores, const MarginLoss& options) {
  return {"multilabel_margin_loss", scores, options, scores.shape()};
}

}  // namespace

Array multi_margin_loss(const Array& scores, const MarginLoss& options) {
  const MarginProblem p = multi_margin_problem(scores, options);
  return forward_of(p, [&](const auto* x, index_t r) { return multi_margin_row(p, x, r); });
}

Array multi_margin_loss_backward(const Array& dloss, const Array& scores,
                                 const MarginLoss& options) {
  const MarginProblem p = multi_margin_problem(scores, options);
  return backward_of(p, dloss, [&](const auto* x, index_t r, double gradient, auto* dx) {
    multi_margin_gradient(p, x, r, gradient, dx);
  });
}

Array multilabel_margin_loss(const Array& scores, const MarginLoss& options) {
  const MarginProblem p = multilabel_margin_problem(scores, options);
  return forward_of(p, [&](const auto* x, index_t r) { return multilabel_margin_row(p, x, r); });
}

Array multilabel_margin_loss_backward(const Array& dloss, const Array& scores,
                                      const MarginLoss& options) {
  const MarginProblem p = multilabel_margin_problem(scores, options);
  return backward_of(p, dloss, [&](const auto* x, index_t r, double gradient, auto* dx) {
    multilabel_margin_gradient(p, x, r, gradient, dx);
  });
}

}  // namespace tilewise
