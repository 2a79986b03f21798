// Forward runs a row's kernel on tiles that stay in L1, multiplies them by the weights and adds
// them up: one pass over the operands, and nothing of their size is written for a sum or a mean.
// The sum of a tile goes to the double of its piece, and the pieces are added in order.
#include "ops/losses_pointwise.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/error.h"
#include "base/memory.h"
#include "kernels/loss_pointwise.h"
#include "kernels/reduce.h"
#include "ops/class_targets.h"
#include "ops/copy.h"
#include "ops/loop_nest.h"
#include "ops/operand.h"
#include "ops/reduce.h"
#include "ref/loss_pointwise.h"

namespace tilewise {
namespace {

constexpr index_t tile = 2048;
// Public names; a loss may have several.
struct Name {
  const char* loss;
  PointwiseLoss row;
  const char* op;           // for messages
  bool same_shape = false;  // of input and target: nothing broadcasts by mistake
};
constexpr Name names[] = {
    {"mse_loss", PointwiseLoss::mse, "mse_loss"},
    {"l1_loss", PointwiseLoss::l1, "l1_loss"},
    {"huber_loss", PointwiseLoss::huber, "huber_loss"},
    {"smooth_l1_loss", PointwiseLoss::huber, "smooth_l1_loss"},
    {"binary_cross_entropy", PointwiseLoss::bce, "binary_cross_entropy", true},
    {"binary_cross_entropy_with_logits", PointwiseLoss::bce_with_logits,
     "binary_cross_entropy_with_logits", true},
    {"multilabel_soft_margin_loss", PointwiseLoss::bce_with_logits, "multilabel_soft_margin_loss"},
    {"kl_div", PointwiseLoss::kl_div, "kl_div"},
    {"kl_div_log", PointwiseLoss::kl_div_log, "kl_div"},
    {"hinge_embedding_loss", PointwiseLoss::hinge_embedding, "hinge_embedding_loss"},
    {"cosine_embedding_loss", PointwiseLoss::cosine_embedding, "cosine_embedding_loss"},
    {"soft_margin_loss", PointwiseLoss::soft_margin, "soft_margin_loss"},
    {"margin_ranking_loss", PointwiseLoss::margin_ranking, "margin_ranking_loss"},
    {"poisson_nll_loss", PointwiseLoss::poisson_nll, "poisson_nll_loss"},
    {"poisson_nll_loss_log", PointwiseLoss::poisson_nll_log, "poisson_nll_loss"},
    {"gaussian_nll_loss", PointwiseLoss::gaussian_nll, "gaussian_nll_loss"},
    {"sigmoid_focal_loss", PointwiseLoss::sigmoid_focal, "sigmoid_focal_loss", true},
};

const Name& named(const std::string& loss) {
  for (const Name& name : names) {
    if (loss == name.loss) return name;
  }
  throw ValueError(concat("pointwise_loss: expected the name of a loss, got ", loss));
}

// The operands in one dtype, with strides along their common shape.
struct Problem {
  enum Slot : std::uint8_t { result, x, t, v, w, g, slots };

  Problem(const PointwiseLossOptions& o, const Array& dy) : Problem(o, dy, named(o.loss)) {}
  Problem(const PointwiseLossOptions& o, const Array& dy, const Name& name)
      : loss(name.row == PointwiseLoss::bce_with_logits && o.other.defined()
                 ? PointwiseLoss::bce_with_pos_weight
                 : name.row),
        op(name.op),
        reduction(parse_reduction(op, o.reduction)),
        dtype(o.input.dtype()) {
    TW_CHECK(!name.same_shape || o.target.shape() == o.input.shape(), op,
             ": expected target of the input's shape ", to_string(o.input.shape()), ", got ",
             to_string(o.target.shape()));
    operand[x] = o.input;
    operand[t] = o.target;
    operand[v] = o.other;
    operand[w] = o.weight;
    for (const Slot slot : {x, t, v, w}) {
      const Array& a = operand[slot];
      if (!a.defined()) continue;
      TW_CHECK_TYPE(is_floating(a.dtype()), op, ": expected floating-point tensors, got ",
                    name_of(a.dtype()), " ", to_string(a.shape()));
      dtype = promote(dtype, a.dtype());
      shape = slot == x ? a.shape() : broadcast_shapes(op, shape, a.shape());
    }
    if (dy.defined()) {
      const Dims expected = reduction == Reduction::none ? shape : Dims();
      TW_CHECK(dy.shape() == expected, op, ": expected a gradient of shape ", to_string(expected),
               ", got ", to_string(dy.shape()));
      if (reduction == Reduction::none) operand[g] = dy;
    }
    for (const Array& a : operand) {
      if (!a.defined() || a.shape() != shape || a.is_contiguous()) continue;
      channels_last = channels_last || a.is_channels_last();
    }
    strides[result] = channels_last ? channels_last_strides(shape) : contiguous_strides(shape);
    for (const Slot slot : {x, t, v, w, g}) prepare(slot);
  }

