// Losses of class labels. Scores are (N, C, spatial...) or (C); targets are int64 labels of shape
// (N, spatial...) or a scalar. A label outside the classes is an IndexError.
#pragma once

#include <string>

#include "base/array.h"

namespace tilewise {

struct ClassLoss {
  Array target;
  Array weight;  // (C), undefined: 1
  index_t ignore_index = -100;
  double label_smoothing = 0;
  std::string reduction = "mean";  // "none", "mean", "sum"
};

struct CrossEntropyResult {
  Array loss;          // scalar, or the target's shape for "none"
  Array log_sum_exp;   // (rows, 2): what backward needs of each row's softmax
  Array total_weight;  // scalar: what "mean" divides by
};

CrossEntropyResult cross_entropy_forward(const Array& logits, const ClassLoss& options);
Array cross_entropy_backward(const Array& dloss, const Array& logits, const Array& log_sum_exp,
                             const Array& total_weight, const ClassLoss& options);

struct NllResult {
  Array loss;
  Array total_weight;
};

// Label smoothing does not apply.
NllResult nll_loss_forward(const Array& log_probs, const ClassLoss& options);
Array nll_loss_backward(const Array& dloss, const Dims& input_shape, const Array& total_weight,
                        const ClassLoss& options);

}  // namespace tilewise
