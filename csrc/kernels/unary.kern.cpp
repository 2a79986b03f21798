// One pass: bound by memory for the piecewise linear functions, by arithmetic for the others.
#include "kernels/unary.h"

#include "kernels/simd/simd.h"
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
struct Forward {
  Parameters p;
  TW_INLINE VecF operator()(VecF x) const { return Row::forward(x, p); }
};

template <typename Row>
void forward(const float* x, float* y, index_t count, const UnaryConstants& p, bool stream) {
  map(x, y, count, stream, Forward<Row>{{set1(p.a), set1(p.b), set1(p.c)}});
}

struct IsNan {
  static TW_INLINE Mask apply(VecF x) { return is_nan(x); }
};
struct IsInf {
  static TW_INLINE Mask apply(VecF x) { return abs(x) == set1(__builtin_inff()); }
};
struct IsFinite {
  static TW_INLINE Mask apply(VecF x) { return abs(x) < set1(__builtin_inff()); }
};

template <typename Op>
void test(const float* x, std::uint8_t* y, index_t count) {
  index_t i = 0;
  for (; i + VecF::width <= count; i += VecF::width) store_bools(y + i, Op::apply(load(x + i)));
  const index_t n = count - i;
  if (n > 0) store_bools_partial(y + i, Op::apply(load_partial(x + i, n)), n);
}

}  // namespace

#define TW_FORWARD(name, Formula, domain, reads) forward<Formula>,
#define TW_TEST(name, Formula) test<Formula>,
const UnaryKernels unary_kernels{{TW_UNARY_FUNCTIONS(TW_FORWARD)}, {TW_UNARY_PREDICATES(TW_TEST)}};
#undef TW_FORWARD
#undef TW_TEST

}  // namespace TW_ISA
}  // namespace tilewise
