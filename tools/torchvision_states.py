"""Write down what torchvision's state dicts look like, for tests that run without it.

A digest of the names and shapes, in order, of each network that both libraries have; the tests
compare the zoo's with it. With a name, print where the two differ.

Example:
    python tools/torchvision_states.py            # writes tests/data/torchvision_states.json
    python tools/torchvision_states.py resnet50
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tilewise import models, nn

TABLE = Path(__file__).resolve().parents[1] / "tests" / "data" / "torchvision_states.json"
# What torchvision's builders are given beyond their defaults; "+aux" has the auxiliary heads.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": False},
    "googlenet+aux": {"aux_logits": True, "init_weights": False},
    "inception_v3": {"aux_logits": True, "init_weights": False},
}

Entries = list[tuple[str, tuple[int, ...]]]


def entries(state: Iterable[tuple[str, Any]]) -> Entries:
    """Names and shapes of a state dict of either library."""
    return [(name, tuple(tensor.shape)) for name, tensor in state]


def digest(state: Entries) -> str:
    """A short fingerprint of names and shapes, in order."""
    text = "\n".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in state)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def ours(name: str) -> Entries:
    """The state of the zoo's network."""
    base, _, aux = name.partition("+")
    with nn.init.skip():
        model = models.create(base, aux_logits=True) if aux else models.create(base)
    return entries(model.state_dict().items())


def theirs(name: str) -> Entries:
    """The state of torchvision's network, which is built without memory."""
    import torch
    import torchvision.models

    with torch.device("meta"):
        model = torchvision.models.get_model(
            name.partition("+")[0], weights=None, **ARGUMENTS.get(name, {})
        )
    return entries(model.state_dict().items())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", help="print how this network's states differ")
    name = parser.parse_args().name
    if name:
        mine, other = ours(name), theirs(name)
        for sign, left, right in (("+", mine, other), ("-", other, mine)):
            print(*(f"{sign} {key} {shape}" for key, shape in left if (key, shape) not in right))
        print("in the same order" if mine == other else "not the same")
        return
    import torchvision.models

    known = set(torchvision.models.list_models(module=torchvision.models))
    names = sorted({*known & set(models.available()), *ARGUMENTS})
    rows = {
        name: {"tensors": len(state := theirs(name)), "digest": digest(state)} for name in names
    }
    TABLE.parent.mkdir(exist_ok=True)
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    TABLE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
