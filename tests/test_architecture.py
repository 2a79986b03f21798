"""The floor plan of docs/architecture.md, held by tests: who may include or import whom."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from helpers import REPO

CSRC = REPO / "csrc"
PACKAGE = REPO / "python" / "tilewise"

# Each C++ floor and the floors whose headers it may include.
CPP_LAYERS = {
    "base": {"base"},
    "kernels": {"base", "kernels"},
    "ref": {"base", "ref"},
    "ops": {"base", "kernels", "ref", "ops"},
    "graph": {"base", "ops", "graph"},
    "cuda": {"base", "ops", "cuda"},
    "bindings": {"base", "ops", "graph", "cuda", "bindings"},
}
# What a file that is compiled for a newer instruction set must not pull in: their inline
# functions could be emitted there and serve the whole library.
CONTAINERS = {
    "algorithm", "any", "array", "deque", "functional", "iostream", "list", "map", "memory",
    "mutex", "numeric", "optional", "set", "sstream", "string", "thread", "unordered_map",
    "unordered_set", "variant", "vector",
}  # fmt: skip

# The floors of the Python package, each with the modules on it. A module may import, lazily or not,
# from its own module and from the floors below.
PYTHON_FLOORS = [
    {"_core", "_version"},
    {"_openmp"},
    {"_arguments", "_dtypes", "_formatting", "_hooks", "_imagenet"},
    {"_device", "_memory_format"},
    {"autograd"},
    {"random"},
    {"_ops"},
    {"tensor"},
    {"creation", "cuda", "linalg", "_operations"},
    {"functional"},
    {"nn", "filters"},
    {"graph"},
    {"io"},
    {"optim", "data", "models", "onnx", "viz"},
    {"analysis"},
    {"tilewise"},  # the public names
    {"train"},
    {"cli"},
    {"__main__"},
]
# Upward, inside a function: what would otherwise be a circle.
LAZY_UPWARD = {("autograd", "tensor"), ("autograd", "_ops"), ("_dtypes", "tensor")}

MAX_LINES = 600  # files stay near 400


def cpp_files(*patterns: str) -> list[Path]:
    patterns = patterns or ("*.h", "*.cpp", "*.cu")
    return sorted(path for pattern in patterns for path in CSRC.rglob(pattern))


@cache
def includes(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The (project, system) headers that a file names."""
    text = path.read_text(encoding="utf-8")
    project = re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.MULTILINE)
    system = re.findall(r"^\s*#\s*include\s+<([^>]+)>", text, re.MULTILINE)
    return tuple(project), tuple(system)


def reachable(path: Path) -> Iterator[Path]:
    """Every project header that a file includes, directly or not."""
    seen: set[Path] = set()
    stack = [path]
    while stack:
        for name in includes(stack.pop())[0]:
            header = CSRC / name
            if header.is_file() and header not in seen:
                seen.add(header)
                stack.append(header)
                yield header


def relative(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


def test_includes_point_down() -> None:
    wrong = []
    for path in cpp_files():
        layer = path.relative_to(CSRC).parts[0]
        assert layer in CPP_LAYERS, f"{relative(path)}: {layer} is no floor of the plan"
        for name in includes(path)[0]:
            assert (CSRC / name).is_file(), f"{relative(path)}: include from csrc/, not {name!r}"
            if name.split("/")[0] not in CPP_LAYERS[layer]:
                wrong.append(f"{relative(path)} includes {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", cpp_files("*.kern.cpp"), ids=lambda path: path.name)
def test_kernels_see_raw_pointers_only(path: Path) -> None:
    for header in reachable(path):
        assert header.relative_to(CSRC).parts[0] in {"base", "kernels"}, relative(header)
        assert header.name not in {"array.h", "memory.h"}, (
            f"{relative(path)} reaches {relative(header)}: kernels take raw pointers"
        )
    for source in (path, *reachable(path)):
        containers = CONTAINERS.intersection(includes(source)[1])
        assert not containers, f"{relative(source)} includes {sorted(containers)}"


def test_one_file_names_openmp() -> None:
    pattern = re.compile(r"#\s*pragma\s+omp|#\s*include\s+<omp\.h>|\bomp_\w+\(")
    named = [relative(p) for p in cpp_files() if pattern.search(p.read_text(encoding="utf-8"))]
    assert named == ["csrc/base/threads.cpp"]


def test_one_floor_names_pybind11() -> None:
    named = [
        relative(path)
        for path in cpp_files()
        if any(name.startswith("pybind11") for name in includes(path)[1])
        and path.relative_to(CSRC).parts[0] != "bindings"
    ]
    assert not named


def test_vector_intrinsics_stay_in_kernels() -> None:
    pattern = re.compile(r"\b(_mm(256|512)_\w+|__m(256|512)[di]?)\b")
    named = [
        relative(path)
        for path in cpp_files()
        if path.relative_to(CSRC).parts[0] != "kernels"
        and pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert not named


def test_headers_open_with_pragma_once() -> None:
    for path in cpp_files("*.h"):
        assert "#pragma once" in path.read_text(encoding="utf-8"), relative(path)


def python_files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py") + sorted(
        PACKAGE.rglob("*/__init__.py")
    )


def is_module(name: str) -> bool:
    return name == "_core" or (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def package_imports(path: Path) -> Iterator[str]:
    """The first-level tilewise modules that a file imports, lazily or not, typing aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    package = ["tilewise", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{a.name}" for a in node.names] if module == "tilewise" else [module]
        for name in names:
            parts = name.split(".")
            if parts[0] == "tilewise":
                yield parts[1] if len(parts) > 1 and is_module(parts[1]) else "tilewise"


@pytest.mark.parametrize("path", python_files(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path: Path) -> None:
    module = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    floor = next((i for i, modules in enumerate(PYTHON_FLOORS) if module in modules), None)
    assert floor is not None, f"{relative(path)}: {module} is no module of the plan"
    allowed = set().union(*PYTHON_FLOORS[:floor], {module})
    allowed |= {target for source, target in LAZY_UPWARD if source == module}
    wrong = sorted(set(package_imports(path)) - allowed)
    assert not wrong, f"{relative(path)} imports {wrong}"


def test_files_stay_short() -> None:
    sources = [
        *cpp_files(),
        *PACKAGE.rglob("*.py"),
        *(REPO / "tests").rglob("*.py"),
        *(REPO / "bench").rglob("*.cpp"),
        *(REPO / "bench").rglob("*.py"),
    ]
    long = {relative(p): n for p in sources if (n := len(p.read_text().splitlines())) > MAX_LINES}
    assert not long, f"split these files: {long}"
