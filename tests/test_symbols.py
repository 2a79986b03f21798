"""No kernel object may define a symbol that other objects could share.

Kernel sources are compiled once per instruction set. A weak symbol in such an object (a std
template, an inline function of a shared header) is merged with every other copy, and the linker
may keep the AVX-512 one for all callers: an older processor would die on it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from helpers import REPO, requires_tool

# `V v W w u`: weak and unique global symbols that the object defines; lower-case w is undefined.
SHARED = {"V", "W", "u"}


def kernel_objects() -> list[Path]:
    """Objects of *.kern.cpp in the newest build folder, or in TILEWISE_BUILD_DIR.

    tools/sanitize.sh builds in build/sanitize, where AddressSanitizer adds symbols of its own.
    """
    given = os.environ.get("TILEWISE_BUILD_DIR")
    built = [path for path in sorted((REPO / "build").glob("*")) if path.name != "sanitize"]
    folders = [Path(given).resolve()] if given else built
    found = {folder: sorted(folder.rglob("*.kern.cpp.o")) for folder in folders}
    found = {folder: objects for folder, objects in found.items() if objects}
    if not found:
        return []
    return max(found.values(), key=lambda objects: max(o.stat().st_mtime for o in objects))


def symbols(path: Path) -> list[tuple[str, str]]:
    """(type, demangled name) of each symbol that an object defines."""
    out = subprocess.run(
        ["nm", "--defined-only", "--demangle", str(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split(maxsplit=2) for line in out.splitlines() if line.strip()]
    return [(row[1], row[2]) for row in rows if len(row) == 3]


@requires_tool("nm")
def test_no_weak_symbols_in_kernel_objects() -> None:
    objects = kernel_objects()
    if not objects:
        pytest.skip("no kernel objects found: build in the source tree (pip install .)")
    shared = [
        f"{os.path.relpath(path, REPO)}: {kind} {name}"
        for path in objects
        for kind, name in symbols(path)
        if kind in SHARED
    ]
    assert not shared, f"{len(shared)} weak symbols\n" + "\n".join(shared[:20])


@requires_tool("nm")
def test_exported_symbols_carry_their_instruction_set() -> None:
    """What a kernel object exports lies in the namespace of its instruction set."""
    objects = kernel_objects()
    if not objects:
        pytest.skip("no kernel objects found: build in the source tree (pip install .)")
    isas = ("tilewise::baseline::", "tilewise::avx2::", "tilewise::avx512::")
    foreign = [
        f"{os.path.relpath(path, REPO)}: {kind} {name}"
        for path in objects
        for kind, name in symbols(path)
        if kind in {"T", "D", "R", "B", "G"} and not any(isa in name for isa in isas)
    ]
    assert not foreign, "\n".join(foreign[:20])
