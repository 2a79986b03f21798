// One table of function pointers per kernel file and instruction set.
//
// A kernel header declares a struct of function pointers and names it here:
//
//   struct SoftmaxKernels { void (*softmax)(...); };
//   TW_KERNEL_TABLE(SoftmaxKernels, softmax_kernels)
//
// Its *.kern.cpp is compiled once per ISA with TW_ISA set to the namespace and defines
// `const SoftmaxKernels softmax_kernels` in it. `softmax_kernels()` (dispatch.cpp) returns the
// table of the active ISA.
#pragma once

#include "base/index.h"

#if defined(__x86_64__)
#define TW_KERNEL_TABLE(Table, name) \
  namespace baseline {               \
  extern const Table name;           \
  }                                  \
  namespace avx2 {                   \
  extern const Table name;           \
  }                                  \
  namespace avx512 {                 \
  extern const Table name;           \
  }                                  \
  const Table& name();
#else
#define TW_KERNEL_TABLE(Table, name) \
  namespace baseline {               \
  extern const Table name;           \
  }                                  \
  const Table& name();
#endif
