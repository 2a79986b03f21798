// Activations by name.
#pragma once

#include <string>
#include <utility>

#include "base/activation.h"
#include "base/error.h"

namespace tilewise::bindings {

inline Activation activation_of(const std::string& name) {
  constexpr std::pair<const char*, Activation> table[] = {
      {"none", Activation::none},   {"relu", Activation::relu},
      {"relu6", Activation::relu6}, {"leaky_relu", Activation::leaky_relu},
      {"silu", Activation::silu},   {"hardswish", Activation::hardswish},
  };
  for (const auto& [known, activation] : table) {
    if (name == known) return activation;
  }
  throw ValueError(concat("expected activation 'none', 'relu', 'relu6', 'leaky_relu', 'silu' or ",
                          "'hardswish', got '", name, "'"));
}

}  // namespace tilewise::bindings
