#include "peak.h"

#include <algorithm>
#include <chrono>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/threads.h"
#include "peak_kernels.h"

namespace tilewise {

const PeakKernels& peak_kernels() {
#if defined(__x86_64__)
  switch (active_isa()) {
    case Isa::avx512:
      return avx512::peak_kernels;
    case Isa::avx2:
      return avx2::peak_kernels;
    case Isa::baseline:
      break;
  }
#endif
  return baseline::peak_kernels;
}

namespace bench {
namespace {

constexpr int rounds = 5;

double seconds_of(FunctionRef<void()> work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double measure_gflops() {
  constexpr index_t steps = 2'000'000;  // a few milliseconds
  const index_t threads = num_threads();
  Scratch<float> sinks(static_cast<std::size_t>(threads) * 16);
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    double operations = 0;
    const double seconds = seconds_of([&] {
      parallel_for(threads, [&](index_t piece) {
        const double done = peak_kernels().multiply_add(steps, sinks.data() + piece * 16);
        if (piece == 0) operations = done * static_cast<double>(threads);
      });
    });
    best = std::max(best, operations / seconds * 1e-9);
  }
  return best;
}

Peak measure() {
  // Four times the last-level cache, at most 256 MB an array.
  const index_t bytes = std::min<index_t>(4 * cache_sizes().l3, index_t{256} << 20);
  const index_t pieces = 16 * num_threads();
  const index_t share = bytes / 4 / pieces / 64 * 64;  // whole cache lines of floats
  Scratch<float> source(static_cast<std::size_t>(share * pieces));
  Scratch<float> target(static_cast<std::size_t>(share * pieces));
  Scratch<float> sums(static_cast<std::size_t>(pieces) * 16);
  std::fill_n(source.data(), source.size(), 1.0F);
  std::fill_n(target.data(), target.size(), 0.0F);
  const double size = static_cast<double>(share * pieces) * sizeof(float);

  Peak result{measure_gflops(), 0, 0};
  for (int round = 0; round < rounds; ++round) {
    const double read = seconds_of([&] {
      parallel_for(pieces, [&](index_t i) {
        sums[static_cast<std::size_t>(i) * 16] =
            peak_kernels().read(source.data() + i * share, share);
      });
    });
    const double copy = seconds_of([&] {
      parallel_for(pieces, [&](index_t i) {
        peak_kernels().copy(source.data() + i * share, target.data() + i * share, share);
      });
    });
    result.read_gbps = std::max(result.read_gbps, size / read * 1e-9);
    result.copy_gbps = std::max(result.copy_gbps, 2 * size / copy * 1e-9);
  }
  return result;
}

}  // namespace

const Peak& peak() {
  static const Peak measured = measure();
  return measured;
}

}  // namespace bench
}  // namespace tilewise
