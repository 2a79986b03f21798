// TILEWISE_VERBOSE=1 prints what the library decides (algorithms, blocking) to stderr.
#pragma once

#include <string>

namespace tilewise {

bool trace_enabled();
void trace_line(const std::string& line);

}  // namespace tilewise

#define TW_TRACE(...)                                                                         \
  do {                                                                                        \
    if (::tilewise::trace_enabled()) ::tilewise::trace_line(::tilewise::concat(__VA_ARGS__)); \
  } while (0)
