// The activations that an operation can apply where it writes its output.
#pragma once

namespace tilewise {

enum class Activation { none, relu, relu6, leaky_relu, silu, hardswish };

}  // namespace tilewise
