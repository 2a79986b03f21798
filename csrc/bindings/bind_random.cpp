#include "base/error.h"
#include "bindings/bindings.h"
#include "ops/random.h"

namespace tilewise::bindings {
namespace {

// Counters are reserved while the GIL is held: two threads that share a generator never draw the
// same numbers.
template <typename F>
Array draw(Generator& generator, Draw kind, const Dims& shape, DType dtype, F generate) {
  const RandomStream stream = reserve(generator, kind, shape, dtype);
  py::gil_scoped_release release;
  return generate(stream);
}

Array bind_uniform(const Dims& shape, double low, double high, Generator& g, DType dtype) {
  return draw(g, Draw::uniform, shape, dtype,
              [&](RandomStream s) { return uniform(shape, low, high, s, dtype); });
}

Array bind_normal(const Dims& shape, double mean, double deviation, Generator& g, DType dtype) {
  return draw(g, Draw::normal, shape, dtype,
              [&](RandomStream s) { return normal(shape, mean, deviation, s, dtype); });
}

Array bind_randint(const Dims& shape, std::int64_t low, std::int64_t high, Generator& g) {
  return draw(g, Draw::integers, shape, DType::int64,
              [&](RandomStream s) { return random_integers(shape, low, high, s); });
}

Array bind_bernoulli(const Dims& shape, double probability, Generator& g, DType dtype) {
  return draw(g, Draw::bernoulli, shape, dtype,
              [&](RandomStream s) { return bernoulli(shape, probability, s, dtype); });
}

Array bind_permutation(index_t n, Generator& g) {
  TW_CHECK(n >= 0, "permutation: expected a size >= 0, got ", n);
  return draw(g, Draw::permutation, {n}, DType::int64,
              [&](RandomStream s) { return permutation(n, s); });
}

}  // namespace

void bind_random(py::module_& m) {
  py::class_<Generator>(
      m, "Generator", R"(A stream of random numbers (Philox4x32-10), a function of seed and offset.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.

Args:
    seed: tells the stream from others.

Example:
    >>> a, b = tw.Generator(seed=7), tw.Generator(seed=7)
    >>> tw.equal(tw.rand(3, generator=a), tw.rand(3, generator=b))
    True
)")
      .def(py::init<std::uint64_t>(), py::arg("seed") = 0)
      .def_property_readonly("seed", &Generator::seed)
      .def_property("offset", &Generator::offset, &Generator::set_offset)
      .def("manual_seed", &Generator::manual_seed, py::arg("seed"))
      .def("__repr__",
           [](const Generator& g) {
             return concat("Generator(seed=", g.seed(), ", offset=", g.offset(), ")");
           })
      .def(py::pickle([](const Generator& g) { return py::make_tuple(g.seed(), g.offset()); },
                      [](const py::tuple& state) {
                        Generator g(state[0].cast<std::uint64_t>());
                        g.set_offset(state[1].cast<std::uint64_t>());
                        return g;
                      }));
  const auto dtype = py::arg("dtype") = DType::float32;
  m.def("uniform", &bind_uniform, py::arg("shape"), py::arg("low"), py::arg("high"),
        py::arg("generator"), dtype);
  m.def("normal", &bind_normal, py::arg("shape"), py::arg("mean"), py::arg("std"),
        py::arg("generator"), dtype);
  m.def("randint", &bind_randint, py::arg("shape"), py::arg("low"), py::arg("high"),
        py::arg("generator"));
  m.def("bernoulli", &bind_bernoulli, py::arg("shape"), py::arg("p"), py::arg("generator"), dtype);
  m.def("permutation", &bind_permutation, py::arg("n"), py::arg("generator"));
  m.def(
      "philox",
      [](std::uint64_t seed, std::uint64_t counter) {
        const Philox4 r = philox4x32(seed, counter);
        return py::make_tuple(r.v[0], r.v[1], r.v[2], r.v[3]);
      },
      py::arg("seed"), py::arg("counter"));
}

}  // namespace tilewise::bindings
