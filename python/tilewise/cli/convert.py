"""`tilewise convert`: weights of other programs as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .common import PATH, Failure, quieten

if TYPE_CHECKING:
    from ..tensor import Tensor

_COUNTER = "num_batches_tracked"  # of a batch norm; ONNX has none


@click.command()
@click.argument("source", type=PATH)
@click.argument("target", type=PATH)
@click.option(
    "--model",
    metavar="NAME",
    help="Give the weights the names of this model of the zoo, and refuse those of another.",
)
@click.option("--classes", type=click.IntRange(min=1), metavar="N", help="Outputs of the model.")
@click.option(
    "--entry", metavar="KEY", help="The part of a PyTorch file that holds the weights: state_dict."
)
@click.option("--strip-prefix", metavar="TEXT", help='Take this off every name: "module.".')
@click.option(
    "--rename",
    type=(str, str),
    multiple=True,
    metavar="PATTERN NEW",
    help="Replace a regular expression in every name, as re.sub does. Can be given again.",
)
@click.option("--force", is_flag=True, help="Replace TARGET where it exists.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def convert(
    source: Path,
    target: Path,
    model: str | None,
    classes: int | None,
    entry: str | None,
    strip_prefix: str | None,
    rename: tuple[tuple[str, str], ...],
    force: bool,
    quiet: bool,
) -> None:
    r"""Write the weights in a file as safetensors.

    SOURCE is an ONNX file (its initialisers), PyTorch's .pth, .pt or .th (read by PyTorch, which
    must be installed; nothing in it is run), or safetensors.

    \b
    Examples:
      tilewise convert in.onnx out.safetensors
      tilewise convert checkpoint.pth out.safetensors --entry state_dict --strip-prefix module.
      tilewise convert resnet18.pth out.safetensors --model resnet18
      tilewise convert in.safetensors out.safetensors --rename '^block(\d+)/' 'blocks.\1.'
    """
    from .. import io

    quieten()
    if target.suffix != ".safetensors":
        raise click.UsageError(f"TARGET: expected a name that ends in .safetensors, got {target}")
    if classes is not None and model is None:
        raise click.UsageError("--classes: expected --model NAME with it")
    if target.exists() and not force:
        raise Failure(f"{target} exists; --force replaces it")
    state = io.load_weights(source, entry=entry)
    if strip_prefix is not None:
        state = io.strip_prefix(state, strip_prefix)
    if rename:
        state = io.rename_pattern(state, rename)
    steps: tuple[str, ...] = ()
    if model is not None:
        state, steps = _fitted(state, model, classes)
    io.save(state, target, {"source": source.name, **({"model": model} if model else {})})
    if quiet:
        return
    for step in steps:
        click.echo(f"  {step}")
    count = sum(tensor.numel() for tensor in state.values())
    click.echo(f"{len(state):,} tensors, {count:,} numbers: {source} → {target}")


def _fitted(
    state: Mapping[str, Tensor], name: str, classes: int | None
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The weights by the names of a model of the zoo, and what was done."""
    from .. import io, models, nn, zeros
    from .. import long as int64

    settings: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    with nn.init.skip():
        network = models.create(name, **settings)
    counters = {
        key: zeros((), dtype=int64)
        for key in network.state_dict()
        if key.endswith(_COUNTER) and key.replace(_COUNTER, "running_mean") in state
    }
    fitted = io.fit_state_dict(network, {**counters, **state})
    return fitted.state, fitted.steps
