// What every op makes besides its result: a Tensor around it and, where gradients are recorded, a
// Node. Their fields lie in C structs, so that making either is one call, and so is the walk back.
// What they mean is Python's: tilewise/autograd/tape.py and tilewise/tensor.py.
#include "base/error.h"
#include "bindings/bindings.h"

#include <algorithm>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

// After Python.h, which it does not include.
#include <structmember.h>

namespace tilewise::bindings {
namespace {

// The fields of a Tensor; Python sees them under the same names with an underscore.
struct TensorObject {
  PyObject ob_base;
  PyObject* array;
  PyObject* requires_grad;
  PyObject* grad;
  PyObject* node;
  PyObject* base;
  PyObject* hooks;
};

struct NodeObject {
  PyObject ob_base;
  PyObject* name;
  PyObject* edges;     // a tuple: for each input its Node, the leaf itself, or None
  PyObject* backward;  // None once the graph is freed
  PyObject* saved;     // a tuple of the arrays that backward reads
  PyObject* hooks;
  std::uint64_t* versions;  // of the saved arrays when they were saved
  std::size_t version_count;
  long long order;  // of making
  char aliases;
};

template <typename Object>
constexpr PyObject* Object::* fields[] = {nullptr};
template <>
constexpr PyObject* TensorObject::* fields<TensorObject>[] = {
    &TensorObject::array, &TensorObject::requires_grad, &TensorObject::grad,
    &TensorObject::node,  &TensorObject::base,          &TensorObject::hooks};
template <>
constexpr PyObject* NodeObject::* fields<NodeObject>[] = {&NodeObject::name, &NodeObject::edges,
                                                          &NodeObject::backward, &NodeObject::saved,
                                                          &NodeObject::hooks};

// The classes that Python derives from the two base classes.
PyTypeObject* tensor_class = nullptr;
PyTypeObject* node_class = nullptr;
PyTypeObject* tensor_base = nullptr;
PyTypeObject* node_base = nullptr;

template <typename Object>
int traverse(PyObject* self, visitproc visit, void* arg) {
  for (auto field : fields<Object>) Py_VISIT(reinterpret_cast<Object*>(self)->*field);
  Py_VISIT(Py_TYPE(self));
  return 0;
}

template <typename Object>
int clear(PyObject* self) {
  for (auto field : fields<Object>) Py_CLEAR(reinterpret_cast<Object*>(self)->*field);
  return 0;
}

template <typename Object>
void deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear<Object>(self);
  if constexpr (std::is_same_v<Object, NodeObject>) {
    PyMem_Free(reinterpret_cast<NodeObject*>(self)->versions);
  }
  type->tp_free(self);
  Py_DECREF(type);
}

// An object of a derived class, its fields None.
template <typename Object>
Object* make(PyTypeObject* type) {
  auto* made = reinterpret_cast<Object*>(type->tp_alloc(type, 0));
  if (made == nullptr) throw py::error_already_set();
  for (auto field : fields<Object>) made->*field = py::none().release().ptr();
  return made;
}

void set(PyObject*& field, py::handle value) {
  PyObject* before = field;
  field = value.inc_ref().ptr();
  Py_DECREF(before);
}

py::object new_tensor(py::handle array) {
  auto* tensor = make<TensorObject>(tensor_class);
  set(tensor->array, array);
  set(tensor->requires_grad, Py_False);
  return py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(tensor));
}

// Where the gradient of an input goes: the Node that made it, or the input itself if it is a leaf.
py::handle edge_of(py::handle input) {
  if (!PyObject_TypeCheck(input.ptr(), tensor_base)) {
    throw TypeError(concat("record: expected the inputs as tensors, got ",
                           std::string(py::str(py::type::handle_of(input)))));
  }
  const auto* tensor = reinterpret_cast<const TensorObject*>(input.ptr());
  if (tensor->node != nullptr && tensor->node != Py_None) return tensor->node;
  return tensor->requires_grad == Py_True ? input : py::handle(Py_None);
}

py::tuple edges_of(const py::sequence& inputs) {
  py::tuple edges(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    edges[i] = py::reinterpret_borrow<py::object>(edge_of(inputs[i]));
  }
  return edges;
}

void keep(NodeObject* node, const py::tuple& saved) {
  if (saved.empty()) return set(node->saved, saved);
  node->versions = PyMem_New(std::uint64_t, saved.size());
  if (node->versions == nullptr) throw std::bad_alloc();
  node->version_count = saved.size();
  for (std::size_t i = 0; i < saved.size(); ++i) {
    node->versions[i] = saved[i].cast<const Array&>().storage()->version();
  }
  set(node->saved, saved);
}

