#!/usr/bin/env bash
# clang-tidy over the C++ sources: [TIDY_NODES=225000] tools/tidy.sh BUILD_DIR [JOBS]
#
# The static analyzer explores at most TIDY_NODES states of a function: clang's own limit takes some
# four times as long.
# BUILD_DIR holds a compile_commands.json of a clang build (cmake --preset clang). Kernel files are
# checked in their baseline form only: the other instruction sets share the source.
set -euo pipefail
cd "$(dirname "$0")/.."
build="${1:?usage: tools/tidy.sh BUILD_DIR [JOBS]}"
jobs="${2:-$(nproc)}"

python3 - "$build" <<'PY'
import json, pathlib, sys
build = pathlib.Path(sys.argv[1])
commands = json.loads((build / "compile_commands.json").read_text())
def wanted(entry):
    return "TW_ISA=" not in entry["command"] or "TW_ISA=baseline" in entry["command"]
folder = build / "tidy"
folder.mkdir(exist_ok=True)
(folder / "compile_commands.json").write_text(json.dumps([c for c in commands if wanted(c)]))
PY
# clang-tidy brings its compiler headers, but not OpenMP's.
openmp="$(clang++-19 -print-resource-dir)/include"
git ls-files 'csrc/*.cpp' 'bench/*.cpp' |
  xargs --max-procs="$jobs" --max-args=4 clang-tidy --quiet -p "$build/tidy" \
    --warnings-as-errors='*' --extra-arg="-idirafter$openmp" \
    --extra-arg=-Xclang --extra-arg=-analyzer-config \
    --extra-arg=-Xclang --extra-arg=max-nodes="${TIDY_NODES:-20000}"
