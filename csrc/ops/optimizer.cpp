// All tensors of a call are cut into pieces of one flat table: small ones do not cost a wake-up of
// the threads each, and large ones are shared out.
#include "ops/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/optimizer.h"
#include "ops/copy.h"

namespace tilewise {
namespace {

struct Piece {
  std::size_t tensor;
  index_t first;
  index_t count;
};

std::vector<Piece> cut(const ArrayList& arrays) {
  std::vector<Piece> pieces;
  for (std::size_t t = 0; t < arrays.size(); ++t) {
    const index_t size = arrays[t].size();
    for (index_t first = 0; first < size; first += elementwise_grain) {
      pieces.push_back({t, first, std::min(elementwise_grain, size - first)});
    }
  }
  return pieces;
}

template <typename Body>
void for_each_piece(const std::vector<Piece>& pieces, const Body& body) {
  parallel_for(static_cast<index_t>(pieces.size()),
               [&](index_t i) { body(pieces[static_cast<std::size_t>(i)]); });
}

// Arrays that a call writes: worked on in place where contiguous, else through a copy.
class Written {
 public:
  explicit Written(const ArrayList& arrays) : arrays_(arrays) {
    for (const Array& a : arrays) dense_.push_back(contiguous(a));
  }
  bool empty() const { return arrays_.empty(); }
  const ArrayList& dense() const { return dense_; }
  template <typename T>
  T* at(const Piece& piece) const {
    return arrays_.empty() ? nullptr : dense_[piece.tensor].data<T>() + piece.first;
  }
  void finish() const {
    for (std::size_t i = 0; i < arrays_.size(); ++i) {
      if (dense_[i].storage() == arrays_[i].storage()) {
        arrays_[i].storage()->bump_version();
      } else {
        copy_into(arrays_[i], dense_[i]);
      }
    }
  }

 private:
  const ArrayList& arrays_;
  ArrayList dense_;
};

ArrayList all_contiguous(const ArrayList& arrays) {
  ArrayList dense;
  for (const Array& a : arrays) dense.push_back(contiguous(a));
  return dense;
}

void check_floating(const char* op, const ArrayList& arrays) {
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    TW_CHECK_TYPE(is_floating(arrays[i].dtype()), op, ": expected floating tensors, got ",
                  name_of(arrays[i].dtype()), " at position ", i);
  }
}

void check_like(const char* op, const char* name, const ArrayList& arrays,
                const ArrayList& params) {
  TW_CHECK(arrays.size() == params.size(), op, ": expected ", params.size(), " ", name,
           ", one a parameter, got ", arrays.size());
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    TW_CHECK(arrays[i].shape() == params[i].shape(), op, ": expected ", name, "[", i,
             "] of the parameter's shape ", to_string(params[i].shape()), ", got ",
             to_string(arrays[i].shape()));
    TW_CHECK_TYPE(arrays[i].dtype() == params[i].dtype(), op, ": expected ", name, "[", i,
                  "] of the parameter's dtype ", name_of(params[i].dtype()), ", got ",
                  name_of(arrays[i].dtype()));
  }
}

bool is_float32(const Written& w, const Piece& piece) {
  return w.dense()[piece.tensor].dtype() == DType::float32;
}

float f32(double value) { return static_cast<float>(value); }

AdamFactors adam_factors(const AdamOptions& o) {
  const double t = static_cast<double>(o.step);
  return {f32(o.maximize ? -1 : 1),
          f32(o.decoupled ? 0 : o.weight_decay),
          f32(o.decoupled ? 1 - o.lr * o.weight_decay : 1),
          f32(o.beta1),
          f32(1 - o.beta1),
          f32(o.beta2),
          f32(1 - o.beta2),
          f32(1 / std::sqrt(1 - std::pow(o.beta2, t))),
          f32(o.eps),
          f32(o.lr / (1 - std::pow(o.beta1, t)))};
}

}  // namespace

