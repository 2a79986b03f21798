#include "common.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <sstream>

#include "base/cpu.h"
#include "base/error.h"
#include "base/threads.h"

namespace tilewise::bench {

index_t Shape::operator[](const std::string& key) const {
  const auto found = values.find(key);
  TW_CHECK(found != values.end(), "shapes: line '", name, "' lacks ", key, "=");
  return found->second;
}

index_t Shape::get(const std::string& key, index_t fallback) const {
  const auto found = values.find(key);
  return found == values.end() ? fallback : found->second;
}

std::vector<Shape> read_shapes(const std::string& file) {
  const char* folder = std::getenv("TILEWISE_BENCH_SHAPES");
  const std::string path = std::string(folder ? folder : TILEWISE_BENCH_SHAPES) + "/" + file;
  std::ifstream in(path);
  TW_CHECK(in.good(), "shapes: cannot read ", path);
  std::vector<Shape> shapes;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    Shape shape;
    if (!(words >> shape.name)) continue;
    for (std::string word; words >> word;) {
      const std::size_t equals = word.find('=');
      TW_CHECK(equals != std::string::npos, "shapes: expected key=value in ", path, ", got ", word);
      shape.values[word.substr(0, equals)] = std::stoll(word.substr(equals + 1));
    }
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

Array random_array(const Dims& shape, bool channels_last, std::uint64_t seed) {
  Array array = channels_last ? Array::empty_channels_last(shape, DType::float32)
                              : Array::empty(shape, DType::float32);
  float* values = array.data<float>();
  std::uint64_t state = seed * 2 + 1;
  for (index_t i = 0; i < array.size(); ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;  // Knuth's MMIX generator
    values[i] = static_cast<float>(static_cast<std::int32_t>(state >> 32)) * 0x1p-31F;
  }
  return array;
}

Rotation::Rotation(const Dims& shape, bool channels_last) {
  const double bytes = static_cast<double>(element_count(shape)) * sizeof(float);
  const double wanted = 2.0 * static_cast<double>(cache_sizes().l3) / std::max(bytes, 1.0);
  const int count = static_cast<int>(std::clamp(wanted, 1.0, 8.0));
  for (int i = 0; i < count; ++i) {
    copies_.push_back(random_array(shape, channels_last, static_cast<std::uint64_t>(i)));
  }
}

const Array& Rotation::next() {
  position_ = (position_ + 1) % copies_.size();
  return copies_[position_];
}

namespace {

void report(benchmark::State& state, const char* name, double amount, double seconds,
            double peak_rate) {
  const double rate = amount * static_cast<double>(state.iterations()) / seconds * 1e-9;
  state.counters[name] = rate;
  state.counters["%peak"] = 100 * rate / peak_rate;
}

}  // namespace

void report_flops(benchmark::State& state, double flops, double seconds) {
  report(state, "GFLOP/s", flops, seconds, peak().gflops);
}

void report_bytes(benchmark::State& state, double bytes, double seconds) {
  report(state, "GB/s", bytes, seconds, peak().copy_gbps);
}

int run(int argc, char** argv, void (*add_benchmarks)()) {
  try {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    const Peak& machine = peak();
    benchmark::AddCustomContext("cpu", cpu_name());
    benchmark::AddCustomContext("isa", name_of(active_isa()));
    benchmark::AddCustomContext("threads", std::to_string(num_threads()));
    benchmark::AddCustomContext("peak GFLOP/s (multiply-add)", std::to_string(machine.gflops));
    benchmark::AddCustomContext("peak GB/s (read)", std::to_string(machine.read_gbps));
    benchmark::AddCustomContext("peak GB/s (copy)", std::to_string(machine.copy_gbps));
    add_benchmarks();
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}

}  // namespace tilewise::bench
