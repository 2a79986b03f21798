// A load that overlaps a store still on its way waits for it: the rows of a patch, which are far
// apart, are the inner loop, so that some patches' worth of work lies between two such accesses.
#include "kernels/fold.h"

#include "kernels/simd/simd.h"

namespace tilewise {
namespace TW_ISA {
namespace {

constexpr index_t W = VecF::width;

void add(const FoldRow& f) {
  const index_t whole = f.run / W * W;
  const index_t rest = f.run - whole;
  for (index_t w = 0; w < f.pixels; ++w) {
    const float* src = f.src + w * f.src_pixel;
    float* dst = f.dst + w * f.step;
    for (index_t r = 0; r < f.rows; ++r) {
      for (index_t i = 0; i < whole; i += W) store(dst + i, load(dst + i) + load(src + i));
      if (rest > 0) {
        const VecF sum = load_partial(dst + whole, rest) + load_partial(src + whole, rest);
        store_partial(dst + whole, sum, rest);
      }
      src += f.run;
      dst += f.dst_row;
    }
  }
}

}  // namespace

const FoldKernels fold_kernels{add};

}  // namespace TW_ISA
}  // namespace tilewise
