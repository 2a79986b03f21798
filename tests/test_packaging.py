"""The installed package: one version, types, licence, size."""

from __future__ import annotations

import io
import re
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import tilewise as tw
from helpers import REPO
from tilewise import _core

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Without the Fashion-MNIST sample that comes with it (2.6 MB), and with it.
MAX_CODE_BYTES = 3_700_000
MAX_WHEEL_BYTES = 6_400_000


def project() -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))
    return content


def installed() -> metadata.Distribution:
    try:
        distribution = metadata.distribution("tilewise")
    except metadata.PackageNotFoundError:
        pytest.skip("tilewise is not installed here: it runs from the source tree")
    if not Path(str(distribution.locate_file("tilewise/__init__.py"))).is_file():
        pytest.skip("tilewise is an editable installation")
    return distribution


def test_one_version() -> None:
    version = project()["project"]["version"]
    assert tw.__version__ == _core.__version__ == version
    citation = (REPO / "CITATION.cff").read_text("utf-8")
    assert re.search(rf"^version: {re.escape(version)}$", citation, re.MULTILINE)
    changelog = (REPO / "CHANGELOG.md").read_text("utf-8")
    assert f"## [{version}]" in changelog or "## [Unreleased]" in changelog


def test_installed_version_and_licence() -> None:
    distribution = installed()
    assert distribution.version == tw.__version__
    assert distribution.metadata["License-Expression"] == "MIT"
    names = {Path(str(file)).name for file in distribution.files or []}
    assert {"LICENSE", "py.typed", "_core.pyi"} <= names


def test_command_is_installed() -> None:
    scripts = {e.name: e.value for e in installed().entry_points if e.group == "console_scripts"}
    assert scripts == {"tilewise": "tilewise.cli:main"}


def test_wheel_holds_the_package_alone() -> None:
    """Nothing but the package, its metadata and the command; small when compressed."""
    distribution = installed()
    files = [file for file in distribution.files or [] if "__pycache__" not in file.parts]
    foreign = [
        str(file)
        for file in files
        if file.parts[0] != "tilewise"
        and not file.parts[0].endswith(".dist-info")
        and file.name != "tilewise"
    ]
    assert not foreign
    suffixes = {Path(str(file)).suffix for file in files if file.parts[0] == "tilewise"}
    assert not suffixes & {".cpp", ".h", ".o", ".a", ".cmake"}
    paths = {str(file): Path(str(distribution.locate_file(file))) for file in files}
    code = {name: path for name, path in paths.items() if "_sample" not in name}
    for content, most in ((paths, MAX_WHEEL_BYTES), (code, MAX_CODE_BYTES)):
        size = zipped_bytes(content)
        assert size <= most, f"{len(content)} files have {size:,} bytes zipped"


def zipped_bytes(paths: dict[str, Path]) -> int:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, path in paths.items():
            if path.is_file():
                wheel.write(path, name)
    return buffer.tell()


def test_extension_is_stripped() -> None:
    path = Path(_core.__file__)
    installed()
    assert b".debug_info" not in path.read_bytes()
