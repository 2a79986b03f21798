// Steps over ResNet-50's 161 parameters beside their memory traffic alone, in the same pieces and
// on the same memory. Compare them with --benchmark_enable_random_interleaving=true
// --benchmark_repetitions=15: a machine's bandwidth changes from minute to minute.
#include "kernels/optimizer.h"
#include "base/cpu.h"
#include "common.h"
#include "ops/array_lists.h"
#include "ops/copy.h"
#include "ops/optimizer.h"
#include "traffic_kernels.h"

namespace tilewise {

const TrafficKernels& traffic_kernels() {
#if defined(__x86_64__)
  switch (active_isa()) {
    case Isa::avx512:
      return avx512::traffic_kernels;
    case Isa::avx2:
      return avx2::traffic_kernels;
    case Isa::baseline:
      break;
  }
#endif
  return baseline::traffic_kernels;
}

namespace bench {
namespace {

ArrayList resnet50() {
  ArrayList arrays;
  const auto add = [&](const Dims& shape) {
    arrays.push_back(random_array(shape, false, arrays.size()));
  };
  const auto layer = [&](index_t out, index_t in, index_t kernel) {
    add({out, in, kernel, kernel});
    add({out});  // the norm's scale and shift
    add({out});
  };
  layer(64, 3, 7);
  index_t channels = 64;
  const index_t stages[4][2] = {{64, 3}, {128, 4}, {256, 6}, {512, 3}};
  for (const auto& [width, blocks] : stages) {
    for (index_t block = 0; block < blocks; ++block) {
      layer(width, channels, 1);
      layer(width, width, 3);
      layer(4 * width, width, 1);
      if (block == 0) layer(4 * width, channels, 1);
      channels = 4 * width;
    }
  }
  add({1000, 2048});
  add({1000});
  return arrays;
}

// The states lie in one block, as the optimizers of the package lay them out.
ArrayList state_of(const ArrayList& params) {
  const auto lines = [](index_t size) { return (size + 15) / 16 * 16; };
  index_t total = 0;
  for (const Array& p : params) total += lines(p.size());
  const Array block = Array::empty({total}, DType::float32);
  fill(block, 0.01);
  ArrayList state;
  index_t start = 0;
  for (const Array& p : params) {
    state.push_back(reshape(block.slice(0, start, start + p.size(), 1), p.shape()));
    start += lines(p.size());
  }
  return state;
}

struct Model {
  ArrayList lists[4];  // parameters, gradients, two states
  std::vector<Piece> pieces;
  double values = 0;
};

const Model& model() {
  static const Model made = [] {
    Model m{{resnet50(), resnet50(), {}, {}}, {}, 0};
    m.lists[2] = state_of(m.lists[0]);
    m.lists[3] = state_of(m.lists[0]);
    m.pieces = cut(m.lists[0]);
    for (const Array& p : m.lists[0]) m.values += static_cast<double>(p.size());
    return m;
  }();
  return made;
}

void step(benchmark::State& state, const char* rule, const std::vector<double>& factors,
          std::size_t states, double passes) {
  const Model& m = model();
  std::vector<ArrayList> kept(optimizer_needs(rule).states);
  for (std::size_t s = 0; s < states; ++s) kept[s] = m.lists[2 + s];
  const OptimizerCall call{m.lists[0], m.lists[1], kept, factors};
  run_bytes(state, passes * 4 * m.values, [&] {
    optimizer_step(rule, call);
    return 0;
  });
}

void traffic(benchmark::State& state, int arrays, int asked) {
  const Model& m = model();
  const auto kernel = arrays == 3 ? traffic_kernels().three : traffic_kernels().four;
  run_bytes(state, (2.0 * arrays - 1) * 4 * m.values, [&] {
    for_each_piece(m.pieces, [&](std::size_t i) {
      const Piece& piece = m.pieces[i];
      float* x[4];
      for (int j = 0; j < 4; ++j) x[j] = m.lists[j][piece.array].data<float>() + piece.first;
      kernel(x, piece.count, asked);
    });
    return 0;
  });
}

void read_four(benchmark::State& state) {
  const Model& m = model();
  run_bytes(state, 4.0 * 4 * m.values, [&] {
    for_each_piece(m.pieces, [&](std::size_t i) {
      const Piece& piece = m.pieces[i];
      const float* x[4];
      for (int j = 0; j < 4; ++j) x[j] = m.lists[j][piece.array].data<float>() + piece.first;
      benchmark::DoNotOptimize(traffic_kernels().read_four(x, piece.count));
    });
    return 0;
  });
}

void add_benchmarks() {
  const std::vector<double> adam = {1, 0, 1, 0.9, 0.1, 0.999, 0.001, 1, 1e-8, 1e-5, 0};
  const std::vector<double> sgd = {1, 1e-4, 0.9, 1, 1e-5, 0, 0};
  bench::add("adam/step", [=](auto& state) { step(state, "adam", adam, 2, 7); });
  bench::add("sgd/step", [=](auto& state) { step(state, "sgd", sgd, 1, 5); });
  const char* asked[] = {"plain", "ask L1", "ask L2 and L1"};
  for (int i = 0; i < 3; ++i) {
    bench::add(std::string("adam/traffic, ") + asked[i],
               [=](auto& state) { traffic(state, 4, i); });
    bench::add(std::string("sgd/traffic, ") + asked[i], [=](auto& state) { traffic(state, 3, i); });
  }
  bench::add("adam/only read", read_four);
}

}  // namespace
}  // namespace bench
}  // namespace tilewise

int main(int argc, char** argv) {
  return tilewise::bench::run(argc, argv, tilewise::bench::add_benchmarks);
}