py::object new_result(py::handle name, py::handle array, const py::sequence& inputs,
                      py::handle backward, const py::tuple& saved, bool aliases) {
  static long long orders = 0;  // counted with the GIL held
  py::object result = new_tensor(array);
  auto* node = make<NodeObject>(node_class);
  const auto owner = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(node));
  set(node->name, name);
  set(node->edges, edges_of(inputs));
  set(node->backward, backward);
  keep(node, saved);
  node->order = orders++;
  node->aliases = static_cast<char>(aliases);
  auto* tensor = reinterpret_cast<TensorObject*>(result.ptr());
  set(tensor->node, owner);
  set(tensor->requires_grad, Py_True);
  return result;
}

// ---------------------------------------------------------------- reading it backwards

// A walk of the tape from its roots: each Node is seen after everything that uses it, for a Node is
// made after those that it points at.
class Walk {
 public:
  Walk(bool retain_graph, py::object watched, py::object run_hooks)
      : retain_graph_(retain_graph),
        watched_(std::move(watched)),
        run_hooks_(std::move(run_hooks)),
        watches_(py::len(watched_) > 0) {}

  // Adds a gradient to what waits at an edge; `fresh` ones may be written to later.
  void add(py::handle edge, py::object array, bool fresh) {
    const auto [at, first] = waiting_.try_emplace(edge.ptr());
    Waiting& w = at->second;
    if (first) {
      w = {std::move(array), fresh};
      auto kept = py::reinterpret_borrow<py::object>(edge);
      const bool is_node = PyObject_TypeCheck(edge.ptr(), node_base) != 0;
      TW_CHECK_TYPE(is_node || PyObject_TypeCheck(edge.ptr(), tensor_base) != 0,
                    "backward: expected a Node or a tensor");
      if (!is_node) return leaves_.push_back(std::move(kept));
      heap_.emplace_back(node_of(edge)->order, std::move(kept));
      std::push_heap(heap_.begin(), heap_.end(), made_before);
    } else if (w.owned) {
      core_function("add_")(w.array, array);
    } else {
      w = {core_function("add")(w.array, array), true};
    }
  }

