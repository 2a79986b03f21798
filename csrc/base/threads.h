// The only door to threads; threads.cpp is the only file that names OpenMP.
//
// Work is cut into pieces by the problem, never by the number of threads: an op that combines
// partial results does so in piece order, so results have the same bits at any thread count.
#pragma once

#include "base/function_ref.h"
#include "base/types.h"

namespace tilewise {

// Threads that parallel regions use: what set_num_threads said, else OpenMP's setting
// (OMP_NUM_THREADS, threadpoolctl) capped by CPU affinity and the container's CPU quota.
int num_threads();
void set_num_threads(int count);

// Calls body(piece) for every piece in [0, count), in any order, on the threads available; a thread
// goes through neighbouring pieces where it can.
// The first exception is rethrown here. Nested calls run serially. Denormals are flushed to zero
// inside and the caller's floating-point state is restored afterwards.
void parallel_for(index_t count, FunctionRef<void(index_t)> body);

// The same from the last piece to the first: a second pass over what a parallel_for read finds the
// end of it in the caches, and each thread what it read itself.
void parallel_backwards(index_t count, FunctionRef<void(index_t)> body);

// As parallel_for, on the calling thread alone where all pieces together are fewer multiply-adds
// than a thread is worth waking for.
void parallel_for(index_t count, index_t multiply_adds, FunctionRef<void(index_t)> body);

// Cuts [0, size) into pieces of `grain` and calls body(first, last) for each.
void parallel_ranges(index_t size, index_t grain, FunctionRef<void(index_t, index_t)> body);

// Elements of a cheap elementwise loop worth waking a thread for.
constexpr index_t elementwise_grain = 32768;

}  // namespace tilewise
