// Convolutions in their three directions through the public ops, in GFLOP/s of the direct form.
#include "ops/conv/conv.h"
#include "common.h"

namespace tilewise::bench {
namespace {

struct Layer {
  explicit Layer(const Shape& s)
      : input{s["n"], s["c"], s["hw"], s["hw"]},
        weight{s["k"], s["c"] / s.get("groups", 1), s["r"], s["r"]} {
    const index_t stride = s.get("stride", 1);
    const index_t pad = s.get("pad", 0);
    const index_t dilation = s.get("dilation", 1);
    options.arguments = {Dims(2, stride), Dims(2, pad), Dims(2, pad), Dims(2, dilation),
                         s.get("groups", 1)};
    const index_t out = (s["hw"] + 2 * pad - dilation * (s["r"] - 1) - 1) / stride + 1;
    output = {s["n"], s["k"], out, out};
  }

  double flops() const {
    return 2.0 * static_cast<double>(element_count(output)) *
           static_cast<double>(weight[1] * weight[2] * weight[3]);
  }

  Dims input;
  Dims weight;
  Dims output;
  ConvOptions options;
};

void forward(benchmark::State& state, const Layer& layer) {
  Rotation x(layer.input, true);
  const Array weight = random_array(layer.weight, false, 1);
  ConvEpilogue epilogue;
  epilogue.bias = random_array({layer.weight[0]}, false, 2);
  run_flops(state, layer.flops(),
            [&] { return conv_forward(x.next(), weight, epilogue, layer.options).y; });
}

void backward_data(benchmark::State& state, const Layer& layer) {
  Rotation dy(layer.output, true);
  const Array weight = random_array(layer.weight, false, 1);
  run_flops(state, layer.flops(),
            [&] { return conv_backward_data(dy.next(), weight, layer.input, {}, layer.options); });
}

void backward_weight(benchmark::State& state, const Layer& layer) {
  Rotation x(layer.input, true);
  Rotation dy(layer.output, true);
  run_flops(state, layer.flops(), [&] {
    return conv_backward_weight(dy.next(), x.next(), layer.weight, true, {}, layer.options);
  });
}

void add_benchmarks() {
  for (const Shape& shape : read_shapes("conv.txt")) {
    const Layer layer(shape);
    add("conv/" + shape.name + "/forward",
        [layer](benchmark::State& state) { forward(state, layer); });
    add("conv/" + shape.name + "/backward_data",
        [layer](benchmark::State& state) { backward_data(state, layer); });
    add("conv/" + shape.name + "/backward_weight",
        [layer](benchmark::State& state) { backward_weight(state, layer); });
  }
}

}  // namespace
}  // namespace tilewise::bench

int main(int argc, char** argv) {
  return tilewise::bench::run(argc, argv, tilewise::bench::add_benchmarks);
}
