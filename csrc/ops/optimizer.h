// One call updates all parameters of a group in place, by one of the rules of ref/optimizer.h.
#pragma once

#include <string>
#include <vector>

#include "ops/array_lists.h"

namespace tilewise {

// What a call of a rule needs.
struct OptimizerNeeds {
  std::vector<const char*> factors;  // names of the members of base/optimizer_factors.h's struct
  std::size_t states;                // lists of state; the ones from `required` on may be empty
  std::size_t required;
};
// Throws ValueError for a name that is none.
const OptimizerNeeds& optimizer_needs(const std::string& rule);

// Every list has the parameters' length, or is empty where the rule can do without it.
struct OptimizerCall {
  const ArrayList& params;
  const ArrayList& grads;
  const std::vector<ArrayList>& states;
  const std::vector<double>& factors;
};
void optimizer_step(const std::string& rule, const OptimizerCall& call);

}  // namespace tilewise