  void run() {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), made_before);
      const py::object node = std::move(heap_.back().second);
      heap_.pop_back();
      const auto at = waiting_.find(node.ptr());
      const py::object gradient = std::move(at->second.array);
      waiting_.erase(at);
      send(node, gradient);
    }
  }

  // (leaf, gradient, whether nobody else can see it) in the order of their first gradients.
  py::list leaves() {
    py::list out;
    for (const py::object& leaf : leaves_) {
      const Waiting& w = waiting_.at(leaf.ptr());
      out.append(py::make_tuple(leaf, w.array, w.owned));
    }
    return out;
  }
  // The gradients of the watched Nodes.
  const py::dict& seen() const { return seen_; }

 private:
  struct Waiting {
    py::object array;
    bool owned = false;
  };
  using Place = std::pair<long long, py::object>;

  static bool made_before(const Place& a, const Place& b) { return a.first < b.first; }
  static NodeObject* node_of(py::handle node) { return reinterpret_cast<NodeObject*>(node.ptr()); }
  static py::object core_function(const char* name) {
    return py::module_::import("tilewise._core").attr(name);
  }

  void send(const py::object& self, py::object gradient) {
    NodeObject* node = node_of(self);
    TW_CHECK_TYPE(node->edges != nullptr && PyTuple_Check(node->edges) != 0 &&
                      node->saved != nullptr && node->hooks != nullptr && node->name != nullptr,
                  "backward: expected a Node with its fields");
    if (node->hooks != Py_None) gradient = run_hooks_(py::handle(node->hooks), gradient);
    if (watches_ && watched_.contains(self)) seen_[self] = gradient.attr("copy")();
    const bool fresh = node->aliases == 0;
    const auto edges = py::reinterpret_borrow<py::tuple>(node->edges);
    const py::object sent = apply(self, gradient);
    const auto list = py::reinterpret_steal<py::object>(
        PySequence_Fast(sent.ptr(), "backward: expected a sequence of gradients"));
    if (!list) throw py::error_already_set();
    const auto count = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(list.ptr()));
    TW_CHECK(count == edges.size(), "backward: expected ", edges.size(), " gradients of ",
             std::string(py::str(py::handle(node->name))), ", got ", count);
    for (std::size_t i = 0; i < count; ++i) {
      const py::handle target = PyTuple_GET_ITEM(edges.ptr(), static_cast<Py_ssize_t>(i));
      const py::handle array = PySequence_Fast_ITEMS(list.ptr())[i];
      if (target.is_none() || array.is_none()) continue;
      add(target, py::reinterpret_borrow<py::object>(array), fresh);
    }
  }

  // The gradients of a Node's inputs; it forgets what it kept for this unless told otherwise.
  py::object apply(const py::object& self, const py::object& gradient) {
    NodeObject* node = node_of(self);
    if (node->backward == nullptr || node->backward == Py_None) {
      throw std::runtime_error(
          concat("backward: the graph was freed by an earlier backward (at ",
                 std::string(py::str(py::handle(node->name))),
                 "); pass retain_graph=True to the first one to go through it a second time"));
    }
    check_saved(self);
    auto sent =
        py::reinterpret_steal<py::object>(PyObject_CallOneArg(node->backward, gradient.ptr()));
    if (!sent) throw py::error_already_set();
    if (!retain_graph_) {
      const py::tuple nothing;
      set(node->backward, Py_None);
      set(node->saved, nothing);
      set(node->edges, nothing);
    }
    return sent;
  }

  static void check_saved(const py::object& self) {
    const NodeObject* node = node_of(self);
    if (PyTuple_Check(node->saved) == 0) return;
    const auto saved = static_cast<std::size_t>(PyTuple_GET_SIZE(node->saved));
    for (std::size_t i = 0; i < std::min(saved, node->version_count); ++i) {
      const py::handle item = PyTuple_GET_ITEM(node->saved, static_cast<Py_ssize_t>(i));
      const auto& array = item.cast<const Array&>();
      const std::uint64_t now = array.storage()->version();
      if (now == node->versions[i]) continue;
      throw std::runtime_error(concat(
          "backward: a tensor of shape ", to_string(array.shape()), " that the gradient of ",
          std::string(py::str(py::handle(node->name))), " needs was modified in place (version ",
          now, ", expected ", node->versions[i], ")"));
    }
  }

  bool retain_graph_;
  py::object watched_;
  py::object run_hooks_;
  bool watches_;
  std::unordered_map<PyObject*, Waiting> waiting_;
  std::vector<Place> heap_;
  std::vector<py::object> leaves_;
  py::dict seen_;
};

py::tuple propagate(const py::list& roots, bool retain_graph, py::object watched,
                    py::object run_hooks) {
  Walk walk(retain_graph, std::move(watched), std::move(run_hooks));
  for (const py::handle root : roots) {
    const auto pair = root.cast<std::pair<py::object, py::object>>();
    walk.add(pair.first, pair.second, false);
  }
  walk.run();
  return py::make_tuple(walk.leaves(), walk.seen());
}

// ---------------------------------------------------------------- as Python sees them

// Every op calls these, so they go without pybind11's matching of signatures.
template <Py_ssize_t count, typename Call>
PyObject* called(Py_ssize_t given, const Call& call) {
  if (given != count) {
    PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", count, given);
    return nullptr;
  }
  try {
    return call().release().ptr();
  } catch (...) {
    py::detail::try_translate_exceptions();
    return nullptr;
  }
}

PyObject* call_new_tensor(PyObject*, PyObject* const* args, Py_ssize_t given) {
  return called<1>(given, [&] { return new_tensor(args[0]); });
}

PyObject* call_new_result(PyObject*, PyObject* const* args, Py_ssize_t given) {
  return called<6>(given, [&] {
    return new_result(args[0], args[1], py::reinterpret_borrow<py::sequence>(args[2]), args[3],
                      py::handle(args[4]).cast<py::tuple>(), args[5] == Py_True);
  });
}

// Whether this thread records: an object with one attribute, for reading it is a part of every call
// that could.
thread_local bool recording = true;

PyObject* get_enabled(PyObject*, void*) { return PyBool_FromLong(recording); }

int set_enabled(PyObject*, PyObject* value, void*) {
  if (value != Py_True && value != Py_False) {
    PyErr_SetString(PyExc_TypeError, "grad_mode: expected enabled as a bool");
    return -1;
  }
  recording = value == Py_True;
  return 0;
}

PyGetSetDef grad_mode_attributes[] = {{"enabled", get_enabled, set_enabled, "bool", nullptr},
                                      {nullptr, nullptr, nullptr, nullptr, nullptr}};

