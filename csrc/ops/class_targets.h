// What the losses over classes share: checks, labels, weights and reductions.
#pragma once

#include "ops/losses.h"

namespace tilewise {

enum class Reduction { none, mean, sum };
Reduction parse_reduction(const char* op, const std::string& name);

double element(const Array& a, index_t i);  // of a contiguous floating array

// Scores with contiguous rows of classes, and an array for their gradient.
Array class_rows(const Array& scores);
Array empty_class_rows(const Dims& shape, DType dtype);

// Rows worth a piece of work.
index_t class_row_grain(index_t classes);

// The gradient of each row's loss: one number for all, or an element of `dloss` each.
class RowLossGradient {
 public:
  // Checks the gradient's shape, that of the losses or a scalar, and its dtype.
  RowLossGradient(const char* op, const Array& dloss, Reduction reduction, const Dims& losses,
                  DType dtype, double mean_divisor);
  double operator()(index_t row) const { return each_.defined() ? element(each_, row) : common_; }

 private:
  Array each_;
  double common_ = 0;
};

// The scalar, or the losses of the rows as they are.
Array reduce_rows(Reduction reduction, const Array& each, double loss_sum, double mean_divisor,
                  DType dtype);

// (N, C, spatial...) -> (N, spatial...), (C) -> ()
Dims label_shape(const Dims& scores);

// A validated view of the options, for scores of shape `scores` with contiguous rows.
class ClassTargets {
 public:
  enum class Kind { labels, probabilities };
  ClassTargets(const char* op, const Dims& scores, DType dtype, const ClassLoss& options,
               Kind kind = Kind::labels);

  index_t rows() const { return rows_; }
  index_t classes() const { return classes_; }
  Reduction reduction() const { return reduction_; }
  const Dims& loss_shape() const { return loss_shape_; }
  const Array& target() const { return target_; }
  double weight_sum() const { return weight_sum_; }
  template <typename T>
  const T* weights() const {
    return weight_.defined() ? weight_.data<const T>() : nullptr;
  }

  // -1 for an ignored row; throws IndexError for a label outside the classes. Labels are read once,
  // so that a caller that changes them meanwhile cannot make an index out of bounds.
  index_t label(index_t row) const {
    const index_t label = target_.data<const std::int64_t>()[row];
    if (label == ignore_index_) return -1;
    if (label < 0 || label >= classes_) refuse(label);
    return label;
  }
  double weight_of(index_t label) const {
    return weight_.defined() ? element(weight_, label) : 1.0;
  }

 private:
  [[noreturn]] void refuse(index_t label) const;

  const char* op_;
  Array target_;
  Array weight_;
  index_t ignore_index_;
  Reduction reduction_;
  Dims loss_shape_;
  index_t rows_ = 0;
  index_t classes_ = 0;
  double weight_sum_ = 0;
};

}  // namespace tilewise
