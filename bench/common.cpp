#include "common.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>

#include "base/cpu.h"
#include "base/error.h"
#include "base/threads.h"

namespace tilewise::bench {

namespace {

std::string folder() {
  const char* other = std::getenv("TILEWISE_BENCH_SHAPES");
  return other ? other : TILEWISE_BENCH_SHAPES;
}

index_t parse_number(const std::string& text, const std::string& where, const std::string& word) {
  const bool digits = !text.empty() && text.size() < 10 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  TW_CHECK(digits, where, ": expected key=number or key=number x number ..., got '", word, "'");
  return std::stoll(text);
}

void parse_value(Shape& shape, const std::string& word) {
  const std::size_t equals = std::min(word.find('='), word.size());
  const std::string key = word.substr(0, equals);
  std::istringstream parts(equals < word.size() ? word.substr(equals + 1) : "");
  Dims value;
  for (std::string part; std::getline(parts, part, 'x');) {
    value.push_back(parse_number(part, shape.where, word));
  }
  if (value.empty() || word.back() == 'x') parse_number("", shape.where, word);
  TW_CHECK(shape.values.emplace(key, value).second, shape.where, ": ", key, "= is given twice");
}

}  // namespace

index_t Shape::operator[](const std::string& key) const {
  const auto found = values.find(key);
  TW_CHECK(found != values.end() && found->second.size() == 1, where, ": expected ", key,
           "= with one number");
  return found->second[0];
}

index_t Shape::get(const std::string& key, index_t fallback) const {
  return has(key) ? (*this)[key] : fallback;
}

Dims Shape::each(const std::string& key, int rank) const {
  const auto found = values.find(key);
  const int count = found == values.end() ? 0 : found->second.size();
  TW_CHECK(count == 1 || count == rank, where, ": expected ", key, "= with 1 or ", rank,
           " numbers");
  return count == rank ? found->second : Dims(rank, found->second[0]);
}

Dims Shape::each(const std::string& key, int rank, index_t fallback) const {
  return has(key) ? each(key, rank) : Dims(rank, fallback);
}

void Shape::expect_keys(std::initializer_list<const char*> known) const {
  for (const auto& entry : values) {
    const bool found = std::find(known.begin(), known.end(), entry.first) != known.end();
    TW_CHECK(found, where, ": unknown key '", entry.first, "'");
  }
}

std::vector<Shape> read_shapes(const std::string& file) {
  const std::string path = folder() + "/" + file;
  std::ifstream in(path);
  TW_CHECK(in.good(), "shapes: cannot read ", path);
  std::vector<Shape> shapes;
  std::set<std::string> names;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    Shape shape;
    shape.where = path + ":" + std::to_string(++number);
    if (!(words >> shape.name)) continue;
    TW_CHECK(names.insert(shape.name).second, shape.where, ": a second layer named '", shape.name,
             "'");
    for (std::string word; words >> word;) parse_value(shape, word);
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

std::vector<std::string> conv_files() {
  const std::set<std::string> others = {"elementwise", "gemm", "pool"};
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() == ".txt" && others.count(path.stem().string()) == 0) {
      names.push_back(path.filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool smoke() { return std::getenv("TILEWISE_BENCH_SMOKE") != nullptr; }

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
  const int count = smoke() ? 1 : static_cast<int>(std::clamp(wanted, 1.0, 8.0));
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

void print_peak() {
  const Peak& machine = peak();
  std::printf(
      "{\"isa\": \"%s\", \"threads\": %d, \"gflops\": %.4g, \"read_gbps\": %.4g, "
      "\"copy_gbps\": %.4g}\n",
      name_of(active_isa()), num_threads(), machine.gflops, machine.read_gbps, machine.copy_gbps);
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
    if (argc == 2 && std::string_view(argv[1]) == "--peak") {
      print_peak();
      return 0;
    }
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
