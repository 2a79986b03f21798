// Lists of arrays that one call works on: cut into pieces of one flat table, so that small arrays
// do not cost a wake-up of the threads each, and large ones are shared out.
#pragma once

#include <vector>

#include "base/array.h"
#include "base/threads.h"

namespace tilewise {

using ArrayList = std::vector<Array>;

struct Piece {
  std::size_t array;
  index_t first;
  index_t count;
};
std::vector<Piece> cut(const ArrayList& arrays);

// body(i) for each piece, on one thread where there is little to do.
template <typename Body>
void for_each_piece(const std::vector<Piece>& pieces, const Body& body) {
  index_t elements = 0;
  for (const Piece& piece : pieces) elements += piece.count;
  constexpr index_t work = 8;  // multiply-adds an element
  parallel_for(static_cast<index_t>(pieces.size()), elements * work,
               [&](index_t i) { body(static_cast<std::size_t>(i)); });
}

ArrayList all_contiguous(const ArrayList& arrays);

// Arrays that a call writes: worked on in place where contiguous, else through a copy.
class Written {
 public:
  explicit Written(const ArrayList& arrays) : arrays_(arrays), dense_(all_contiguous(arrays)) {}
  const ArrayList& dense() const { return dense_; }
  // Null where there are no arrays.
  template <typename T>
  T* at(const Piece& piece) const {
    return arrays_.empty() ? nullptr : dense_[piece.array].data<T>() + piece.first;
  }
  void finish() const;

 private:
  const ArrayList& arrays_;
  ArrayList dense_;
};

void check_floating(const char* op, const ArrayList& arrays);

// The norm of each array's elements of the given order (2, 1, infinity, ...), and of those norms.
double total_norm(const ArrayList& arrays, double order);
// In place: multiplies every element; limits it to [-bound, bound].
void scale_arrays(const ArrayList& arrays, double factor);
void clamp_arrays(const ArrayList& arrays, double bound);

}  // namespace tilewise
