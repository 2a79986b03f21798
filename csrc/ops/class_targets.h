// What the losses of class labels share: checks, labels, weights and reductions.
#pragma once

#include "ops/losses.h"

namespace tilewise {

enum class Reduction { none, mean, sum };
Reduction parse_reduction(const char* op, const std::string& name);

// A validated view of the options, for scores of shape `scores` with channels-last rows.
class ClassTargets {
 public:
  ClassTargets(const char* op, const Dims& scores, DType dtype, const ClassLoss& options);

  index_t rows() const { return rows_; }
  index_t classes() const { return classes_; }
  Reduction reduction() const { return reduction_; }
  const Array& weight() const { return weight_; }
  double weight_sum() const { return weight_sum_; }

  // -1 for an ignored row; throws IndexError for a label outside the classes. Labels are read once,
  // so that a caller that changes them meanwhile cannot make an index out of bounds.
  index_t label(index_t row) const;
  double weight_of(index_t label) const;

  // The reduction of per-row losses, given their sum and that of their weights.
  Array reduce(const Array& each, double loss_sum, double total_weight) const;
  Array empty_losses() const;  // one a row, in the target's shape

  void check_gradient(const Array& dloss, const Array& total_weight) const;
  // The gradient of each row's loss.
  double gradient(const Array& dloss, const Array& total_weight, index_t row) const;

 private:
  const char* op_;
  Array target_;
  Array weight_;
  DType dtype_;
  index_t ignore_index_;
  Reduction reduction_;
  index_t rows_ = 0;
  index_t classes_ = 0;
  double weight_sum_ = 0;
};

double element(const Array& a, index_t i);  // of a contiguous floating array

}  // namespace tilewise
