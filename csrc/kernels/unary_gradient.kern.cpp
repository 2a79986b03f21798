// One pass over dy and what the row reads.
#include "kernels/simd/simd.h"
#include "kernels/unary.h"
//
#include "kernels/simd/map.h"
#include "kernels/simd/math.h"
#include "kernels/simd/math_more.h"
// After the math, which it uses.
#include "kernels/simd/activations.h"

namespace tilewise {
namespace TW_ISA {
namespace {

template <typename Row>
struct Backward {
  Parameters p;
  TW_INLINE VecF operator()(VecF dy, VecF kept) const { return Row::backward(dy, kept, p); }
};

template <typename Row>
void backward(const float* dy, const float* kept, float* dx, index_t count, const UnaryConstants& p,
              bool stream) {
  map2(dy, kept, dx, count, stream, Backward<Row>{{set1(p.a), set1(p.b), set1(p.c)}});
}

}  // namespace

#define TW_BACKWARD(name, Formula, domain, reads) backward<Formula>,
const UnaryGradientKernels unary_gradient_kernels{{TW_UNARY_FUNCTIONS(TW_BACKWARD)}};
#undef TW_BACKWARD

}  // namespace TW_ISA
}  // namespace tilewise
