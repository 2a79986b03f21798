// Chooses the kernel table of the active instruction set.
#include "base/cpu.h"
#include "kernels/augment.h"
#include "kernels/batch_norm.h"
#include "kernels/binary.h"
#include "kernels/binary_math.h"
#include "kernels/copy.h"
#include "kernels/depthwise.h"
#include "kernels/dropout.h"
#include "kernels/epilogue.h"
#include "kernels/fold.h"
#include "kernels/gemm.h"
#include "kernels/glu.h"
#include "kernels/grouped.h"
#include "kernels/local_response.h"
#include "kernels/loss_classes.h"
#include "kernels/loss_pointwise.h"
#include "kernels/loss_vectors.h"
#include "kernels/optimizer.h"
#include "kernels/orthogonalize.h"
#include "kernels/pad.h"
#include "kernels/pooling.h"
#include "kernels/prelu.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/resample.h"
#include "kernels/row_norm.h"
#include "kernels/softmax.h"
#include "kernels/statistics.h"
#include "kernels/unary.h"
#include "kernels/winograd.h"

#if defined(__x86_64__)
#define TW_DISPATCH(Table, name) \
  const Table& name() {          \
    switch (active_isa()) {      \
      case Isa::avx512:          \
        return avx512::name;     \
      case Isa::avx2:            \
        return avx2::name;       \
      case Isa::baseline:        \
        break;                   \
    }                            \
    return baseline::name;       \
  }
#else
#define TW_DISPATCH(Table, name) \
  const Table& name() { return baseline::name; }
#endif

namespace tilewise {

TW_DISPATCH(AugmentKernels, augment_kernels)
TW_DISPATCH(BatchNormKernels, batch_norm_kernels)
TW_DISPATCH(BinaryKernels, binary_kernels)
TW_DISPATCH(BinaryMathKernels, binary_math_kernels)
TW_DISPATCH(ClassLossKernels, class_loss_kernels)
TW_DISPATCH(CopyKernels, copy_kernels)
TW_DISPATCH(DepthwiseKernels, depthwise_kernels)
TW_DISPATCH(DropoutKernels, dropout_kernels)
TW_DISPATCH(EpilogueKernels, epilogue_kernels)
TW_DISPATCH(FoldKernels, fold_kernels)
TW_DISPATCH(GemmKernels, gemm_kernels)
TW_DISPATCH(GluKernels, glu_kernels)
TW_DISPATCH(GroupedKernels, grouped_kernels)
TW_DISPATCH(LocalResponseKernels, local_response_kernels)
TW_DISPATCH(OptimizerKernels, optimizer_kernels)
TW_DISPATCH(OrthogonalizeKernels, orthogonalize_kernels)
TW_DISPATCH(PointwiseLossKernels, pointwise_loss_kernels)
TW_DISPATCH(PadKernels, pad_kernels)
TW_DISPATCH(PoolKernels, pooling_kernels)
TW_DISPATCH(PreluKernels, prelu_kernels)
TW_DISPATCH(RandomKernels, random_kernels)
TW_DISPATCH(ReduceKernels, reduce_kernels)
TW_DISPATCH(ResampleKernels, resample_kernels)
TW_DISPATCH(RowNormKernels, row_norm_kernels)
TW_DISPATCH(SoftmaxKernels, softmax_kernels)
TW_DISPATCH(StatisticsKernels, statistics_kernels)
TW_DISPATCH(UnaryGradientKernels, unary_gradient_kernels)
TW_DISPATCH(UnaryKernels, unary_kernels)
TW_DISPATCH(VectorLossKernels, vector_loss_kernels)
TW_DISPATCH(WinogradKernels, winograd2_kernels)
TW_DISPATCH(WinogradKernels, winograd4_kernels)

}  // namespace tilewise
