"""The API reference, a page for each file of the package that defines public names.

A hook of MkDocs (mkdocs.yml). Pages follow the public modules: `tilewise.nn` has one for each of
its families (containers, convolution, pooling …), opened by the docstring of the file. What is
public is what `public_entries` says; the tests run the examples of the same entries.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections import defaultdict
from types import BuiltinMethodType, FunctionType, ModuleType
from typing import Any

from tilewise import models

TITLES = {
    "parameters": "Arguments",
    "attributes": "Attributes",
    "returns": "Returns",
    "yields": "Yields",
    "raises": "Raises",
}
METHODS = (FunctionType, BuiltinMethodType, property, classmethod, staticmethod)
MODULES = [
    "tilewise",
    "tilewise.autograd",
    "tilewise.nn",
    "tilewise.nn.functional",
    "tilewise.nn.init",
    "tilewise.nn.utils",
    "tilewise.optim",
    "tilewise.optim.lr_scheduler",
    "tilewise.optim.swa_utils",
    "tilewise.filters",
    "tilewise.linalg",
    "tilewise.cuda",
    "tilewise.graph",
    "tilewise.analysis",
    "tilewise.data",
    "tilewise.data.transforms",
    "tilewise.io",
    "tilewise.models",
    "tilewise.onnx",
    "tilewise.train",
    "tilewise.viz",
]


def public_names(module: ModuleType) -> list[str]:
    """The functions and classes that a module offers."""
    listed = getattr(module, "__all__", None)
    names = listed or [n for n in vars(module) if not n.startswith("_")]
    # A module without a list offers what it defines; the package, what it imports from below.
    home = module.__name__ if listed is None and module.__name__ != "tilewise" else "tilewise"
    found = []
    for name in names:
        value = getattr(module, name)
        if callable(value) and str(getattr(value, "__module__", "")).startswith(home):
            found.append(name)
    return sorted(found)


def public_entries() -> list[tuple[str, str, Any]]:
    """Module, name and value of everything public, once, under the first module that has it."""
    seen: dict[int, tuple[str, str, Any]] = {}
    for path in MODULES:
        module = importlib.import_module(path)
        for name in public_names(module):
            value = getattr(module, name)
            seen.setdefault(id(value), (path, name, value))
    return list(seen.values())


def pages() -> dict[str, tuple[str, str]]:
    """The title and the text of each page, by its file."""
    groups: dict[tuple[str, str], list[tuple[str, Any]]] = defaultdict(list)
    for path, name, value in public_entries():
        groups[path, value.__module__].append((name, value))
    result = {}
    for (path, home), entries in sorted(
        groups.items(), key=lambda g: (MODULES.index(g[0][0]), g[0])
    ):
        file = home.rsplit(".", 1)[-1].strip("_")
        title = f"{path.replace('tilewise', 'tw', 1)}: {file.replace('_', ' ')}"
        text = [f"# {title}", inspect.getdoc(importlib.import_module(home)) or ""]
        for name, value in sorted(entries, key=lambda e: e[0].lower()):
            text += entry(f"{path}.{name}".replace("tilewise", "tw", 1), value, level=2)
        slug = f"{path.removeprefix('tilewise').strip('.').replace('.', '-') or 'tw'}-{file}"
        result[f"reference/{slug}.md"] = (title, "\n\n".join(text) + "\n")
    result["reference/models-zoo.md"] = ("tw.models: zoo", zoo())
    return result


def zoo() -> str:
    """The page of the models that `tw.models.create` knows, a table row each."""
    lines = [
        "# tw.models: zoo\n",
        "What `tw.models.create(name)` builds. Depths count weight layers; the Keras column, where",
        "there is one, is the size of Keras's form, statistics included. Accuracies are published",
        "ones, top-1 and top-5 in per cent.\n",
        "| name | input | depth | parameters | Keras | accuracy | source |",
        "|---|---|--:|--:|--:|---|---|",
    ]
    for name in models.available():
        row = models.info(name)
        cells = [f"`{name}`", "×".join(map(str, row.input_shape)), str(row.depth)]
        cells += [f"{n:,}" if n else "" for n in (row.parameters, row.keras_parameters)]
        reached = ""
        if row.accuracy is not None:
            numbers = (row.accuracy.top1, row.accuracy.top5)
            reached = " / ".join(f"{number:g}" for number in numbers if number is not None)
            reached += f" ({row.accuracy.dataset}; {row.accuracy.source})"
        lines.append("| " + " | ".join([*cells, reached, row.source]) + " |")
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- one entry


def entry(path: str, value: Any, level: int) -> list[str]:
    """The blocks of Markdown of a function or a class with its methods."""
    name = path.rsplit(".", 1)[-1]
    call, doc = signature(path, value), inspect.getdoc(value) or ""
    if call is None and re.match(r"\w+\(", doc):  # of the core: the first line is its signature
        call, _, doc = doc.partition("\n")
    blocks = [f"{'#' * level} {name} {{ #{path} }}"]
    blocks += [f"```python\n{call}\n```"] if call else []
    blocks += docstring(doc)
    if inspect.isclass(value) and level == 2:
        for method, member in vars(value).items():
            documented = isinstance(member, METHODS) and inspect.getdoc(member)
            if documented and not method.startswith("_") and method != "forward":
                blocks += entry(f"{path}.{method}", getattr(value, method), level=3)
    return blocks


def signature(path: str, value: Any) -> str | None:
    """`tw.add(input, other)`, an argument a line where it is long; None where there is none."""
    if not callable(value):
        return None
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    arguments = [
        str(parameter).replace("'", "") if parameter.annotation else str(parameter)
        for name, parameter in found.parameters.items()
        if name != "self"
    ]
    returned = str(found.return_annotation).strip("'")
    arrow = (
        "" if found.return_annotation in {inspect.Signature.empty, "None"} else f" -> {returned}"
    )
    line = f"{path}({', '.join(arguments)}){arrow}"
    if len(line) <= 90:
        return line
    return f"{path}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){arrow}"


def docstring(text: str) -> list[str]:
    """Google's sections as Markdown."""
    from griffe import Docstring, parse_google

    text = re.sub(r"(?m)^(\s*)Example:$", r"\1Examples:", text)
    blocks = []
    for section in parse_google(Docstring(text), warnings=False):
        kind, value = section.kind.value, section.value
        if kind == "text":
            blocks.append(value)
        elif kind == "examples":
            for part, code in value:
                blocks.append(f"```pycon\n{code}\n```" if part.value == "examples" else code)
        elif kind in TITLES:
            items = [item_of(kind, item) for item in value]
            blocks += [f"**{TITLES[kind]}**", "\n".join(items)]
        elif kind == "admonition":  # "Note:", "Source:"
            blocks += [f"**{section.title}**", value.contents]
        else:
            raise ValueError(f"reference: a docstring has a section {kind!r}: {text[:60]!r}")
    return blocks


def item_of(kind: Any, item: Any) -> str:
    """One argument, exception or result."""
    name = getattr(item, "name", "") or (str(item.annotation) if item.annotation else "")
    text = item.description.replace("\n", "\n    ")
    return f"- `{name}`: {text}" if name and kind not in {"returns", "yields"} else f"- {text}"


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages to the site."""
    from mkdocs.structure.files import File

    sections: dict[str, list[Any]] = defaultdict(list)
    for uri, (title, text) in pages().items():
        files.append(File.generated(config, uri, content=text))
        module, _, topic = title.partition(": ")
        sections[module].append({topic: uri})
    config["nav"] = [*config["nav"], {"Reference": [dict([item]) for item in sections.items()]}]
    return files