void add_grad_mode(py::module_& m) {
  PyType_Slot slots[] = {{Py_tp_getset, grad_mode_attributes},
                         {Py_tp_doc, const_cast<char*>("Whether this thread records operations.")},
                         {0, nullptr}};
  PyType_Spec spec{"tilewise._core.GradMode", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT, slots};
  const auto type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  m.attr("GradMode") = type;
  m.attr("grad_mode") = type();
}

template <typename Function>
PyCFunction as_method(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

void add_functions(py::module_& m) {
  static PyMethodDef functions[] = {
      {"new_tensor", as_method(&call_new_tensor), METH_FASTCALL,
       "new_tensor(array: tilewise._core.Array) -> typing.Any\n\nA Tensor without history."},
      {"new_result", as_method(&call_new_result), METH_FASTCALL,
       "new_result(name: str, array: tilewise._core.Array, inputs: typing.Sequence[typing.Any], "
       "backward: typing.Any, saved: tuple[tilewise._core.Array, ...], aliases: bool) -> "
       "typing.Any\n\nA Tensor whose Node is made with it."},
      {nullptr, nullptr, 0, nullptr}};
  if (PyModule_AddFunctions(m.ptr(), functions) != 0) throw py::error_already_set();
}

template <typename Object>
PyTypeObject* add_class(py::module_& m, const char* name, PyMemberDef* members, const char* doc) {
  PyType_Slot slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(&traverse<Object>)},
                         {Py_tp_clear, reinterpret_cast<void*>(&clear<Object>)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(&deallocate<Object>)},
                         {Py_tp_members, members},
                         {Py_tp_doc, const_cast<char*>(doc)},
                         {0, nullptr}};
  const std::string full = std::string("tilewise._core.") + name;
  PyType_Spec spec{full.c_str(), static_cast<int>(sizeof(Object)), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  auto type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  m.attr(name) = type;
  return reinterpret_cast<PyTypeObject*>(type.release().ptr());
}

void check_derived(py::handle type, PyTypeObject* base) {
  TW_CHECK_TYPE(PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type.ptr()), base),
                "expected a class derived from ", base->tp_name);
}

#define TW_FIELD(Object, name, field) \
  {name, T_OBJECT_EX, static_cast<Py_ssize_t>(offsetof(Object, field)), 0, nullptr}

PyMemberDef tensor_members[] = {TW_FIELD(TensorObject, "_array", array),
                                TW_FIELD(TensorObject, "_requires_grad", requires_grad),
                                TW_FIELD(TensorObject, "_grad", grad),
                                TW_FIELD(TensorObject, "_node", node),
                                TW_FIELD(TensorObject, "_base", base),
                                TW_FIELD(TensorObject, "_hooks", hooks),
                                {nullptr, 0, 0, 0, nullptr}};

PyMemberDef node_members[] = {
    TW_FIELD(NodeObject, "name", name),
    TW_FIELD(NodeObject, "edges", edges),
    TW_FIELD(NodeObject, "backward", backward),
    TW_FIELD(NodeObject, "saved", saved),
    TW_FIELD(NodeObject, "hooks", hooks),
    {"order", T_LONGLONG, static_cast<Py_ssize_t>(offsetof(NodeObject, order)), READONLY, nullptr},
    {"aliases", T_BOOL, static_cast<Py_ssize_t>(offsetof(NodeObject, aliases)), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

#undef TW_FIELD

}  // namespace

void bind_tape(py::module_& m) {
  tensor_base = add_class<TensorObject>(m, "TensorBase", tensor_members, "The fields of a Tensor.");
  node_base =
      add_class<NodeObject>(m, "NodeBase", node_members, "The fields of a Node of the tape.");
  add_grad_mode(m);
  add_functions(m);
  m.def("propagate", &propagate, py::arg("roots"), py::arg("retain_graph"), py::arg("watched"),
        py::arg("run_hooks"),
        "Walks the tape from roots (edge, gradient): (leaf, its gradient, whether nobody else sees "
        "it) for each leaf, and the gradients of the watched nodes.");
  m.def(
      "bind_tensor_class",
      [](const py::type& tensor) {
        check_derived(tensor, tensor_base);
        tensor_class = reinterpret_cast<PyTypeObject*>(tensor.inc_ref().ptr());
      },
      py::arg("tensor"));
  m.def(
      "bind_node_class",
      [](const py::type& node) {
        check_derived(node, node_base);
        node_class = reinterpret_cast<PyTypeObject*>(node.inc_ref().ptr());
      },
      py::arg("node"));
}

}  // namespace tilewise::bindings
