// Losses of one element: x the input, t the target, v a third operand, p the parameters.
//
//   mse               (x - t)^2
//   l1                |x - t|
//   huber             b d^2 / 2 for |d| <= a, else c (|d| - a / 2), d = x - t        Huber 1964
//                     SmoothL1 of beta: a = beta, b = 1 / beta, c = 1
//   bce               -t log x - (1 - t) log(1 - x), logarithms not below -100
//   bce_with_logits   (1 - t) x + (1 + (v - 1) t) log(1 + e^-x)
//   kl_div            t (log t - x); with t the logarithm: e^t (t - x)
//   hinge_embedding   x where t = 1, max(0, a - x) where t = -1
//   cosine_embedding  1 - x where t = 1, max(0, x - a) where t = -1
//   soft_margin       log(1 + e^(-t x))
//   margin_ranking    max(0, a - t (x - v))
//   poisson_nll       x - t log(x + a), or e^x - t x; b = 1 adds Stirling's log t!
//   gaussian_nll      (log s + (x - t)^2 / s) / 2 + b, s = max(v, a)           Nix, Weigend 1994
//   sigmoid_focal     alpha_t (1 - p_t)^b (-log p_t), p = sigmoid(x)          Lin et al. 2017
//
// Where a clamp is at its limit the derivative is that of the clamped value, as in PyTorch.
#pragma once

#include <algorithm>
#include <cmath>

#include "base/types.h"

namespace tilewise::ref {

struct LossElement {
  double x, t, v;
};
struct LossConstants {
  double a, b, c;
};
using LossFunction = double (*)(const LossElement& e, const LossConstants& p);
struct LossFunctions {
  LossFunction value;
  LossFunction dx;
  LossFunction dt;  // null: -dx
  LossFunction dv;  // null: no third operand
};

inline double softplus(double x) { return std::max(0.0, x) + std::log1p(std::exp(-std::abs(x))); }
inline double logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }
inline double sign_of(double x) { return static_cast<double>((x > 0) - (x < 0)); }

using E = const LossElement&;
using C = const LossConstants&;

inline double mse(E e, C) { return (e.x - e.t) * (e.x - e.t); }
inline double mse_dx(E e, C) { return 2 * (e.x - e.t); }

inline double l1(E e, C) { return std::abs(e.x - e.t); }
inline double l1_dx(E e, C) { return sign_of(e.x - e.t); }

inline double huber(E e, C p) {
  const double q = std::abs(e.x - e.t);
  return q > p.a ? p.c * (q - 0.5 * p.a) : 0.5 * q * q * p.b;
}
inline double huber_dx(E e, C p) {
  const double d = e.x - e.t;
  return std::abs(d) > p.a ? p.c * sign_of(d) : d * p.b;
}

inline double bce(E e, C) {
  const auto clamped = [](double log) { return log < -100 ? -100 : log; };
  return (e.t - 1) * clamped(std::log1p(-e.x)) - e.t * clamped(std::log(e.x));
}
inline double bce_dx(E e, C) {
  const double slope = (1 - e.x) * e.x;
  return (e.x - e.t) / (slope < 1e-12 ? 1e-12 : slope);
}
inline double bce_dt(E e, C) { return std::log1p(-e.x) - std::log(e.x); }

inline double bce_with_logits(E e, C) {
  return (1 - e.t) * e.x + (1 + (e.v - 1) * e.t) * softplus(-e.x);
}
inline double bce_with_logits_dx(E e, C) {
  const double weight = 1 + (e.v - 1) * e.t;
  return e.x >= 0 ? 1 - e.t - weight * logistic(-e.x) : weight * logistic(e.x) - e.t * e.v;
}
inline double bce_with_logits_dt(E e, C) { return (e.v - 1) * softplus(-e.x) - e.x; }
inline double bce_with_logits_dv(E e, C) { return e.t * softplus(-e.x); }

inline double kl_div(E e, C) { return (e.t == 0 ? 0 : e.t * std::log(e.t)) - e.t * e.x; }
inline double kl_div_dx(E e, C) { return -e.t; }
inline double kl_div_dt(E e, C) { return std::log(e.t) + 1 - e.x; }
inline double kl_div_log(E e, C) { return std::exp(e.t) * (e.t - e.x); }
inline double kl_div_log_dx(E e, C) { return -std::exp(e.t); }
inline double kl_div_log_dt(E e, C) { return std::exp(e.t) * (e.t - e.x + 1); }

inline double hinge_embedding(E e, C p) {
  const double gap = e.t != 1 ? (p.a - e.x < 0 ? 0 : p.a - e.x) : 0;
  return gap + (e.t != -1 ? e.x : 0);
}
inline double hinge_embedding_dx(E e, C p) {
  return (e.t != -1 ? 1.0 : 0.0) - (e.t != 1 && p.a - e.x >= 0 ? 1.0 : 0.0);
}
inline double hinge_embedding_dt(E, C) { return 0; }

inline double cosine_embedding(E e, C p) {
  if (e.t == 1) return 1 - e.x;
  return e.t == -1 ? (e.x - p.a < 0 ? 0 : e.x - p.a) : 0;
}
inline double cosine_embedding_dx(E e, C p) {
  if (e.t == 1) return -1;
  return e.t == -1 && e.x - p.a >= 0 ? 1 : 0;
}

inline double soft_margin(E e, C) { return softplus(-e.t * e.x); }
inline double soft_margin_dx(E e, C) { return -e.t * logistic(-e.t * e.x); }
inline double soft_margin_dt(E e, C) { return -e.x * logistic(-e.t * e.x); }

