// A table of rules and one loop over the pieces of all parameters.
#include "ops/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "kernels/optimizer.h"
#include "ref/optimizer.h"

namespace tilewise {
namespace {

constexpr std::size_t most_factors = 16;

using Reference = void (*)(const ref::OptimizerArrays& a, const double* factors, index_t count);

struct Rule {
  const char* name;
  OptimizerNeeds needs;
  OptimizerKernels::Update OptimizerKernels::* kernel;
  Reference reference;
};

// A function of ref/ that takes its factors as a list.
template <typename Factors, void (*step)(const ref::OptimizerArrays&, const Factors&, index_t)>
void by_list(const ref::OptimizerArrays& a, const double* factors, index_t count) {
  static_assert(sizeof(Factors) <= most_factors * sizeof(double));
  step(a, *reinterpret_cast<const Factors*>(factors), count);
}

// A row of the table; LAMB has functions of its own.
template <typename Factors, void (*step)(const ref::OptimizerArrays&, const Factors&, index_t)>
Rule row(const char* name, std::vector<const char*> factors, std::size_t states,
         std::size_t required, OptimizerKernels::Update OptimizerKernels::* kernel) {
  TW_CHECK(factors.size() * sizeof(double) == sizeof(Factors), name, ": factors without a name");
  return {name, {std::move(factors), states, required}, kernel, by_list<Factors, step>};
}

const std::vector<Rule>& rules() {
  using K = OptimizerKernels;
  static const std::vector<Rule> table{
      row<SgdFactors<double>, ref::sgd>(
          "sgd", {"sign", "l2", "momentum", "one_minus_dampening", "lr", "first", "nesterov"}, 1, 0,
          &K::sgd),
      row<AdamFactors<double>, ref::adam>(
          "adam",
          {"sign", "l2", "shrink", "beta1", "one_minus_beta1", "beta2", "one_minus_beta2",
           "correction", "eps", "step_size", "gradient_share"},
          3, 2, &K::adam),
      row<AdamaxFactors<double>, ref::adamax>(
          "adamax", {"sign", "l2", "beta1", "one_minus_beta1", "beta2", "eps", "step_size"}, 2, 2,
          &K::adamax),
      row<RmspropFactors<double>, ref::rmsprop>(
          "rmsprop", {"sign", "l2", "alpha", "one_minus_alpha", "momentum", "eps", "lr"}, 3, 1,
          &K::rmsprop),
      row<AdagradFactors<double>, ref::adagrad>("adagrad", {"sign", "l2", "eps", "lr"}, 1, 1,
                                                &K::adagrad),
      row<AdadeltaFactors<double>, ref::adadelta>(
          "adadelta", {"sign", "l2", "rho", "one_minus_rho", "eps", "lr"}, 2, 2, &K::adadelta),
      row<LionFactors<double>, ref::lion>(
          "lion", {"sign", "shrink", "beta1", "one_minus_beta1", "beta2", "one_minus_beta2", "lr"},
          1, 1, &K::lion),
      row<AsgdFactors<double>, ref::asgd>("asgd", {"sign", "l2", "shrink", "eta", "mu"}, 1, 1,
                                          &K::asgd),
      row<RpropFactors<double>, ref::rprop>(
          "rprop", {"sign", "eta_minus", "eta_plus", "smallest", "largest"}, 2, 2, &K::rprop),
      row<LerpFactors<double>, ref::lerp>("lerp", {"weight", "one_minus_weight"}, 0, 0, &K::lerp),
      {"lamb",
       {{"sign", "weight_decay", "beta1", "one_minus_beta1", "beta2", "one_minus_beta2",
         "correction", "eps", "mean_scale", "lr"},
        2,
        2},
       nullptr,
       nullptr},
  };
  return table;
}

const Rule& find_rule(const std::string& name) {
  for (const Rule& rule : rules()) {
    if (name == rule.name) return rule;
  }
  throw ValueError("optimizer_step: expected the name of a rule, got '" + name + "'");
}

void check_like(const char* op, const std::string& name, const ArrayList& arrays,
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

void check(const Rule& rule, const OptimizerCall& call) {
  const OptimizerNeeds& needs = rule.needs;
  check_floating(rule.name, call.params);
  check_like(rule.name, "gradients", call.grads, call.params);
  TW_CHECK(call.factors.size() == needs.factors.size(), rule.name, ": expected ",
           needs.factors.size(), " factors, got ", call.factors.size());
  TW_CHECK(call.states.size() == needs.states, rule.name, ": expected ", needs.states,
           " lists of state, got ", call.states.size());
  for (std::size_t s = 0; s < needs.states; ++s) {
    if (s >= needs.required && call.states[s].empty()) continue;
    check_like(rule.name, concat("state ", s, " "), call.states[s], call.params);
  }
}

// The arrays of a call in the form that the loop takes.
struct Operands {
  explicit Operands(const OptimizerCall& call)
      : p(call.params), g(all_contiguous(call.grads)), pieces(cut(p.dense())) {
    states.reserve(call.states.size());
    for (const ArrayList& state : call.states) states.emplace_back(state);
    std::copy(call.factors.begin(), call.factors.end(), factors.begin());
    for (std::size_t i = 0; i < most_factors; ++i) factors32[i] = static_cast<float>(factors[i]);
  }

  bool is_float32(const Piece& i) const { return p.dense()[i.array].dtype() == DType::float32; }

  // Arrays is the kernels' struct, or ref's.
  template <typename Arrays, typename T>
  Arrays at(const Piece& i) const {
    Arrays a{p.at<T>(i), g[i.array].template data<T>() + i.first, {}};
    for (std::size_t s = 0; s < states.size(); ++s) a.s[s] = states[s].template at<T>(i);
    return a;
  }
  OptimizerArrays in32(const Piece& i) const { return at<OptimizerArrays, float>(i); }
  ref::OptimizerArrays in64(const Piece& i) const { return at<ref::OptimizerArrays, double>(i); }

  void finish() const {
    p.finish();
    for (const Written& state : states) state.finish();
  }

  Written p;
  ArrayList g;
  std::vector<Written> states;
  std::vector<Piece> pieces;
  std::array<double, most_factors> factors{};
  std::array<float, most_factors> factors32{};
};

void step_by(const Rule& rule, const Operands& x) {
  const auto kernel = optimizer_kernels().*rule.kernel;
  for_each_piece(x.pieces, [&](std::size_t i) {
    const Piece& piece = x.pieces[i];
    if (x.is_float32(piece)) {
      kernel(x.in32(piece), x.factors32.data(), piece.count);
    } else {
      rule.reference(x.in64(piece), x.factors.data(), piece.count);
    }
  });
}

// Two passes: the length of a step is known when all of a tensor's directions are.
void step_by_lamb(const Operands& x) {
  const OptimizerKernels& kernels = optimizer_kernels();
  const auto& f = *reinterpret_cast<const LambFactors<double>*>(x.factors.data());
  std::vector<std::array<double, 2>> squares(x.pieces.size(), {0.0, 0.0});
  for_each_piece(x.pieces, [&](std::size_t i) {
    const Piece& piece = x.pieces[i];
    if (x.is_float32(piece)) {
      kernels.lamb_average(x.in32(piece), x.factors32.data(), piece.count, squares[i].data());
    } else {
      ref::lamb_average(x.in64(piece), f, piece.count, squares[i].data());
    }
  });
  std::vector<std::array<double, 2>> sums(x.g.size(), {0.0, 0.0});
  for (std::size_t i = 0; i < x.pieces.size(); ++i) {
    for (std::size_t j = 0; j < 2; ++j) sums[x.pieces[i].array][j] += squares[i][j];
  }
  for_each_piece(x.pieces, [&](std::size_t i) {
    const Piece& piece = x.pieces[i];
    const auto& sum = sums[piece.array];
    const bool known = sum[0] > 0 && sum[1] > 0;
    const double ratio = known ? std::sqrt(sum[0] / sum[1]) : 1.0;
    if (x.is_float32(piece)) {
      kernels.lamb_move(x.in32(piece), x.factors32.data(), piece.count, static_cast<float>(ratio));
    } else {
      ref::lamb_move(x.in64(piece), f, piece.count, ratio);
    }
  });
}

}  // namespace

const OptimizerNeeds& optimizer_needs(const std::string& rule) { return find_rule(rule).needs; }

void optimizer_step(const std::string& name, const OptimizerCall& call) {
  const Rule& rule = find_rule(name);
  check(rule, call);
  const Operands operands(call);
  if (rule.kernel != nullptr) {
    step_by(rule, operands);
  } else {
    step_by_lamb(operands);
  }
  operands.finish();
}

}  // namespace tilewise
