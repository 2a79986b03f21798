// One step of an optimizer for parameters p with gradients g, in place; `s` is what the optimizer
// remembers of each element. In all of them, first:
//
//   g <- sign g + l2 p
#pragma once

#include <algorithm>
#include <cmath>

#include "base/optimizer_factors.h"
#include "base/types.h"

namespace tilewise::ref {

constexpr int most_optimizer_states = 3;

struct OptimizerArrays {
  double* p;
  const double* g;
  double* s[most_optimizer_states];
};

// Stochastic gradient descent with momentum (Sutskever et al. 2013), in PyTorch's form.
//
//   b <- momentum b + (1 - dampening) g
//   p <- p - lr b      or, with Nesterov's, p - lr (g + momentum b)
inline void sgd(const OptimizerArrays& a, const SgdFactors<double>& f, index_t count) {
  double* buffer = a.s[0];
  for (index_t i = 0; i < count; ++i) {
    double step = f.sign * a.g[i] + f.l2 * a.p[i];
    if (buffer) {
      const double g = step;
      buffer[i] = f.first != 0 ? g : f.momentum * buffer[i] + f.one_minus_dampening * g;
      step = f.nesterov != 0 ? g + f.momentum * buffer[i] : buffer[i];
    }
    a.p[i] -= f.lr * step;
  }
}

// Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019), AMSGrad (Reddi et al. 2018) where
// a running maximum v_max is given, NAdam (Dozat 2016), RAdam (Liu et al. 2020).
//
//   m <- beta1 m + (1 - beta1) g      v <- beta2 v + (1 - beta2) g^2
//   p <- shrink p - (step_size m + gradient_share g) / (correction sqrt(v) + eps)
inline void adam(const OptimizerArrays& a, const AdamFactors<double>& f, index_t count) {
  double* m = a.s[0];
  double* v = a.s[1];
  double* v_max = a.s[2];
  for (index_t i = 0; i < count; ++i) {
    const double g = f.sign * a.g[i] + f.l2 * a.p[i];
    m[i] += f.one_minus_beta1 * (g - m[i]);
    v[i] = f.beta2 * v[i] + f.one_minus_beta2 * g * g;
    double second = v[i];
    if (v_max) {
      if (v_max[i] > second || std::isnan(v_max[i])) second = v_max[i];
      v_max[i] = second;
    }
    const double denominator = f.correction * std::sqrt(second) + f.eps;
    a.p[i] = f.shrink * a.p[i] - (f.step_size * m[i] + f.gradient_share * g) / denominator;
  }
}

// Adam with the infinity norm (Kingma and Ba 2015).
//
//   m <- beta1 m + (1 - beta1) g      u <- max(beta2 u, |g| + eps)      p <- p - step_size m / u
inline void adamax(const OptimizerArrays& a, const AdamaxFactors<double>& f, index_t count) {
  double* m = a.s[0];
  double* u = a.s[1];
  for (index_t i = 0; i < count; ++i) {
    const double g = f.sign * a.g[i] + f.l2 * a.p[i];
    m[i] += f.one_minus_beta1 * (g - m[i]);
    const double size = std::abs(g) + f.eps;
    const double kept = f.beta2 * u[i];
    u[i] = kept > size || std::isnan(kept) ? kept : size;
    a.p[i] -= f.step_size * m[i] / u[i];
  }
}

// RMSprop (Hinton 2012; centred: Graves 2013).
//
//   v <- alpha v + (1 - alpha) g^2      centred: c <- alpha c + (1 - alpha) g
//   d = g / (sqrt(v - c^2) + eps)
//   p <- p - lr d                       with momentum: b <- momentum b + d, p <- p - lr b
inline void rmsprop(const OptimizerArrays& a, const RmspropFactors<double>& f, index_t count) {
  double* v = a.s[0];
  double* centre = a.s[1];
  double* buffer = a.s[2];
  for (index_t i = 0; i < count; ++i) {
    const double g = f.sign * a.g[i] + f.l2 * a.p[i];
    v[i] = f.alpha * v[i] + f.one_minus_alpha * g * g;
    double variance = v[i];
    if (centre) {
      centre[i] += f.one_minus_alpha * (g - centre[i]);
      variance -= centre[i] * centre[i];
    }
    double step = g / (std::sqrt(variance) + f.eps);
    if (buffer) {
      buffer[i] = f.momentum * buffer[i] + step;
      step = buffer[i];
    }
    a.p[i] -= f.lr * step;
  }
}

// Adagrad (Duchi et al. 2011): v <- v + g^2, p <- p - lr g / (sqrt(v) + eps).
inline void adagrad(const OptimizerArrays& a, const AdagradFactors<double>& f, index_t count) {
  double* v = a.s[0];
  for (index_t i = 0; i < count; ++i) {
    const double g = f.sign * a.g[i] + f.l2 * a.p[i];
    v[i] += g * g;
    a.p[i] -= f.lr * g / (std::sqrt(v[i]) + f.eps);
  }
}

// Adadelta (Zeiler 2012).
//
//   v <- rho v + (1 - rho) g^2      d = g sqrt(u + eps) / sqrt(v + eps)
//   u <- rho u + (1 - rho) d^2      p <- p - lr d
inline void adadelta(const OptimizerArrays& a, const AdadeltaFactors<double>& f, index_t count) {
  double* v = a.s[0];
  double* u = a.s[1];
  for (index_t i = 0; i < count; ++i) {
    const double g = f.sign * a.g[i] + f.l2 * a.p[i];
    v[i] = f.rho * v[i] + f.one_minus_rho * g * g;
    const double delta = std::sqrt(u[i] + f.eps) / std::sqrt(v[i] + f.eps) * g;
    u[i] = f.rho * u[i] + f.one_minus_rho * delta * delta;
    a.p[i] -= f.lr * delta;
  }
}

inline double sign_of(double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; }  // NaN stays NaN

// Lion (Chen et al. 2023).
//
//   p <- shrink p - lr sign(beta1 m + (1 - beta1) g)      m <- beta2 m + (1 - beta2) g
inline void lion(const OptimizerArrays& a, const LionFactors<double>& f, index_t count) {
  double* m = a.s[0];
  for (index_t i = 0; i < count; ++i) {
    const double g = f.sign * a.g[i];
    a.p[i] = f.shrink * a.p[i] - f.lr * sign_of(f.beta1 * m[i] + f.one_minus_beta1 * g);
    m[i] = f.beta2 * m[i] + f.one_minus_beta2 * g;
  }
}

// LAMB (You et al. 2020): Adam's step d of a whole tensor, as long as the tensor itself.
//
//   m, v as in Adam      d = mean_scale m / (correction sqrt(v) + eps) + weight_decay p
//   p <- p - lr |p| / |d| d      (the ratio is 1 where a norm is 0)
//
// The first pass updates m and v and adds the squares of p and d to `squares`, the second moves p.
inline double lamb_direction(const OptimizerArrays& a, const LambFactors<double>& f, index_t i) {
  // The op has checked that both states are there.
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
  const double denominator = f.correction * std::sqrt(a.s[1][i]) + f.eps;
  return f.mean_scale * a.s[0][i] / denominator + f.weight_decay * a.p[i];
}
inline void lamb_average(const OptimizerArrays& a, const LambFactors<double>& f, index_t count,
                         double* squares) {
  double* m = a.s[0];
  double* v = a.s[1];
  for (index_t i = 0; i < count; ++i) {
    const double g = f.sign * a.g[i];
    m[i] += f.one_minus_beta1 * (g - m[i]);
    v[i] = f.beta2 * v[i] + f.one_minus_beta2 * g * g;
    const double d = lamb_direction(a, f, i);
    squares[0] += a.p[i] * a.p[i];
    squares[1] += d * d;
  }
}
inline void lamb_move(const OptimizerArrays& a, const LambFactors<double>& f, index_t count,
                      double ratio) {
  for (index_t i = 0; i < count; ++i) a.p[i] -= f.lr * ratio * lamb_direction(a, f, i);
}

// Averaged stochastic gradient descent (Polyak and Juditsky 1992).
//
//   p <- shrink p - eta g      average <- average + mu (p - average)
inline void asgd(const OptimizerArrays& a, const AsgdFactors<double>& f, index_t count) {
  double* average = a.s[0];
  for (index_t i = 0; i < count; ++i) {
    const double g = f.sign * a.g[i] + f.l2 * a.p[i];
    a.p[i] = f.shrink * a.p[i] - f.eta * g;
    average[i] = f.mu == 1 ? a.p[i] : average[i] + f.mu * (a.p[i] - average[i]);
  }
}

// Resilient backpropagation (Riedmiller and Braun 1993): the step of an element grows while its
// gradient keeps its sign, and shrinks, without a move, where it changes.
inline void rprop(const OptimizerArrays& a, const RpropFactors<double>& f, index_t count) {
  double* previous = a.s[0];
  double* step = a.s[1];
  for (index_t i = 0; i < count; ++i) {
    double g = f.sign * a.g[i];
    const double agreement = g * previous[i];
    if (agreement < 0) g = 0;
    const double factor = agreement > 0 ? f.eta_plus : agreement < 0 ? f.eta_minus : 1.0;
    step[i] = std::min(std::max(step[i] * factor, f.smallest), f.largest);
    a.p[i] -= sign_of(g) * step[i];
    previous[i] = g;
  }
}

// A running average p of values g: p <- p + weight (g - p).
inline void lerp(const OptimizerArrays& a, const LerpFactors<double>& f, index_t count) {
  for (index_t i = 0; i < count; ++i) {
    const double difference = a.g[i] - a.p[i];
    a.p[i] =
        f.weight < 0.5 ? a.p[i] + f.weight * difference : a.g[i] - f.one_minus_weight * difference;
  }
}

// The sum of |x|^order; for order 0 the number of elements that are not 0.
template <typename T>
double sum_powers(const T* x, index_t count, double order) {
  double sum = 0;
  for (index_t i = 0; i < count; ++i) {
    const double size = std::abs(double{x[i]});
    sum += order == 2 ? size * size : order == 0 ? double(size != 0) : std::pow(size, order);
  }
  return sum;
}

// The largest |x|, or the smallest; NaN where there is one.
template <typename T>
double extreme(const T* x, index_t count, bool largest) {
  double best = largest ? 0 : HUGE_VAL;
  for (index_t i = 0; i < count; ++i) {
    const double size = std::abs(double{x[i]});
    if (std::isnan(size)) return size;
    best = largest ? std::max(best, size) : std::min(best, size);
  }
  return best;
}

}  // namespace tilewise::ref
