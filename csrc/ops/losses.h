// Losses over classes. Scores are (N, C, spatial...) or (C); labels are int64 of shape
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
  double focal_gamma = 0;          // labels only, without smoothing
};

struct CrossEntropyResult {
  Array loss;               // scalar, or the labels' shape for "none"
  Array log_sum_exp;        // (2, rows): what backward needs of each row's softmax
  double total_weight = 0;  // what "mean" divides by
};

CrossEntropyResult cross_entropy_forward(const Array& logits, const ClassLoss& options);
Array cross_entropy_backward(const Array& dloss, const Array& logits, const Array& log_sum_exp,
                             double total_weight, const ClassLoss& options);

// The target is a probability for each class, of the shape and dtype of the logits. Nothing is
// ignored; "mean" divides by the number of rows.
CrossEntropyResult soft_cross_entropy_forward(const Array& logits, const ClassLoss& options);
// The gradient of the logits, or of the target.
Array soft_cross_entropy_backward(const Array& dloss, const Array& logits, const Array& log_sum_exp,
                                  const ClassLoss& options, bool of_target);

struct NllResult {
  Array loss;
  double total_weight = 0;
};

// Label smoothing does not apply.
NllResult nll_loss_forward(const Array& log_probs, const ClassLoss& options);
Array nll_loss_backward(const Array& dloss, const Dims& input_shape, double total_weight,
                        const ClassLoss& options);

// Hinges. Scores are (N, C); labels (N,) for multi_margin, (N, C) and ended by -1 for
// multilabel_margin. "mean" divides by N.
struct MarginLoss {
  Array target;
  Array weight;  // (C), undefined: 1
  double margin = 1;
  bool squared = false;
  std::string reduction = "mean";
};

Array multi_margin_loss(const Array& scores, const MarginLoss& options);
Array multi_margin_loss_backward(const Array& dloss, const Array& scores,
                                 const MarginLoss& options);
// The target alone and the reduction apply.
Array multilabel_margin_loss(const Array& scores, const MarginLoss& options);
Array multilabel_margin_loss_backward(const Array& dloss, const Array& scores,
                                      const MarginLoss& options);

}  // namespace tilewise
