#!/usr/bin/env bash
# The core under AddressSanitizer and UndefinedBehaviorSanitizer: tools/sanitize.sh [PROBLEMS] [SEED]
#
# Builds the library without Python and tests/cpp/conv_fuzz.cpp in build/sanitize, and runs it twice:
# with the pool's blocks between guard pages, and with the pool as it is. Some minutes for the first
# build, then seconds for each hundred problems.
set -euo pipefail
cd "$(dirname "$0")/.."
problems="${1:-500}"
seed="${2:-0}"
jobs="${JOBS:-$(nproc)}"
build=build/sanitize
flags="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g1"

cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=None -DTILEWISE_PYTHON=OFF \
  -DCMAKE_CXX_FLAGS="-O1 $flags" ${CMAKE_ARGS:-} >/dev/null
cmake --build "$build" --parallel "$jobs" --target tilewise
# shellcheck disable=SC2086
"${CXX:-g++}" -std=c++17 -O1 $flags -Wall -Wextra -fopenmp -Icsrc tests/cpp/conv_fuzz.cpp \
  "$build/libtilewise.a" -o "$build/conv_fuzz"

export ASAN_OPTIONS="detect_stack_use_after_return=1 ${ASAN_OPTIONS:-}" UBSAN_OPTIONS=print_stacktrace=1
TILEWISE_GUARD_PAGES=1 "$build/conv_fuzz" "$problems" "$seed"
TILEWISE_GUARD_PAGES=0 "$build/conv_fuzz" "$problems" "$((seed + problems))"
