#!/usr/bin/env bash
# pytest on the extension of a sanitized clang build: tools/sanitized_pytest.sh BUILD_DIR [ARGUMENTS]
#
#   cmake --preset sanitize -Dpybind11_DIR="$(python -m pybind11 --cmakedir)"
#   cmake --build --preset sanitize
#   tools/sanitized_pytest.sh build/sanitize tests/test_opinfo.py tests/test_hostile.py
#
# The package is copied beside the build; the source tree keeps its own extension. Kernels run in
# their baseline form, the one that is instrumented (CMakeLists.txt).
set -euo pipefail
build="${1:?usage: tools/sanitized_pytest.sh BUILD_DIR [ARGUMENTS]}"
shift
build="$(cd "$build" && pwd)"
cd "$(dirname "$0")/.."

rm -rf "$build/python"
mkdir -p "$build/python"
cp -r python/tilewise "$build/python/"
rm -f "$build"/python/tilewise/_core*.so
cp "$build"/_core*.so "$build/python/tilewise/"

export PYTHONPATH="$build/python" TILEWISE_ISA=baseline
# Python itself leaks by design; an impossible size must fail as it does without the sanitizer.
export ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1" UBSAN_OPTIONS=print_stacktrace=1
LD_PRELOAD="$("${CXX:-clang++-19}" -print-file-name=libclang_rt.asan-x86_64.so)" \
  exec python -m pytest "$@"
