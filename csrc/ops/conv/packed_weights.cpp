#include "ops/conv/packed_weights.h"

#include "base/error.h"

namespace tilewise {

PackedWeights::PackedWeights(const Array& weight, bool keep, const char* form, index_t width,
                             index_t floats, FunctionRef<void(float*)> pack, index_t groups) {
  const auto count = static_cast<std::size_t>(floats);
  if (keep && weight.storage()->keeps_forms()) {
    const FormKey key{form, width, weight.bytes(), weight.shape(), groups, count * sizeof(float)};
    kept_ = weight.storage()->find_form(key);
    if (kept_ == nullptr) {
      const std::uint64_t state = weight.storage()->state();
      auto made = std::make_shared<DerivedForm>(key, state);
      pack(reinterpret_cast<float*>(made->bytes.data()));
      weight.storage()->keep_form(made);
      kept_ = std::move(made);
    }
    data_ = reinterpret_cast<const float*>(kept_->bytes.data());
    return;
  }
  scratch_.emplace(count);
  pack(scratch_->data());
  data_ = scratch_->data();
}

}  // namespace tilewise