  // Kernels read operands of innermost stride 0 or 1.
  void prepare(Slot slot) {
    strides[slot] = Dims(shape.size(), 0);
    if (!operand[slot].defined()) return;
    operand[slot] = cast(operand[slot], dtype);
    strides[slot] = broadcast_strides(operand[slot], shape);
    if (strides[slot] == strides[result]) return;
    const LoopNest nest(shape, {&strides[result], &strides[slot]});
    if (nest.inner_stride(0) == 1 && nest.inner_stride(1) <= 1) return;
    const Array copy = empty_result();
    copy_into(copy, operand[slot]);
    operand[slot] = copy;
    strides[slot] = copy.strides();
  }

  Array empty_result() const {
    return channels_last ? Array::empty_channels_last(shape, dtype) : Array::empty(shape, dtype);
  }

  // A part of a row of a block; null where there is no such operand.
  template <typename T>
  const T* at(Slot slot, const LoopBlock& b, index_t row, index_t col) const {
    if (!operand[slot].defined()) return nullptr;
    return operand[slot].data<const T>() + b.offset[slot] + row * b.row_stride[slot] +
           col * b.col_stride[slot];
  }

  PointwiseLoss loss;
  const char* op;
  Reduction reduction;
  DType dtype;
  Dims shape;
  bool channels_last = false;
  Array operand[slots];
  Dims strides[slots];
};

double sum_of(const float* x, index_t n) {
  double total = 0;
  reduce_kernels().sum_rows({x, 1, n, n}, &total);
  return total;
}
double sum_of(const double* x, index_t n) {
  double total = 0;
  for (index_t i = 0; i < n; ++i) total += x[i];
  return total;
}

// One column of the table: the float32 kernel and the float64 loop under one name.
struct Part {
  LossKernel LossRow::* kernel;
  ref::LossFunction ref::LossFunctions::* function;
};
constexpr Part value_part{&LossRow::value, &ref::LossFunctions::value};
constexpr Part dx_part{&LossRow::dx, &ref::LossFunctions::dx};
constexpr Part dt_part{&LossRow::dt, &ref::LossFunctions::dt};
constexpr Part dv_part{&LossRow::dv, &ref::LossFunctions::dv};

struct Formula {
  Formula(PointwiseLoss loss, Part part, const PointwiseLossOptions& o, double factor)
      : row(pointwise_loss_kernels().rows[static_cast<int>(loss)]),
        kernel(row.*part.kernel),
        function(ref::pointwise_losses[static_cast<int>(loss)].*part.function),
        parameters{static_cast<float>(o.a), static_cast<float>(o.b), static_cast<float>(o.c),
                   static_cast<float>(factor)},
        constants{o.a, o.b, o.c},
        scale(factor) {}

  void fill(const LossRun<float>& run, float* out) const {
    pointwise_loss_kernels().run(kernel, run, parameters, out);
  }
  void fill(const LossRun<double>& run, double* out) const {
    for (index_t i = 0; i < run.count; ++i) {
      const double v = run.v ? run.v[i * run.v_step] : 1.0;
      out[i] = scale * function({run.x[i * run.x_step], run.t[i * run.t_step], v}, constants);
    }
  }

  // Of the values.
  double sum(const LossRun<float>& run) const {
    return pointwise_loss_kernels().sum(row, run, parameters);
  }
  double sum(const LossRun<double>& run) const {
    double values[tile];
    fill(run, values);
    return sum_of(values, run.count);
  }

