// What the benchmark binaries share: shapes from files, inputs that do not stay in the caches,
// rates as a percentage of the peak measured by the same binary.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "base/array.h"
#include "peak.h"

namespace tilewise::bench {

// One line of a shapes file: `name key=value key=value …`; `#` starts a comment. A value is a
// number or, where it has one for each dimension, several joined by `x`. What is wrong throws with
// the file and the line.
struct Shape {
  std::string where;  // file:line
  std::string name;
  std::map<std::string, Dims> values;

  bool has(const std::string& key) const { return values.count(key) != 0; }
  index_t operator[](const std::string& key) const;
  index_t get(const std::string& key, index_t fallback) const;
  Dims each(const std::string& key, int rank) const;  // one for all dimensions, or one for each
  Dims each(const std::string& key, int rank, index_t fallback) const;
  void expect_keys(std::initializer_list<const char*> known) const;
};

// Reads bench/shapes/<file> (TILEWISE_BENCH_SHAPES names another folder).
std::vector<Shape> read_shapes(const std::string& file);

// Names of that folder's files of convolutions, one a network: all but those of other operations.
std::vector<std::string> conv_files();

// TILEWISE_BENCH_SMOKE: only that everything runs. Batch 1 and no rotation, for a debug build or
// CI.
bool smoke();

// Uniform random float32 values in [-1, 1), contiguous or channels-last.
Array random_array(const Dims& shape, bool channels_last, std::uint64_t seed);

// Copies of one input, cycled through so that a step finds its operands where a network's layer
// would: beyond the last-level cache where they are large, cached where all of them are small.
class Rotation {
 public:
  Rotation(const Dims& shape, bool channels_last);
  const Array& next();

 private:
  std::vector<Array> copies_;
  std::size_t position_ = 0;
};

// Runs `body` as the benchmark's loop and reports GFLOP/s for `flops` operations, or GB/s for
// `bytes` moved, an iteration, each with its percentage of the peak. The peak of bytes is the copy
// bandwidth of memory: what stays in the caches exceeds it.
void report_flops(benchmark::State& state, double flops, double seconds);
void report_bytes(benchmark::State& state, double bytes, double seconds);

template <typename Body>
double timed_loop(benchmark::State& state, const Body& body) {  // seconds of all iterations
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) benchmark::DoNotOptimize(body());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
template <typename Body>
void run_flops(benchmark::State& state, double flops, const Body& body) {
  report_flops(state, flops, timed_loop(state, body));
}
template <typename Body>
void run_bytes(benchmark::State& state, double bytes, const Body& body) {
  report_bytes(state, bytes, timed_loop(state, body));
}

// A benchmark by the wall clock: the work is done by the library's threads.
template <typename Body>
void add(const std::string& name, const Body& body) {
  benchmark::RegisterBenchmark(name.c_str(), body)->UseRealTime()->Unit(benchmark::kMicrosecond);
}

// The main function of every binary: measures the peak, prints it with the machine, runs. With
// --peak it prints the peak alone, as JSON.
int run(int argc, char** argv, void (*add_benchmarks)());

}  // namespace tilewise::bench
