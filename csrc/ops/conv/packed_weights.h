// Weights in an algorithm's own layout, kept beside the weights until these change.
//
// Training packs weights once a step and direction, into scratch memory. Inference asks for the
// same weights again and again: with `keep`, the packed form stays with the weights' storage and is
// found by the next call. It is dropped when the weights are written to, and never made for memory
// that others can write to unseen (NumPy arrays and views).
#pragma once

#include <memory>
#include <optional>

#include "base/array.h"
#include "base/function_ref.h"
#include "base/memory.h"

namespace tilewise {

class PackedWeights {
 public:
  // `form`, `width` (floats of a panel: kernels of two instruction sets differ) and `groups` (which
  // the weight's shape does not tell) name the layout; `pack` writes `floats` floats.
  PackedWeights(const Array& weight, bool keep, const char* form, index_t width, index_t floats,
                FunctionRef<void(float*)> pack, index_t groups = 1);
  const float* data() const { return data_; }

 private:
  std::shared_ptr<DerivedForm> kept_;
  std::optional<Scratch<float>> scratch_;
  const float* data_;
};

}  // namespace tilewise
