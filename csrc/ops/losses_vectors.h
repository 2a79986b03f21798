// Distances and angles between the vectors along the last dimension of two arrays, which broadcast
// against each other; and the overlap of masks.
#pragma once

#include "base/array.h"

namespace tilewise {

// |a - b + eps|_p without the last dimension; p may be 0 or infinite.
Array pairwise_distance(const Array& a, const Array& b, double p, double eps);
// The gradient of a, or of b, given the distances y.
Array pairwise_distance_backward(const Array& dy, const Array& a, const Array& b, const Array& y,
                                 double p, double eps, bool of_b);

// Norms are not below eps; or, where `inside_root`, eps is added to their squares.
struct CosineOptions {
  double eps = 1e-8;
  bool inside_root = false;
};
Array cosine_similarity(const Array& a, const Array& b, const CosineOptions& options);
Array cosine_similarity_backward(const Array& dy, const Array& a, const Array& b,
                                 const CosineOptions& options, bool of_b);

// Of (N, C, ...): 1 - Dice of each sample and class, (N, C). The target has the input's shape and
// dtype, or int64 labels (N, ...).
struct DiceOptions {
  double eps = 1e-6;
  bool squared = true;
};
struct DiceResult {
  Array loss;  // (N, C)
  Array sums;  // (N, C, 2), float64: what backward needs
};
DiceResult dice_loss(const Array& input, const Array& target, const DiceOptions& options);
Array dice_loss_backward(const Array& dloss, const Array& input, const Array& target,
                         const Array& sums, const DiceOptions& options, bool of_target);

}  // namespace tilewise
