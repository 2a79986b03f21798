#include <pybind11/stl.h>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/serial_thread.h"
#include "base/threads.h"
#include "bindings/bindings.h"

namespace tilewise::bindings {
namespace {

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (Isa isa : available_isas()) names.emplace_back(name_of(isa));
  return names;
}

py::dict memory_report() {
  const MemoryStats stats = memory_stats();
  py::dict report;
  report["in_use"] = stats.in_use;
  report["cached"] = stats.cached;
  report["peak_in_use"] = stats.peak_in_use;
  report["allocations"] = stats.allocations;
  report["system_allocations"] = stats.system_allocations;
  return report;
}

py::dict config() {
  py::dict report;
  report["version"] = TILEWISE_VERSION;
  report["compiler"] = TILEWISE_COMPILER;
  report["cpu"] = cpu_name();
  report["isa"] = name_of(active_isa());
  report["available_isas"] = isa_names();
  report["threads"] = num_threads();
  report["l1_data_cache"] = cache_sizes().l1_data;
  report["l2_cache"] = cache_sizes().l2;
  report["l3_cache"] = cache_sizes().l3;
  return report;
}

}  // namespace

void bind_runtime(py::module_& m) {
  m.def("get_num_threads", &num_threads, R"(The number of threads that operations use.

Example:
    >>> tw.set_num_threads(2)
    >>> tw.get_num_threads()
    2
)");
  m.def("set_num_threads", &set_num_threads, py::arg("count"),
        R"(Sets how many threads operations use. Results do not depend on it, to the bit.

Args:
    count: 1 to 1024. Before the first call it is what OMP_NUM_THREADS, the CPU affinity and the
        container allow.

Raises:
    ValueError: for another count.

Example:
    >>> tw.set_num_threads(1)
)");
  m.def("set_serial_thread", &set_serial_thread, py::arg("serial"));
  m.def("available_isas", &isa_names);
  m.def("isa", [] { return std::string(name_of(active_isa())); });
  m.def("set_isa", &set_isa, py::arg("name"));
  m.def("config", &config,
        R"(The version, the processor, the instruction set in use and the threads.

Example:
    >>> tw.show_config()["threads"] == tw.get_num_threads()
    True
)");
  m.def("memory_stats", &memory_report);
  m.def("block_bytes", &block_bytes, py::arg("bytes"));
  m.def("reset_peak_memory", &reset_peak_memory);
  m.def("empty_cache", &release_cached_memory);
  (void)active_isa();  // an impossible TILEWISE_ISA fails at import, not in the first op
}

}  // namespace tilewise::bindings