  const LossRow& row;
  LossKernel kernel;
  ref::LossFunction function;
  LossParameters parameters;
  ref::LossConstants constants;
  double scale;
};

void multiply(const float* x, const LossFactors<float>& f, float* out, index_t n, bool stream) {
  pointwise_loss_kernels().multiply(x, f, out, n, stream);
}
void multiply(const double* x, const LossFactors<double>& f, double* out, index_t n, bool) {
  for (index_t i = 0; i < n; ++i) {
    out[i] = x[i] * (f.w ? f.w[i * f.w_step] : 1.0) * (f.g ? f.g[i * f.g_step] : 1.0);
  }
}

bool has_domain(PointwiseLoss loss) {
  return loss == PointwiseLoss::bce || loss == PointwiseLoss::gaussian_nll;
}

template <typename T>
bool outside_domain(PointwiseLoss loss, const LossRun<T>& run) {
  for (index_t i = 0; i < run.count; ++i) {
    const bool inside = loss == PointwiseLoss::bce
                            ? run.x[i * run.x_step] >= T(0) && run.x[i * run.x_step] <= T(1)
                            : !(run.v != nullptr && run.v[i * run.v_step] < T(0));
    if (!inside) return true;
  }
  return false;
}

void check_domain(const Problem& p, bool outside) {
  TW_CHECK(!outside, p.op,
           p.loss == PointwiseLoss::bce ? ": expected every element of input between 0 and 1"
                                        : ": expected no negative element in var");
}

template <typename T>
LossRun<T> run_of(const Problem& p, const LoopBlock& b, index_t row, index_t col, index_t n) {
  return {p.at<T>(Problem::x, b, row, col),
          p.at<T>(Problem::t, b, row, col),
          p.at<T>(Problem::v, b, row, col),
          b.col_stride[Problem::x],
          b.col_stride[Problem::t],
          b.col_stride[Problem::v],
          n};
}

// Writes the terms to `out` where it is defined; returns their sum where `sums`.
template <typename T>
double evaluate(const Problem& p, const Formula& formula, const Array& out, bool sums) {
  const LoopNest nest(p.shape, {&p.strides[0], &p.strides[1], &p.strides[2], &p.strides[3],
                                &p.strides[4], &p.strides[5]});
  const bool checked = sums && has_domain(p.loss);
  const bool stream = out.defined() && larger_than_caches(out);
  const bool factors = p.operand[Problem::w].defined() || p.operand[Problem::g].defined();
  Scratch<double> partial(static_cast<std::size_t>(nest.pieces()));
  std::fill(partial.data(), partial.data() + partial.size(), 0.0);
  std::atomic<bool> outside{false};
  nest.parallel_blocks([&](const LoopBlock& b) {
    T buffer[tile];
    for (index_t i = 0; i < b.rows * ceil_div(b.cols, tile); ++i) {
      const index_t row = i % b.rows;
      const index_t col = i / b.rows * tile;
      const index_t n = std::min(tile, b.cols - col);
      const LossRun<T> run = run_of<T>(p, b, row, col, n);
      double total = 0;
      if (!out.defined() && !factors) {
        total = formula.sum(run);
        if (checked && std::isnan(total) && outside_domain(p.loss, run)) outside = true;
      } else {
        T* destination =
            out.defined() ? out.data<T>() + b.offset[0] + row * b.row_stride[0] + col : buffer;
        const bool direct = !factors && !stream;
        T* values = direct ? destination : buffer;
        formula.fill(run, values);
        if (checked && std::isnan(sum_of(values, n)) && outside_domain(p.loss, run)) outside = true;
        if (!direct) {
          const LossFactors<T> f{p.at<T>(Problem::w, b, row, col), p.at<T>(Problem::g, b, row, col),
                                 b.col_stride[Problem::w], b.col_stride[Problem::g]};
          multiply(values, f, destination, n, stream);
        }
        if (sums) total = sum_of(destination, n);
      }
      partial[static_cast<std::size_t>(b.piece)] += total;
    }
  });
  check_domain(p, outside);
  double total = 0;
  for (std::size_t i = 0; i < partial.size(); ++i) total += partial[i];
  return total;
}

double evaluate(const Problem& p, const Formula& formula, const Array& out, bool sums) {
  return p.dtype == DType::float32 ? evaluate<float>(p, formula, out, sums)
                                   : evaluate<double>(p, formula, out, sums);
}

}  // namespace

Array pointwise_loss(const PointwiseLossOptions& options) {
  const Problem p(options, Array());
  const Formula formula(p.loss, value_part, options, 1.0);
  if (p.reduction == Reduction::none) {
    Array y = p.empty_result();
    evaluate(p, formula, y, has_domain(p.loss));
    return y;
  }
  const double total = evaluate(p, formula, Array(), true);
  Array y = Array::empty({}, p.dtype);
  const bool mean = p.reduction == Reduction::mean;
  fill(y, mean ? total / static_cast<double>(element_count(p.shape)) : total);  // 0 / 0 is NaN
  return y;
}

Array pointwise_loss_backward(const Array& dy, const PointwiseLossOptions& options,
                              LossOperand operand) {
  const Problem p(options, dy);
  double scale = p.reduction == Reduction::none ? 1.0 : element(contiguous(dy), 0);
  if (p.reduction == Reduction::mean) scale /= static_cast<double>(element_count(p.shape));
  Part part = dx_part;
  if (operand == LossOperand::other) part = dv_part;
  if (operand == LossOperand::target) {
    const LossRow& row = pointwise_loss_kernels().rows[static_cast<int>(p.loss)];
    part = row.dt != nullptr ? dt_part : dx_part;
    if (row.dt == nullptr) scale = -scale;
  }
  const Formula formula(p.loss, part, options, scale);
  TW_CHECK(formula.kernel != nullptr, p.op, ": expected two operands, got a third");
  Array gradient = p.empty_result();
  evaluate(p, formula, gradient, false);
  const Array& like = operand == LossOperand::input    ? options.input
                      : operand == LossOperand::target ? options.target
                                                       : options.other;
  return cast(sum_to(gradient, like.shape()), like.dtype());
}

}  // namespace tilewise
