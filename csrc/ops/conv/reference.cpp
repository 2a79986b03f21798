// The loops of ref/conv.h as an algorithm: float64's implementation and the oracle of the others.
#include "base/memory.h"
#include "ops/conv/algorithm.h"
#include "ref/conv.h"

namespace tilewise {
namespace {

const char* refuses(const ConvProblem&, ConvDirection) { return nullptr; }

// About a multiply-add in a nanosecond, on one core.
double cost(const ConvProblem& p, ConvDirection) { return 1e3 + multiply_adds(p); }

index_t workspace(const ConvProblem& p, ConvDirection direction, int) {
  const index_t sums = direction == ConvDirection::forward         ? p.out_pixels() * p.k
                       : direction == ConvDirection::backward_data ? p.in_pixels() * p.c
                                                                   : p.taps() * p.group_c() * p.k;
  return sums * static_cast<index_t>(sizeof(double));
}

Scratch<double> sums_of(const ConvProblem& p, ConvDirection direction) {
  return Scratch<double>(static_cast<std::size_t>(workspace(p, direction, 1)) / sizeof(double));
}

template <typename T>
void forward_of(const ConvForward& job) {
  Scratch<double> sums(sums_of(job.problem, ConvDirection::forward));
  ref::conv_forward(job.problem, job.x.data<T>(), job.weight.data<T>(), sums.data(),
                    job.y.data<T>());
}

void forward(const ConvForward& job) {
  job.x.dtype() == DType::float64 ? forward_of<double>(job) : forward_of<float>(job);
}

template <typename T>
void backward_data_of(const ConvBackwardData& job) {
  Scratch<double> sums(sums_of(job.problem, ConvDirection::backward_data));
  ref::conv_backward_data(job.problem, job.dy.data<T>(), job.weight.data<T>(), sums.data(),
                          job.dx.data<T>());
}

void backward_data(const ConvBackwardData& job) {
  job.dy.dtype() == DType::float64 ? backward_data_of<double>(job) : backward_data_of<float>(job);
}

template <typename T>
void backward_weight_of(const ConvBackwardWeight& job) {
  Scratch<double> sums(sums_of(job.problem, ConvDirection::backward_weight));
  ref::conv_backward_weight(job.problem, job.dy.data<T>(), job.x.data<T>(), sums.data(),
                            job.dweight.data<T>());
}

void backward_weight(const ConvBackwardWeight& job) {
  job.x.dtype() == DType::float64 ? backward_weight_of<double>(job)
                                  : backward_weight_of<float>(job);
}

}  // namespace

const ConvAlgorithm reference{"reference",    {true, false, {}, false, {true, true, true}},
                              refuses,        cost,
                              workspace,      nullptr,
                              forward,        backward_data,
                              backward_weight};

}  // namespace tilewise
