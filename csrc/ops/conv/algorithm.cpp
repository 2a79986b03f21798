#include "ops/conv/algorithm.h"

#include "base/cpu.h"
#include "base/error.h"
#include "base/threads.h"
#include "base/trace.h"
#include "ops/conv/problem.h"

namespace tilewise {
namespace {

// The last two can compute everything.
const ConvAlgorithm* const algorithms[] = {&winograd4,     &winograd2,   &depthwise, &grouped,
                                           &implicit_gemm, &im2col_gemm, &reference};

bool fills_border(const ConvAlgorithm& a, const ConvProblem& p, ConvDirection d) {
  return p.border == Border::zeros || a.abilities.borders[static_cast<int>(d)];
}

const char* refusal(const ConvAlgorithm& a, const ConvProblem& p, DType dtype, ConvDirection d) {
  if (!a.abilities.any_dtype && dtype != DType::float32) return "it computes in float32 only";
  return fills_border(a, p, d) ? a.refuses(p, d) : a.refuses(without_border(p), d);
}

constexpr double kPadding = 0.3;  // nanoseconds an element, read and written

// The op answers for empty tensors: algorithms never see them.
bool is_empty(const ConvProblem& p) {
  return p.n == 0 || p.group_c() == 0 || p.k == 0 || p.in_pixels() == 0 || p.out_pixels() == 0;
}

// Elements of an input or its gradient that is padded in a pass of its own.
index_t padded_elements(const ConvProblem& padded) {
  return checked_mul(checked_mul(padded.n, padded.c), padded.in_pixels());
}

double cost_of(const ConvAlgorithm& a, const ConvProblem& p, ConvDirection direction) {
  if (is_empty(p)) return 0;
  if (fills_border(a, p, direction)) return a.cost(p, direction);
  const ConvProblem q = without_border(p);
  return a.cost(q, direction) + kPadding * double(padded_elements(q));
}

index_t workspace_of(const ConvAlgorithm& a, const ConvProblem& p, ConvDirection direction) {
  if (is_empty(p)) return 0;
  if (fills_border(a, p, direction)) return a.workspace(p, direction, num_threads());
  const ConvProblem q = without_border(p);
  return a.workspace(q, direction, num_threads()) +
         padded_elements(q) * static_cast<index_t>(sizeof(float));
}

index_t packed_of(const ConvAlgorithm& a, const ConvProblem& p, ConvDirection direction) {
  if (is_empty(p) || a.packed == nullptr) return 0;
  return a.packed(fills_border(a, p, direction) ? p : without_border(p), direction);
}

void trace_choice(const char* op, const ConvProblem& p, DType dtype, ConvDirection direction,
                  const ConvAlgorithm& chosen) {
  if (!trace_enabled()) return;
  TW_TRACE(op, " ", name_of(direction), " ", name_of(dtype), " n", p.n, " c", p.c, " k", p.k,
           " in ", p.in[0], "x", p.in[1], "x", p.in[2], " kernel ", p.kernel[0], "x", p.kernel[1],
           "x", p.kernel[2], " groups ", p.groups, ": ", chosen.name, ", workspace ",
           workspace_of(chosen, p, direction), " bytes");
  for (const ConvAlgorithm* a : algorithms) {
    if (a == &chosen) continue;
    const char* reason = refusal(*a, p, dtype, direction);
    if (reason != nullptr) {
      TW_TRACE("  not ", a->name, ": ", reason);
    } else if (!is_empty(p)) {
      TW_TRACE("  not ", a->name, ": ", cost_of(*a, p, direction) / cost_of(chosen, p, direction),
               " times the expected time");
    }
  }
}

}  // namespace

const char* name_of(ConvDirection direction) {
  switch (direction) {
    case ConvDirection::forward:
      return "forward";
    case ConvDirection::backward_data:
      return "backward_data";
    case ConvDirection::backward_weight:
      return "backward_weight";
  }
  return "";
}

double multiply_adds(const ConvProblem& p) {
  return double(p.n) * double(p.out_pixels()) * double(p.taps()) * double(p.group_c()) *
         double(p.k);
}

namespace {

std::string known_algorithms() {
  std::string known = "auto";
  for (const ConvAlgorithm* a : algorithms) known += concat(", ", a->name);
  return known;
}

// Choices that a thread made lately, one in each place: weighing seven algorithms takes as long as
// a small convolution.
struct RecentChoice {
  ConvProblem problem;
  ConvDirection direction;
  Isa isa;
  DType dtype;
  const ConvAlgorithm* algorithm = nullptr;
};

RecentChoice& recent_choice(const ConvProblem& p, ConvDirection direction) {
  constexpr std::size_t places = 16;
  thread_local RecentChoice choices[places];
  std::size_t hash = static_cast<std::size_t>(direction);
  for (index_t value : {p.n, p.c, p.k, p.groups, p.in[1], p.in[2], p.kernel[2], p.stride[2]}) {
    hash = hash * 31 + static_cast<std::size_t>(value);
  }
  return choices[(hash ^ hash >> 7) % places];
}

const ConvAlgorithm& weigh(const char* op, const ConvProblem& p, DType dtype,
                           ConvDirection direction, const std::string& wanted) {
  const ConvAlgorithm* best = nullptr;
  double least = 0;
  for (const ConvAlgorithm* a : algorithms) {
    if (wanted != "auto" && wanted != a->name) continue;
    const char* reason = refusal(*a, p, dtype, direction);
    if (wanted == a->name) {
      TW_CHECK(reason == nullptr, op, ": algorithm '", wanted, "' does not apply: ", reason);
      return *a;
    }
    if (reason != nullptr) continue;
    const double cost = cost_of(*a, p, direction);
    if (best != nullptr && cost >= least) continue;
    best = a;
    least = cost;
  }
  TW_CHECK(best != nullptr, op, ": unknown algorithm '", wanted, "', expected one of ",
           known_algorithms());
  trace_choice(op, p, dtype, direction, *best);
  return *best;
}

}  // namespace

const ConvAlgorithm& choose_algorithm(const char* op, const ConvProblem& p, DType dtype,
                                      ConvDirection direction, const std::string& wanted) {
  if (wanted != "auto" || trace_enabled()) return weigh(op, p, dtype, direction, wanted);
  RecentChoice& recent = recent_choice(p, direction);
  const Isa isa = active_isa();
  if (recent.algorithm == nullptr || recent.isa != isa || recent.dtype != dtype ||
      recent.direction != direction || !(recent.problem == p)) {
    recent = {p, direction, isa, dtype, &weigh(op, p, dtype, direction, wanted)};
  }
  return *recent.algorithm;
}

ConvProblem problem_for(const ConvAlgorithm& algorithm, const ConvProblem& problem,
                        ConvDirection direction) {
  return fills_border(algorithm, problem, direction) ? problem : without_border(problem);
}

std::vector<ConvChoice> weigh_algorithms(const char* op, const ConvProblem& p, DType dtype,
                                         ConvDirection direction, const std::string& wanted) {
  const ConvAlgorithm& chosen = choose_algorithm(op, p, dtype, direction, wanted);
  std::vector<ConvChoice> choices;
  for (const ConvAlgorithm* a : algorithms) {
    const char* reason = refusal(*a, p, dtype, direction);
    const bool can = reason == nullptr;
    choices.push_back({a->name, can ? "" : reason, can ? cost_of(*a, p, direction) : 0,
                       can ? workspace_of(*a, p, direction) : 0,
                       can ? packed_of(*a, p, direction) : 0, a == &chosen});
  }
  return choices;
}

}  // namespace tilewise