void sgd_step(const ArrayList& params, const ArrayList& grads, const ArrayList& momentum_buffers,
              const SgdOptions& o) {
  check_floating("sgd_step", params);
  check_like("sgd_step", "grads", grads, params);
  TW_CHECK(o.momentum == 0 || !momentum_buffers.empty() || params.empty(),
           "sgd_step: expected momentum_buffers with momentum ", o.momentum);
  if (!momentum_buffers.empty()) {
    check_like("sgd_step", "momentum_buffers", momentum_buffers, params);
  }
  const Written p(params);
  const Written buffer(momentum_buffers);
  const ArrayList g = all_contiguous(grads);
  const SgdFactors factors{f32(o.maximize ? -1 : 1),
                           f32(o.weight_decay),
                           f32(o.momentum),
                           f32(1 - o.dampening),
                           f32(o.lr),
                           o.first_step,
                           o.nesterov};
  const auto kernel = optimizer_kernels().sgd;
  for_each_piece(cut(p.dense()), [&](const Piece& i) {
    if (is_float32(p, i)) {
      const float* grad = g[i.tensor].data<float>() + i.first;
      kernel({p.at<float>(i), grad, buffer.at<float>(i)}, factors, i.count);
    } else {
      const double* grad = g[i.tensor].data<double>() + i.first;
      ref::sgd(p.at<double>(i), grad, buffer.at<double>(i), i.count, o);
    }
  });
  p.finish();
  buffer.finish();
}

void adam_step(const ArrayList& params, const ArrayList& grads, const AdamState& state,
               const AdamOptions& o) {
  check_floating("adam_step", params);
  check_like("adam_step", "grads", grads, params);
  check_like("adam_step", "exp_avg", state.exp_avg, params);
  check_like("adam_step", "exp_avg_sq", state.exp_avg_sq, params);
  if (!state.max_exp_avg_sq.empty()) {
    check_like("adam_step", "max_exp_avg_sq", state.max_exp_avg_sq, params);
  }
  TW_CHECK(o.step >= 1, "adam_step: expected step >= 1, got ", o.step);
  const Written p(params);
  const Written m(state.exp_avg);
  const Written v(state.exp_avg_sq);
  const Written v_max(state.max_exp_avg_sq);
  const ArrayList g = all_contiguous(grads);
  const AdamFactors factors = adam_factors(o);
  const auto kernel = optimizer_kernels().adam;
  for_each_piece(cut(p.dense()), [&](const Piece& i) {
    if (is_float32(p, i)) {
      const float* grad = g[i.tensor].data<float>() + i.first;
      kernel({p.at<float>(i), grad, m.at<float>(i), v.at<float>(i), v_max.at<float>(i)}, factors,
             i.count);
    } else {
      const double* grad = g[i.tensor].data<double>() + i.first;
      ref::adam(p.at<double>(i), grad, m.at<double>(i), v.at<double>(i), v_max.at<double>(i),
                i.count, o);
    }
  });
  for (const Written* written : {&p, &m, &v, &v_max}) written->finish();
}

double norm_squared(const ArrayList& arrays) {
  check_floating("norm_squared", arrays);
  const ArrayList x = all_contiguous(arrays);
  const std::vector<Piece> pieces = cut(x);
  std::vector<double> sums(pieces.size());
  const auto kernel = optimizer_kernels().sum_squares;
  parallel_for(static_cast<index_t>(pieces.size()), [&](index_t i) {
    const Piece& piece = pieces[static_cast<std::size_t>(i)];
    double& sum = sums[static_cast<std::size_t>(i)];
    if (x[piece.tensor].dtype() == DType::float32) {
      const float* values = x[piece.tensor].data<float>() + piece.first;
      sum = kernel(values, piece.count);
      // Squares above 3e38 fit a double.
      if (!std::isfinite(sum)) sum = ref::sum_squares(values, piece.count);
    } else {
      sum = ref::sum_squares(x[piece.tensor].data<double>() + piece.first, piece.count);
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

void scale_arrays(const ArrayList& arrays, double factor) {
  check_floating("scale_", arrays);
  const Written x(arrays);
  const auto kernel = optimizer_kernels().scale;
  for_each_piece(cut(x.dense()), [&](const Piece& i) {
    if (is_float32(x, i)) {
      kernel(x.at<float>(i), f32(factor), i.count);
      return;
    }
    double* values = x.at<double>(i);
    for (index_t j = 0; j < i.count; ++j) values[j] *= factor;
  });
  x.finish();
}

}  // namespace tilewise
