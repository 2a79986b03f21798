// The interface of a convolution algorithm, and the list of them.
#pragma once

#include <string>
#include <vector>

#include "base/array.h"
#include "base/conv_problem.h"
#include "kernels/epilogue.h"
#include "ops/conv/output_stage.h"

namespace tilewise {

enum class ConvDirection { forward, backward_data, backward_weight };
constexpr ConvDirection conv_directions[] = {ConvDirection::forward, ConvDirection::backward_data,
                                             ConvDirection::backward_weight};
const char* name_of(ConvDirection direction);

// Activations are dense and channels-last, weights and the rest C-contiguous; none is empty.
struct ConvForward {
  const ConvProblem& problem;
  const Array& x;
  const Array& weight;
  const Array& y;
  OutputStage* stage;  // null: float64, or the algorithm does not fuse
  bool keep_weights;
};

// Also the transposed convolution, whose outputs pass the stage.
struct ConvBackwardData {
  const ConvProblem& problem;
  const Array& dy;
  const Array& weight;
  const Array& dx;
  OutputStage* stage;  // as above; null also for a plain gradient
  GradientGate gate;   // y null unless the algorithm takes it
  bool keep_weights;
};

struct ConvBackwardWeight {
  const ConvProblem& problem;
  const Array& dy;
  const Array& x;
  const Array& dweight;
  float* dbias;  // null: not wanted, or not taken by the algorithm
  GradientGate gate;
};

// What an algorithm does by itself; the rest is done for it in passes of their own.
struct ConvAbilities {
  bool any_dtype = false;                   // float64 too
  bool fuses = true;                        // runs the output stage
  bool gates[3] = {false, true, true};      // reads gradients through the gate, by direction
  bool dbias = false;                       // sums the bias gradient
  bool borders[3] = {false, false, false};  // other padding than zeros, by direction
};

struct ConvAlgorithm {
  const char* name;
  ConvAbilities abilities;
  // Null, or why the algorithm cannot compute the problem.
  const char* (*refuses)(const ConvProblem&, ConvDirection);
  // Expected time in nanoseconds of a core that does 50 multiply-adds in each. Decides the choice:
  // a function of the problem and the instruction set, never of a clock.
  double (*cost)(const ConvProblem&, ConvDirection);
  // Bytes of temporary memory, packed weights included, with this many threads.
  index_t (*workspace)(const ConvProblem&, ConvDirection, int threads);
  // Of these, bytes of packed weights: what inference keeps beside the weights. Null for none.
  index_t (*packed)(const ConvProblem&, ConvDirection);
  void (*forward)(const ConvForward&);
  void (*backward_data)(const ConvBackwardData&);
  void (*backward_weight)(const ConvBackwardWeight&);
};

extern const ConvAlgorithm winograd4;
extern const ConvAlgorithm winograd2;
extern const ConvAlgorithm depthwise;
extern const ConvAlgorithm grouped;
extern const ConvAlgorithm implicit_gemm;
extern const ConvAlgorithm im2col_gemm;
extern const ConvAlgorithm reference;

constexpr double nominal_multiply_adds = 50;  // in a nanosecond

// Multiply-adds of the direct form.
double multiply_adds(const ConvProblem& problem);

// The algorithm named, or the cheapest that can where `wanted` is "auto"; the first in the list
// where two cost the same. `op` names the operation in messages. Throws ValueError.
const ConvAlgorithm& choose_algorithm(const char* op, const ConvProblem& problem, DType dtype,
                                      ConvDirection direction, const std::string& wanted);

// The problem that the algorithm computes: one of borders that it does not fill itself gets an
// input that is padded before.
ConvProblem problem_for(const ConvAlgorithm& algorithm, const ConvProblem& problem,
                        ConvDirection direction);

// What choose_algorithm weighs.
struct ConvChoice {
  const char* algorithm;
  std::string refusal;  // empty: it can
  double cost;          // see ConvAlgorithm
  index_t workspace;    // bytes, with num_threads() threads
  index_t packed;       // bytes of packed weights
  bool chosen;
};
std::vector<ConvChoice> weigh_algorithms(const char* op, const ConvProblem& problem, DType dtype,
                                         ConvDirection direction, const std::string& wanted);

}  // namespace tilewise
