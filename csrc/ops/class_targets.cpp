#include "ops/class_targets.h"

#include <algorithm>

#include "base/error.h"
#include "base/threads.h"
#include "ops/copy.h"

namespace tilewise {

Reduction parse_reduction(const char* op, const std::string& name) {
  if (name == "none") return Reduction::none;
  if (name == "mean") return Reduction::mean;
  TW_CHECK(name == "sum", op, ": expected reduction none, mean or sum, got ", name);
  return Reduction::sum;
}

double element(const Array& a, index_t i) {
  return a.dtype() == DType::float32 ? double{a.data<float>()[i]} : a.data<double>()[i];
}

Array class_rows(const Array& scores) {
  return scores.rank() >= 3 ? channels_last(scores) : contiguous(scores);
}

Array empty_class_rows(const Dims& shape, DType dtype) {
  return shape.size() >= 3 ? Array::empty_channels_last(shape, dtype) : Array::empty(shape, dtype);
}

index_t class_row_grain(index_t classes) {
  return std::max<index_t>(1, elementwise_grain / 8 / std::max<index_t>(1, classes));
}

Dims label_shape(const Dims& scores) {
  Dims shape;
  const int axis = scores.size() == 1 ? 0 : 1;
  for (int i = 0; i < scores.size(); ++i) {
    if (i != axis) shape.push_back(scores[i]);
  }
  return shape;
}

RowLossGradient::RowLossGradient(const char* op, const Array& dloss, Reduction reduction,
                                 const Dims& losses, DType dtype, double mean_divisor) {
  const Dims expected = reduction == Reduction::none ? losses : Dims();
  TW_CHECK(dloss.shape() == expected, op, ": expected a gradient of shape ", to_string(expected),
           ", got ", to_string(dloss.shape()));
  TW_CHECK_TYPE(dloss.dtype() == dtype, op, ": expected a gradient of dtype ", name_of(dtype),
                ", got ", name_of(dloss.dtype()));
  const Array gradient = contiguous(dloss);
  if (reduction == Reduction::none) {
    each_ = gradient;
  } else {
    common_ = element(gradient, 0) / (reduction == Reduction::mean ? mean_divisor : 1.0);
  }
}

Array reduce_rows(Reduction reduction, const Array& each, double loss_sum, double mean_divisor,
                  DType dtype) {
  if (reduction == Reduction::none) return each;
  Array loss = Array::empty({}, dtype);
  // NaN for a mean of nothing.
  fill(loss, reduction == Reduction::mean ? loss_sum / mean_divisor : loss_sum);
  return loss;
}

ClassTargets::ClassTargets(const char* op, const Dims& scores, DType dtype,
                           const ClassLoss& options, Kind kind)
    : op_(op),
      ignore_index_(options.ignore_index),
      reduction_(parse_reduction(op, options.reduction)) {
  TW_CHECK_TYPE(is_floating(dtype), op, ": expected input of dtype float32 or float64, got ",
                name_of(dtype));
  TW_CHECK(!scores.empty(), op, ": expected input of shape (N, C, ...) or (C,), got a scalar");
  loss_shape_ = label_shape(scores);
  classes_ = scores[scores.size() == 1 ? 0 : 1];
  TW_CHECK(classes_ > 0, op, ": expected at least one class, got input ", to_string(scores));
  const bool labels = kind == Kind::labels;
  const DType wanted = labels ? DType::int64 : dtype;
  const Dims& shape = labels ? loss_shape_ : scores;
  TW_CHECK_TYPE(options.target.dtype() == wanted, op, ": expected target of dtype ",
                name_of(wanted), ", got ", name_of(options.target.dtype()));
  TW_CHECK(options.target.shape() == shape, op, ": expected target of shape ", to_string(shape),
           " for input ", to_string(scores), ", got ", to_string(options.target.shape()));
  TW_CHECK(options.label_smoothing >= 0 && options.label_smoothing <= 1, op,
           ": expected label_smoothing between 0 and 1, got ", options.label_smoothing);
  rows_ = element_count(loss_shape_);
  target_ = labels ? contiguous(options.target) : class_rows(options.target);
  weight_sum_ = static_cast<double>(classes_);
  if (!options.weight.defined()) return;
  TW_CHECK(options.weight.rank() == 1 && options.weight.extent(0) == classes_, op,
           ": expected weight of shape (", classes_, ",) for input ", to_string(scores), ", got ",
           to_string(options.weight.shape()));
  TW_CHECK_TYPE(options.weight.dtype() == dtype, op, ": expected weight of dtype ", name_of(dtype),
                ", got ", name_of(options.weight.dtype()));
  weight_ = contiguous(options.weight);
  weight_sum_ = 0;
  for (index_t c = 0; c < classes_; ++c) weight_sum_ += element(weight_, c);
}

void ClassTargets::refuse(index_t label) const {
  throw IndexError(concat(op_, ": target ", label, " is outside the ", classes_, " classes"));
}

}  // namespace tilewise
