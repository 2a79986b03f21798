#include "base/border.h"

#include "base/error.h"

namespace tilewise {

Border border_of(const char* op, const std::string& name) {
  if (name == "zeros") return Border::zeros;
  if (name == "reflect") return Border::reflect;
  if (name == "replicate") return Border::replicate;
  TW_CHECK(name == "circular", op,
           ": expected padding_mode as one of 'zeros', 'reflect', 'replicate', 'circular', got '",
           name, "'");
  return Border::circular;
}

void check_border(const char* op, Border border, index_t extent, index_t before, index_t after) {
  if (border == Border::zeros || (before == 0 && after == 0)) return;
  TW_CHECK(extent >= 1, op, ": expected a dimension to pad of size >= 1, got ", extent);
  if (border == Border::replicate) return;
  const index_t most = border == Border::reflect ? extent - 1 : extent;
  TW_CHECK(before <= most && after <= most, op, ": expected ",
           border == Border::reflect ? "reflect padding smaller than" : "circular padding up to",
           " the size ", extent, " of its dimension, got ", before, " and ", after);
}

}  // namespace tilewise
