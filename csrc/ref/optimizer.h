// One step of an optimizer for a range of parameters p with gradients g.
#pragma once

#include <cmath>

#include "base/types.h"

namespace tilewise {

// Stochastic gradient descent with momentum (Sutskever et al. 2013), in PyTorch's form.
struct SgdOptions {
  double lr = 0.01;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;
  bool first_step = false;  // the momentum buffers become the gradients
};

// Adam (Kingma and Ba 2015); AdamW (Loshchilov and Hutter 2019) where the decay is decoupled;
// AMSGrad (Reddi et al. 2018) where a running maximum is given.
struct AdamOptions {
  index_t step = 1;  // 1 in the first call
  double lr = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;
  bool maximize = false;
};

namespace ref {

//   g <- g + weight_decay p        b <- momentum b + (1 - dampening) g
//   p <- p - lr b                  or, with Nesterov's, p - lr (g + momentum b)
template <typename T>
void sgd(T* p, const T* g, T* buffer, index_t count, const SgdOptions& o) {
  for (index_t i = 0; i < count; ++i) {
    double step = (o.maximize ? -g[i] : g[i]) + o.weight_decay * p[i];
    if (buffer) {
      const double b = o.first_step ? step : o.momentum * buffer[i] + (1 - o.dampening) * step;
      buffer[i] = static_cast<T>(b);
      step = o.nesterov ? step + o.momentum * b : b;
    }
    p[i] = static_cast<T>(p[i] - o.lr * step);
  }
}

//   m <- beta1 m + (1 - beta1) g   v <- beta2 v + (1 - beta2) g^2
//   p <- p - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)
//
// Weight decay adds weight_decay p to g first or, decoupled, shrinks p by 1 - lr weight_decay.
template <typename T>
void adam(T* p, const T* g, T* m, T* v, T* v_max, index_t count, const AdamOptions& o) {
  const double t = static_cast<double>(o.step);
  const double step_size = o.lr / (1 - std::pow(o.beta1, t));
  const double correction = std::sqrt(1 - std::pow(o.beta2, t));
  for (index_t i = 0; i < count; ++i) {
    double grad = o.maximize ? -g[i] : g[i];
    double value = p[i];
    if (o.decoupled) {
      value *= 1 - o.lr * o.weight_decay;
    } else {
      grad += o.weight_decay * value;
    }
    m[i] = static_cast<T>(m[i] + (1 - o.beta1) * (grad - m[i]));
    v[i] = static_cast<T>(o.beta2 * v[i] + (1 - o.beta2) * grad * grad);
    double second = v[i];
    if (v_max) {
      if (v_max[i] > second) second = v_max[i];
      v_max[i] = static_cast<T>(second);
    }
    p[i] = static_cast<T>(value - step_size * m[i] / (std::sqrt(second) / correction + o.eps));
  }
}

template <typename T>
double sum_squares(const T* x, index_t count) {
  double sum = 0;
  for (index_t i = 0; i < count; ++i) sum += double{x[i]} * double{x[i]};
  return sum;
}

}  // namespace ref
}  // namespace tilewise
