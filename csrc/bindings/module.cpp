#include "base/error.h"
#include "bindings/bindings.h"

namespace py = pybind11;
namespace tw = tilewise;

PYBIND11_MODULE(_core, m) {
  m.doc() = "The compiled core of tilewise.";
  m.attr("__version__") = TILEWISE_VERSION;

  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const tw::TypeError& e) {
      PyErr_SetString(PyExc_TypeError, e.what());
    } catch (const tw::IndexError& e) {
      PyErr_SetString(PyExc_IndexError, e.what());
    } catch (const tw::ValueError& e) {
      PyErr_SetString(PyExc_ValueError, e.what());
    } catch (const tw::OutOfMemory& e) {
      PyErr_SetString(PyExc_MemoryError, e.what());
    }
  });

  tw::bindings::bind_array(m);
  tw::bindings::bind_exchange(m);
  tw::bindings::bind_tape(m);
  tw::bindings::bind_runtime(m);
  tw::bindings::bind_binary(m);
  tw::bindings::bind_reduce(m);
  tw::bindings::bind_unary(m);
  tw::bindings::bind_prelu_glu(m);
  tw::bindings::bind_select(m);
  tw::bindings::bind_view(m);
  tw::bindings::bind_scan(m);
  tw::bindings::bind_random(m);
  tw::bindings::bind_indexing(m);
  tw::bindings::bind_matmul(m);
  tw::bindings::bind_conv(m);
  tw::bindings::bind_augment(m);
  tw::bindings::bind_batch_norm(m);
  tw::bindings::bind_pad(m);
  tw::bindings::bind_normalization(m);
  tw::bindings::bind_pooling(m);
  tw::bindings::bind_interpolate(m);
  tw::bindings::bind_dropout(m);
  tw::bindings::bind_losses(m);
  tw::bindings::bind_optimizer(m);
}
