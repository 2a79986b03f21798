// What the update rules of optimizers multiply with in one step: float in the kernels, double in
// ref/optimizer.h, which has the formulas. Each member is one number, so that a list of them in
// this order is the struct (ops/optimizer_rules.cpp names them). Callers compute the numbers in
// double: 1 - beta2 of a rounded beta2 would have lost half its digits.
//
//   sign     -1 to maximize       l2      weight decay that is added to the gradient
//   shrink   1 - lr * decoupled weight decay
#pragma once

namespace tilewise {

template <typename T>
struct SgdFactors {
  T sign, l2, momentum, one_minus_dampening, lr;
  T first;     // 1: the buffer becomes the gradient
  T nesterov;  // 1 or 0
};

template <typename T>
struct AdamFactors {  // and NAdam, RAdam
  T sign, l2, shrink, beta1, one_minus_beta1, beta2, one_minus_beta2;
  T correction, eps;            // of the denominator
  T step_size, gradient_share;  // of the running mean and the gradient itself
};

template <typename T>
struct AdamaxFactors {
  T sign, l2, beta1, one_minus_beta1, beta2, eps, step_size;
};

template <typename T>
struct RmspropFactors {
  T sign, l2, alpha, one_minus_alpha, momentum, eps, lr;
};

template <typename T>
struct AdagradFactors {
  T sign, l2, eps, lr;
};

template <typename T>
struct AdadeltaFactors {
  T sign, l2, rho, one_minus_rho, eps, lr;
};

template <typename T>
struct LionFactors {
  T sign, shrink, beta1, one_minus_beta1, beta2, one_minus_beta2, lr;
};

template <typename T>
struct LambFactors {
  T sign, weight_decay, beta1, one_minus_beta1, beta2, one_minus_beta2;
  T correction, eps, mean_scale, lr;
};

template <typename T>
struct AsgdFactors {
  T sign, l2, shrink, eta, mu;
};

template <typename T>
struct RpropFactors {
  T sign, eta_minus, eta_plus, smallest, largest;
};

template <typename T>
struct LerpFactors {
  T weight, one_minus_weight;
};

}  // namespace tilewise
