#include "ops/class_targets.h"

#include "base/error.h"
#include "ops/copy.h"

namespace tilewise {
namespace {

// (N, C, spatial...) -> (N, spatial...), (C) -> ()
Dims target_shape(const Dims& scores) {
  Dims shape;
  const int axis = scores.size() == 1 ? 0 : 1;
  for (int i = 0; i < scores.size(); ++i) {
    if (i != axis) shape.push_back(scores[i]);
  }
  return shape;
}

Array scalar(double value, DType dtype) {
  Array a = Array::empty({}, dtype);
  fill(a, value);
  return a;
}

}  // namespace

Reduction parse_reduction(const char* op, const std::string& name) {
  if (name == "none") return Reduction::none;
  if (name == "mean") return Reduction::mean;
  TW_CHECK(name == "sum", op, ": expected reduction none, mean or sum, got ", name);
  return Reduction::sum;
}

double element(const Array& a, index_t i) {
  return a.dtype() == DType::float32 ? double{a.data<float>()[i]} : a.data<double>()[i];
}

ClassTargets::ClassTargets(const char* op, const Dims& scores, DType dtype,
                           const ClassLoss& options)
    : op_(op),
      dtype_(dtype),
      ignore_index_(options.ignore_index),
      reduction_(parse_reduction(op, options.reduction)) {
  TW_CHECK_TYPE(is_floating(dtype), op, ": expected floating scores, got ", name_of(dtype));
  TW_CHECK(!scores.empty(), op, ": expected scores (N, C, spatial...) or (C,), got a scalar");
  const Dims shape = target_shape(scores);
  classes_ = scores[scores.size() == 1 ? 0 : 1];
  TW_CHECK_TYPE(options.target.dtype() == DType::int64, op, ": expected int64 labels, got ",
                name_of(options.target.dtype()));
  TW_CHECK(options.target.shape() == shape, op, ": expected labels of shape ", to_string(shape),
           " for scores of shape ", to_string(scores), ", got ", to_string(options.target.shape()));
  TW_CHECK(options.label_smoothing >= 0 && options.label_smoothing <= 1, op,
           ": expected label_smoothing between 0 and 1, got ", options.label_smoothing);
  rows_ = element_count(shape);
  target_ = contiguous(options.target);
  weight_sum_ = static_cast<double>(classes_);
  if (!options.weight.defined()) return;
  TW_CHECK(options.weight.rank() == 1 && options.weight.extent(0) == classes_, op,
           ": expected weight of shape (", classes_, ",) for scores of shape ", to_string(scores),
           ", got ", to_string(options.weight.shape()));
  TW_CHECK_TYPE(options.weight.dtype() == dtype, op, ": expected weight of dtype ", name_of(dtype),
                ", got ", name_of(options.weight.dtype()));
  weight_ = contiguous(options.weight);
  weight_sum_ = 0;
  for (index_t c = 0; c < classes_; ++c) weight_sum_ += element(weight_, c);
}

index_t ClassTargets::label(index_t row) const {
  const index_t label = target_.data<std::int64_t>()[row];
  if (label == ignore_index_) return -1;
  if (label < 0 || label >= classes_) {
    throw IndexError(concat(op_, ": target ", label, " is outside the ", classes_, " classes"));
  }
  return label;
}

double ClassTargets::weight_of(index_t label) const {
  return weight_.defined() ? element(weight_, label) : 1.0;
}

Array ClassTargets::empty_losses() const { return Array::empty(target_.shape(), dtype_); }

Array ClassTargets::reduce(const Array& each, double loss_sum, double total_weight) const {
  switch (reduction_) {
    case Reduction::none:
      return each;
    case Reduction::mean:
      return scalar(loss_sum / total_weight, dtype_);  // NaN where every row is ignored
    case Reduction::sum:
      break;
  }
  return scalar(loss_sum, dtype_);
}

void ClassTargets::check_gradient(const Array& dloss, const Array& total_weight) const {
  const Dims expected = reduction_ == Reduction::none ? target_.shape() : Dims();
  TW_CHECK(dloss.shape() == expected, op_, ": expected a gradient of shape ", to_string(expected),
           ", got ", to_string(dloss.shape()));
  TW_CHECK_TYPE(dloss.dtype() == dtype_ && total_weight.dtype() == dtype_, op_,
                ": expected a gradient and a total weight of dtype ", name_of(dtype_), ", got ",
                name_of(dloss.dtype()), " and ", name_of(total_weight.dtype()));
  TW_CHECK(total_weight.size() == 1, op_, ": expected a total weight of one element, got shape ",
           to_string(total_weight.shape()));
}

double ClassTargets::gradient(const Array& dloss, const Array& total_weight, index_t row) const {
  switch (reduction_) {
    case Reduction::none:
      return element(dloss, row);
    case Reduction::mean:
      return element(dloss, 0) / element(total_weight, 0);
    case Reduction::sum:
      break;
  }
  return element(dloss, 0);
}

}  // namespace tilewise
