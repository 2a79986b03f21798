"""What the documents show is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tilewise as tw
from helpers import REPO

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/convolution.md",
    "docs/data.md",
    "docs/index.md",
    "bench/README.md",
]


def text_of(name: str) -> str:
    path = REPO / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the tests")
    return path.read_text(encoding="utf-8")


def test_the_readme_script_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the embedded sample, one epoch: far better than chance, and the weights are written."""
    found = re.search(r"```python\n(.*?)```", text_of("README.md"), re.DOTALL)
    assert found
    for name in ("TILEWISE_DATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "readme"}
    exec(compile(found[1], "README.md", "exec"), names)
    loss = names["loss"]
    assert isinstance(loss, tw.Tensor)
    assert loss.item() < 1.5
    assert set(tw.load(tmp_path / "net.safetensors")) >= {"conv.weight", "out.bias"}


def test_the_readme_opens_with_the_two_commands() -> None:
    commands = re.findall(r"```sh\n(.*?)```", text_of("README.md"), re.DOTALL)[:2]
    assert commands == [
        "pip install . && tilewise train fashion-mnist\n",
        "pip install '.[test]' && pytest\n",
    ]


def test_the_formulas_of_the_convolution_page_hold() -> None:
    """Its Python, in order, in one namespace: the blocks assert what the text says."""
    blocks = re.findall(r"```python\n(.*?)```", text_of("docs/convolution.md"), re.DOTALL)
    assert len(blocks) >= 10
    names: dict[str, object] = {"__name__": "convolution"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/convolution.md, block {number}", "exec"), names)


def test_links_within_the_convolution_page_lead_somewhere() -> None:
    text = text_of("docs/convolution.md")
    headings = {
        re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-")
        for h in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    text = re.sub(r"```.*?```", "", text_of(name), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (REPO / name).parent.joinpath(target).exists(), f"{name} links to {target}"
    for path in re.findall(r"`((?:csrc|python|tests|tools|bench|cmake|docs)/[\w./-]+)`", text):
        assert (REPO / path).exists(), f"{name} names {path}"


def test_code_in_contributing_is_in_the_sources() -> None:
    """The copyable example follows the real op, line by line."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (REPO / "csrc").rglob("glu*"))
    lines = {line.strip() for line in sources.splitlines()}
    for block in re.findall(r"```cpp\n(.*?)```", text_of("CONTRIBUTING.md"), re.DOTALL):
        missing = [line.strip() for line in block.splitlines() if line.strip() not in lines | {""}]
        assert not missing, f"CONTRIBUTING.md quotes {missing}"
