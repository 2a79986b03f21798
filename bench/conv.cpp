// Convolutions in their three directions through the public ops, in GFLOP/s of the direct form:
// <network>/<layer>/<direction> for every layer of shapes/<network>.txt. Without bias, as
// compare.py.
#include "ops/conv/conv.h"

#include "base/error.h"
#include "common.h"

namespace tilewise::bench {
namespace {

struct Layer {
  explicit Layer(const Shape& s) {
    s.expect_keys(
        {"n", "c", "k", "hw", "map", "r", "stride", "pad", "dilation", "groups", "count"});
    for (const char* key : {"n", "c", "k"}) {
      TW_CHECK(s[key] > 0, s.where, ": expected ", key, "= with one positive number");
    }
    TW_CHECK(s.has("hw") != s.has("map"), s.where, ": expected either hw= or map=");
    const Dims map = s.has("map") ? s.values.at("map") : Dims(2, s["hw"]);
    const int rank = map.size();
    const Dims pad = s.each("pad", rank, 0);
    const index_t groups = s.get("groups", 1);
    TW_CHECK(groups > 0 && s["c"] % groups == 0, s.where, ": groups= does not divide c=");
    const index_t batch = smoke() ? 1 : s["n"];
    input = {batch, s["c"]};
    for (index_t size : map) input.push_back(size);
    weight = {s["k"], s["c"] / groups};
    for (index_t size : s.each("r", rank)) weight.push_back(size);
    options.arguments = {s.each("stride", rank, 1), pad, pad, s.each("dilation", rank, 1), groups};
    try {
      output = conv_output_shape(make_conv_problem("conv", input, weight, options.arguments),
                                 input.size());
    } catch (const ValueError& error) {
      throw ValueError(s.where + ": " + error.what());
    }
  }

  double flops() const {
    return 2.0 * static_cast<double>(element_count(output)) *
           static_cast<double>(element_count(weight)) / static_cast<double>(weight[0]);
  }

  Dims input;
  Dims weight;
  Dims output;
  ConvOptions options;
};

void forward(benchmark::State& state, const Layer& layer) {
  Rotation x(layer.input, true);
  const Array weight = random_array(layer.weight, false, 1);
  run_flops(state, layer.flops(),
            [&] { return conv_forward(x.next(), weight, {}, layer.options).y; });
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
    return conv_backward_weight(dy.next(), x.next(), layer.weight, false, {}, layer.options);
  });
}

void add_layer(const std::string& name, const Layer& layer) {
  add(name + "/forward", [layer](benchmark::State& state) { forward(state, layer); });
  add(name + "/backward_data", [layer](benchmark::State& state) { backward_data(state, layer); });
  add(name + "/backward_weight",
      [layer](benchmark::State& state) { backward_weight(state, layer); });
}

void add_benchmarks() {
  for (const std::string& file : conv_files()) {
    const std::string network = file.substr(0, file.rfind('.'));
    for (const Shape& shape : read_shapes(file)) {
      add_layer(network + "/" + shape.name, Layer(shape));
    }
  }
}

}  // namespace
}  // namespace tilewise::bench

int main(int argc, char** argv) {
  return tilewise::bench::run(argc, argv, tilewise::bench::add_benchmarks);
}
