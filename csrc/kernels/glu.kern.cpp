#include "kernels/glu.h"

#include "kernels/simd/simd.h"
// After simd.h, whose types they use.
#include "kernels/simd/map.h"
#include "kernels/simd/math.h"

namespace tilewise {
namespace TW_ISA {
namespace {

struct Gated {
  TW_INLINE VecF operator()(VecF a, VecF b) const { return a * sigmoid(b); }
};

void forward(const float* a, const float* b, float* y, index_t count, bool stream) {
  map2(a, b, y, count, stream, Gated{});
}

void backward(const GluGradient& g) {
  for (index_t i = 0; i < g.count; i += VecF::width) {
    const index_t n = g.count - i;
    const bool whole = n >= VecF::width;
    const VecF s = sigmoid(whole ? load(g.b + i) : load_partial(g.b + i, n));
    const VecF a = whole ? load(g.a + i) : load_partial(g.a + i, n);
    const VecF da = (whole ? load(g.dy + i) : load_partial(g.dy + i, n)) * s;
    const VecF db = da * a * (set1(1.0F) - s);
    if (whole) {
      store(g.da + i, da);
      store(g.db + i, db);
    } else {
      store_partial(g.da + i, da, n);
      store_partial(g.db + i, db, n);
    }
  }
}

}  // namespace

const GluKernels glu_kernels{forward, backward};

}  // namespace TW_ISA
}  // namespace tilewise
