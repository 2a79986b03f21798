// Typed errors. The bindings turn ValueError and TypeError into Python's own.
#pragma once

#include <new>
#include <sstream>
#include <stdexcept>
#include <string>

namespace tilewise {

class ValueError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

class TypeError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

class IndexError : public std::out_of_range {
 public:
  using std::out_of_range::out_of_range;
};

// Python's MemoryError, with the number of bytes that were asked for.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

}  // namespace tilewise

// Throws when a condition that the caller is responsible for does not hold.
#define TW_CHECK(condition, ...)                                                     \
  do {                                                                               \
    if (!(condition)) throw ::tilewise::ValueError(::tilewise::concat(__VA_ARGS__)); \
  } while (0)

#define TW_CHECK_TYPE(condition, ...)                                               \
  do {                                                                              \
    if (!(condition)) throw ::tilewise::TypeError(::tilewise::concat(__VA_ARGS__)); \
  } while (0)
