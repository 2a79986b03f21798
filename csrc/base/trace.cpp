#include "base/trace.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tilewise {

bool trace_enabled() {
  static const bool enabled = [] {
    const char* value = std::getenv("TILEWISE_VERBOSE");
    return value != nullptr && *value != '\0' && std::strcmp(value, "0") != 0;
  }();
  return enabled;
}

void trace_line(const std::string& line) { std::fprintf(stderr, "tilewise: %s\n", line.c_str()); }

}  // namespace tilewise
