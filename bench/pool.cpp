// Pooling: bound by memory, so in GB/s of the bytes that must move.
#include "common.h"
#include "ops/pooling.h"

namespace tilewise::bench {
namespace {

struct Layer {
  explicit Layer(const Shape& s) : input{s["n"], s["c"], s["hw"], s["hw"]} {
    pool.kernel = Dims(2, s["r"]);
    pool.stride = Dims(2, s.get("stride", s["r"]));
    pool.padding = Dims(2, s.get("pad", 0));
    pool.dilation = Dims(2, 1);
    output = pool_output_shape("max_pool2d", input, pool);
  }
  double input_bytes() const { return static_cast<double>(element_count(input)) * sizeof(float); }
  double output_bytes() const { return static_cast<double>(element_count(output)) * sizeof(float); }
  Dims input;
  Dims output;
  PoolShape pool;
};

void max_forward(benchmark::State& state, const Layer& layer) {
  Rotation x(layer.input, true);
  // Values and positions, 4 bytes each.
  run_bytes(state, layer.input_bytes() + 2 * layer.output_bytes(),
            [&] { return max_pool_forward(x.next(), layer.pool, true); });
}

void max_backward(benchmark::State& state, const Layer& layer) {
  const Array x = random_array(layer.input, true, 1);
  const Array argmax = max_pool_forward(x, layer.pool, true).argmax;
  Rotation dy(layer.output, true);
  run_bytes(state, layer.input_bytes() + 2 * layer.output_bytes(),
            [&] { return max_pool_backward(dy.next(), argmax, layer.input, &layer.pool); });
}

void average_forward(benchmark::State& state, const Layer& layer) {
  Rotation x(layer.input, true);
  AveragePool average;
  average.shape = layer.pool;
  run_bytes(state, layer.input_bytes() + layer.output_bytes(),
            [&] { return avg_pool_forward(x.next(), average); });
}

void average_backward(benchmark::State& state, const Layer& layer) {
  Rotation dy(layer.output, true);
  AveragePool average;
  average.shape = layer.pool;
  run_bytes(state, layer.input_bytes() + layer.output_bytes(),
            [&] { return avg_pool_backward(dy.next(), layer.input, average); });
}

void add_benchmarks() {
  using Run = void (*)(benchmark::State&, const Layer&);
  const std::pair<const char*, Run> cases[] = {
      {"max_pool/forward/", max_forward},
      {"max_pool/backward/", max_backward},
      {"avg_pool/forward/", average_forward},
      {"avg_pool/backward/", average_backward},
  };
  for (const Shape& shape : read_shapes("pool.txt")) {
    for (const auto& [name, run] : cases) {
      add(name + shape.name,
          [layer = Layer(shape), run = run](benchmark::State& state) { run(state, layer); });
    }
  }
}

}  // namespace
}  // namespace tilewise::bench

int main(int argc, char** argv) {
  return tilewise::bench::run(argc, argv, tilewise::bench::add_benchmarks);
}
