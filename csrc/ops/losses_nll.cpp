// loss = -w_t x_t: one score a row is read, in whichever dense layout the input has.
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "ops/class_targets.h"
#include "ops/copy.h"

namespace tilewise {
namespace {

// Where the score of a label lies: rows are samples, each of `inner` positions.
struct ScoreLayout {
  explicit ScoreLayout(const Array& x) {
    if (x.rank() < 2) return;
    const bool channels_last = x.is_channels_last();
    classes = x.extent(1);
    inner = x.extent(0) > 0 && classes > 0 ? x.size() / x.extent(0) / classes : 1;
    position = channels_last ? classes : 1;
    label = channels_last ? 1 : inner;
  }
  index_t at(index_t row, index_t of_label) const {
    return row / inner * classes * inner + row % inner * position + of_label * label;
  }
  index_t classes = 0;
  index_t inner = 1;
  index_t position = 0;
  index_t label = 1;
};

constexpr index_t grain = 4096;

template <typename T>
void forward_rows(const Array& x, const ClassTargets& targets, const Array& each, double& loss,
                  double& weight) {
  struct Sums {
    double loss = 0;
    double weight = 0;
  };
  const ScoreLayout layout(x);
  std::vector<Sums> pieces(static_cast<std::size_t>(ceil_div(targets.rows(), grain)));
  parallel_ranges(targets.rows(), grain, [&](index_t first, index_t last) {
    Sums sums;
    for (index_t r = first; r < last; ++r) {
      const index_t label = targets.label(r);
      double term = 0;
      if (label >= 0) {
        const double w = targets.weight_of(label);
        term = -w * double{x.data<const T>()[layout.at(r, label)]};
        sums.weight += w;
      }
      sums.loss += term;
      if (each.defined()) each.data<T>()[r] = static_cast<T>(term);
    }
    pieces[static_cast<std::size_t>(first / grain)] = sums;
  });
  for (const Sums& piece : pieces) {
    loss += piece.loss;
    weight += piece.weight;
  }
}

template <typename T>
void backward_rows(const ClassTargets& targets, const RowLossGradient& gradient, const Array& dx) {
  const ScoreLayout layout(dx);
  parallel_ranges(targets.rows(), grain, [&](index_t first, index_t last) {
    for (index_t r = first; r < last; ++r) {
      const index_t label = targets.label(r);
      if (label < 0) continue;
      dx.data<T>()[layout.at(r, label)] = static_cast<T>(-targets.weight_of(label) * gradient(r));
    }
  });
}

}  // namespace

NllResult nll_loss_forward(const Array& log_probs, const ClassLoss& options) {
  const DType dtype = log_probs.dtype();
  const ClassTargets targets("nll_loss", log_probs.shape(), dtype, options);
  const Array x = dense(log_probs);
  NllResult r;
  if (targets.reduction() == Reduction::none) r.loss = Array::empty(targets.loss_shape(), dtype);
  double loss = 0;
  const auto run = dtype == DType::float32 ? forward_rows<float> : forward_rows<double>;
  run(x, targets, r.loss, loss, r.total_weight);
  r.loss = reduce_rows(targets.reduction(), r.loss, loss, r.total_weight, dtype);
  return r;
}

Array nll_loss_backward(const Array& dloss, const Dims& input_shape, double total_weight,
                        const ClassLoss& options) {
  const char* op = "nll_loss";
  for (const index_t extent : input_shape) {
    TW_CHECK(extent >= 0, op, ": expected sizes >= 0 in the input shape, got ",
             to_string(input_shape));
  }
  const DType dtype = dloss.dtype();
  const ClassTargets targets(op, input_shape, dtype, options);
  const RowLossGradient gradient(op, dloss, targets.reduction(), targets.loss_shape(), dtype,
                                 total_weight);
  Array dx = empty_class_rows(input_shape, dtype);
  fill(dx, 0.0);
  const auto run = dtype == DType::float32 ? backward_rows<float> : backward_rows<double>;
  run(targets, gradient, dx);
  return dx;
}

}  // namespace tilewise