inline double ranking_gap(E e, C p) { return p.a - e.t * (e.x - e.v); }
inline double margin_ranking(E e, C p) {
  const double gap = ranking_gap(e, p);
  return gap < 0 ? 0 : gap;
}
inline double margin_ranking_dx(E e, C p) { return ranking_gap(e, p) >= 0 ? -e.t : 0; }
inline double margin_ranking_dt(E e, C p) { return ranking_gap(e, p) >= 0 ? e.v - e.x : 0; }
inline double margin_ranking_dv(E e, C p) { return ranking_gap(e, p) >= 0 ? e.t : 0; }

constexpr double two_pi = 6.28318530717958647692;
inline double stirling(E e, C p) {
  if (!(p.b > 0 && e.t > 1)) return 0;
  return e.t * std::log(e.t) - e.t + 0.5 * std::log(two_pi * e.t);
}
inline double stirling_dt(E e, C p) { return p.b > 0 && e.t > 1 ? std::log(e.t) + 0.5 / e.t : 0; }
inline double poisson_nll(E e, C p) { return e.x - e.t * std::log(e.x + p.a) + stirling(e, p); }
inline double poisson_nll_dx(E e, C p) { return 1 - e.t / (e.x + p.a); }
inline double poisson_nll_dt(E e, C p) { return stirling_dt(e, p) - std::log(e.x + p.a); }
inline double poisson_nll_log(E e, C p) { return std::exp(e.x) - e.t * e.x + stirling(e, p); }
inline double poisson_nll_log_dx(E e, C) { return std::exp(e.x) - e.t; }
inline double poisson_nll_log_dt(E e, C p) { return stirling_dt(e, p) - e.x; }

inline double variance_of(E e, C p) { return e.v < p.a ? p.a : e.v; }
inline double gaussian_nll(E e, C p) {
  if (e.v < 0) return std::nan("");
  const double d = e.x - e.t;
  const double variance = variance_of(e, p);
  return 0.5 * (std::log(variance) + d * d / variance) + p.b;
}
inline double gaussian_nll_dx(E e, C p) { return (e.x - e.t) / variance_of(e, p); }
inline double gaussian_nll_dv(E e, C p) {
  const double inverse = 1 / variance_of(e, p);
  const double ratio = (e.x - e.t) * inverse;
  return 0.5 * (inverse - ratio * ratio);
}

// What the focal loss is made of, and the derivatives of its parts.
struct FocalTerms {
  FocalTerms(E e, C p)
      : p1(logistic(e.x)),
        q1(logistic(-e.x)),
        miss(e.t * q1 + (1 - e.t) * p1),
        alpha(p.a < 0 ? 1 : p.a * e.t + (1 - p.a) * (1 - e.t)),
        power(std::pow(miss, p.b)),
        slope(p.b == 0 ? 0 : p.b * std::pow(miss, p.b - 1)),
        entropy(std::max(0.0, e.x) - e.x * e.t + std::log1p(std::exp(-std::abs(e.x)))) {}
  double p1, q1, miss, alpha, power, slope, entropy;
};
inline double sigmoid_focal(E e, C p) {
  const FocalTerms f(e, p);
  return f.alpha * f.power * f.entropy;
}
inline double sigmoid_focal_dx(E e, C p) {
  const FocalTerms f(e, p);
  const double dmiss = (1 - 2 * e.t) * f.p1 * f.q1;
  return f.alpha * (f.power * ((1 - e.t) * f.p1 - e.t * f.q1) + f.slope * dmiss * f.entropy);
}
inline double sigmoid_focal_dt(E e, C p) {
  const FocalTerms f(e, p);
  const double dalpha = p.a < 0 ? 0 : 2 * p.a - 1;
  return f.alpha * (f.slope * (f.q1 - f.p1) * f.entropy - f.power * e.x) +
         dalpha * f.power * f.entropy;
}

// In the order of PointwiseLoss.
constexpr LossFunctions pointwise_losses[] = {
    {mse, mse_dx, nullptr, nullptr},
    {l1, l1_dx, nullptr, nullptr},
    {huber, huber_dx, nullptr, nullptr},
    {bce, bce_dx, bce_dt, nullptr},
    {bce_with_logits, bce_with_logits_dx, bce_with_logits_dt, nullptr},
    {bce_with_logits, bce_with_logits_dx, bce_with_logits_dt, bce_with_logits_dv},
    {kl_div, kl_div_dx, kl_div_dt, nullptr},
    {kl_div_log, kl_div_log_dx, kl_div_log_dt, nullptr},
    {hinge_embedding, hinge_embedding_dx, hinge_embedding_dt, nullptr},
    {cosine_embedding, cosine_embedding_dx, hinge_embedding_dt, nullptr},
    {soft_margin, soft_margin_dx, soft_margin_dt, nullptr},
    {margin_ranking, margin_ranking_dx, margin_ranking_dt, margin_ranking_dv},
    {poisson_nll, poisson_nll_dx, poisson_nll_dt, nullptr},
    {poisson_nll_log, poisson_nll_log_dx, poisson_nll_log_dt, nullptr},
    {gaussian_nll, gaussian_nll_dx, nullptr, gaussian_nll_dv},
    {sigmoid_focal, sigmoid_focal_dx, sigmoid_focal_dt, nullptr},
};

}  // namespace tilewise::ref
