"""State dicts from elsewhere: how they differ from a model's, and how to make them fit.

Every function returns a new state dict on the same tensors and leaves the old one as it is.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._arguments import wrong_type
from ..nn import Module
from ..nn._state import diff_of
from ..nn._state_diff import StateDiff, common_prefix
from ..tensor import Tensor

logger = logging.getLogger(__name__)

State = Mapping[str, Tensor]


def compare_state_dict(module: Module, state: Mapping[str, Any]) -> StateDiff:
    """What a state dict lacks, has too much, or has in other shapes than a module.

    Args:
        module: the model that shall take it.
        state: tensors or arrays by dotted name.

    Returns:
        A `StateDiff`: true where they differ, a table as text.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> print(io.compare_state_dict(net, {"fc.weight": tw.ones(1, 2), "fc.bias": tw.ones(1)}))
        the state dict does not fit Linear: 2 missing, 2 unexpected, 0 of other shape, 0 that fit
          the module has     the state dict has
          weight (1, 2)   ?  fc.weight (1, 2)
          bias (1,)       ?  fc.bias (1,)
          every name of the state dict begins with 'fc.'; io.strip_prefix(state, 'fc.') takes it off
    """
    _check_state("compare_state_dict", state)
    return diff_of(module, state)


def check_state_dict(model: Module, state: Mapping[str, Any]) -> None:
    """Refuse a state dict of another model in one line; `compare_state_dict` says all of it.

    Raises:
        ValueError: names are missing or unexpected, or shapes differ; lists the first of each.

    Example:
        >>> io.check_state_dict(nn.Linear(2, 1), nn.Linear(2, 1).state_dict())
        >>> io.check_state_dict(nn.Linear(2, 1), nn.Linear(3, 1).state_dict())
        Traceback (most recent call last):
            ...
        ValueError: ...
    """
    diff = compare_state_dict(model, state)
    if diff:
        raise ValueError(f"the weights are of another model than {diff.module}: {diff.brief()}")


def rename(state: State, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Give some tensors other names.

    Args:
        state: a state dict.
        names: old name → new name; the others keep theirs.

    Raises:
        ValueError: an old name is not there, or two tensors would share a name.

    Example:
        >>> list(io.rename({"linear.weight": tw.ones(1)}, {"linear.weight": "fc.weight"}))
        ['fc.weight']
    """
    _check_state("rename", state)
    absent = [name for name in names if name not in state]
    if absent:
        raise ValueError(f"rename: the state dict has no {_some(absent)}")
    return _renamed("rename", state, (names.get(name, name) for name in state))


def rename_pattern(state: State, pairs: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    r"""Give tensors other names by regular expressions, as `re.sub` replaces.

    Args:
        state: a state dict.
        pairs: (pattern, replacement), applied to each name one after the other.

    Raises:
        ValueError: a pattern is no regular expression, or two tensors would share a name.

    Example:
        >>> state = {"block1/conv.weight": tw.ones(1), "block2/conv.weight": tw.ones(1)}
        >>> list(io.rename_pattern(state, [(r"^block(\d+)/", r"blocks.\1.")]))
        ['blocks.1.conv.weight', 'blocks.2.conv.weight']
    """
    _check_state("rename_pattern", state)
    try:
        compiled = [(re.compile(pattern), replacement) for pattern, replacement in pairs]
        new = []
        for name in state:
            for pattern, replacement in compiled:
                name = pattern.sub(replacement, name)  # noqa: PLW2901
            new.append(name)
    except re.error as error:
        raise ValueError(f"rename_pattern: expected regular expressions: {error}") from error
    return _renamed("rename_pattern", state, new)


def strip_prefix(state: State, prefix: str) -> dict[str, Tensor]:
    """Take a prefix off all names: "module." of a model that PyTorch ran on several devices.

    Raises:
        ValueError: a name does not begin with it.

    Example:
        >>> list(io.strip_prefix({"module.fc.bias": tw.ones(1)}, "module."))
        ['fc.bias']
    """
    _check_state("strip_prefix", state)
    other = [name for name in state if not name.startswith(prefix)]
    if other:
        raise ValueError(
            f"strip_prefix: expected every name to begin with {prefix!r}, got {_some(other)}"
        )
    return _renamed("strip_prefix", state, (name.removeprefix(prefix) for name in state))


class StateMismatch(ValueError):
    """A state dict cannot be made to fit; `diff` is the `StateDiff` that came nearest."""

    def __init__(self, op: str, diff: StateDiff) -> None:
        super().__init__(f"{op}: {diff}")
        self.diff = diff


@dataclass(frozen=True)
class Fitted:
    """A state dict that fits a model, and what was done to make it so.

    Args:
        state: by the model's names.
        steps: a line for each thing done; none where it fitted as it was.
        names: the model's name → the name it had before.
        convention: the title of the convention that was used, if one was.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> state = {f"module.{name}": value for name, value in net.state_dict().items()}
        >>> fitted = io.fit_state_dict(net, state)
        >>> fitted.steps
        ("took the prefix 'module.' off every name",)
        >>> net.load_state_dict(fitted.state)
        <All keys matched successfully>
    """

    state: dict[str, Tensor]
    steps: tuple[str, ...]
    names: Mapping[str, str]
    convention: str | None = None


def fit_state_dict(
    module: Module,
    state: State,
    *,
    conventions: Iterable[tuple[str, Sequence[tuple[str, str]]]] = (),
    by_shape: bool = False,
) -> Fitted:
    """Make a state dict from elsewhere fit a model, saying what was done.

    Tried in this order, until the names and shapes are the model's: the names as they are; a prefix
    that all of them share taken off; each of the conventions; and, if asked, `match_by_shape`.

    Args:
        module: the model.
        state: from `load_weights`, for example.
        conventions: known ways to name the model's parts: a title, and pairs for `rename_pattern`.
        by_shape: whether to match by order and shape where all else fails.

    Returns:
        The state dict by the model's names, with the steps; each is also logged.

    Raises:
        StateMismatch: a ValueError: nothing made it fit; the message is the table of differences.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 1))
        >>> caffe = {"ip1/w": tw.ones(1, 2), "ip1/b": tw.ones(1)}
        >>> pairs = [("^ip1/w", "0.weight"), ("^ip1/b", "0.bias")]
        >>> io.fit_state_dict(net, caffe, conventions=[("Caffe's names", pairs)]).steps
        ("took the names as Caffe's names",)
    """
    _check_state("fit_state_dict", state)
    for steps, title, candidate in _candidates(state, conventions):
        if not diff_of(module, candidate):
            return _fitted(module, state, candidate, steps, title)
    if by_shape:
        candidate, pairs = match_by_shape(module, state)
        changed = sum(new != old for new, old in pairs.items())
        step = (
            f"matched {len(pairs)} tensors by order and shape, {changed} of them under other "
            "names: a guess, check what it computes"
        )
        logger.warning("fit_state_dict: %s", step)
        return Fitted(candidate, (step,), pairs)
    prefix = common_prefix(state)
    bare = strip_prefix(state, prefix) if prefix else dict(state)
    best = min((diff_of(module, s) for s in (state, bare)), key=lambda diff: -diff.matching)
    raise StateMismatch("fit_state_dict", best)


def _candidates(
    state: State, conventions: Iterable[tuple[str, Sequence[tuple[str, str]]]]
) -> Iterator[tuple[tuple[str, ...], str | None, dict[str, Tensor]]]:
    """State dicts that might fit, each with what was done to it, and whose names it has."""
    yield (), None, dict(state)
    prefix = common_prefix(state)
    bare = dict(state)
    stripped: tuple[str, ...] = ()
    if prefix:
        bare = strip_prefix(state, prefix)
        stripped = (f"took the prefix {prefix!r} off every name",)
        yield stripped, None, bare
    for title, pairs in conventions:
        yield (*stripped, f"took the names as {title}"), title, rename_pattern(bare, pairs)


def _fitted(
    module: Module,
    state: State,
    candidate: dict[str, Tensor],
    steps: tuple[str, ...],
    convention: str | None,
) -> Fitted:
    for step in steps:
        logger.info("fit_state_dict: %s", step)
    before = dict(zip(candidate, state, strict=True))  # renaming keeps the order
    own = [name for name in module.state_dict() if name in candidate]
    return Fitted(
        {name: candidate[name] for name in own},
        steps,
        {name: before[name] for name in own},
        convention,
    )


def match_by_shape(module: Module, state: State) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Match tensors to a model's by order and shape: the last resort where names say nothing.

    The k-th tensor of a shape (and of a last part of the name, such as "weight", where both sides
    use the same ones) becomes the model's k-th. Layers of equal shape that the file has in another
    order end up exchanged, and nothing can tell: compare an output that is known.

    Args:
        module: the model.
        state: a state dict in the order of the layers.

    Returns:
        The state dict by the model's names, and the model's name → the name before.

    Raises:
        ValueError: the numbers of tensors of some shape differ.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> state, names = io.match_by_shape(net, {"W": tw.ones(1, 2), "b": tw.ones(1)})
        >>> names
        {'weight': 'W', 'bias': 'b'}
    """
    _check_state("match_by_shape", state)
    own = module.state_dict()
    roles = {_role(name) for name in own} - {"num_batches_tracked"}
    told = roles == {_role(name) for name in state} - {"num_batches_tracked"}
    waiting: defaultdict[tuple[str, tuple[int, ...]], list[str]] = defaultdict(list)
    for name, value in state.items():
        waiting[_role(name) if told else "", tuple(value.shape)].append(name)
    if not any(_role(name) == "num_batches_tracked" for name in state):
        own = {n: value for n, value in own.items() if _role(n) != "num_batches_tracked"}
    names: dict[str, str] = {}
    for name, value in own.items():
        group = waiting[_role(name) if told else "", tuple(value.shape)]
        if not group:
            raise ValueError(
                f"match_by_shape: {type(module).__name__}.{name} {tuple(value.shape)} has no "
                f"counterpart left: {diff_of(module, state).brief()}"
            )
        names[name] = group.pop(0)
    left = [name for group in waiting.values() for name in group]
    if left:
        raise ValueError(
            f"match_by_shape: {len(left)} tensors have no counterpart in "
            f"{type(module).__name__}: {_some(left)}"
        )
    return {name: state[old] for name, old in names.items()}, names


def _role(name: str) -> str:
    return name.rpartition(".")[2]


def _renamed(op: str, state: State, names: Iterable[str]) -> dict[str, Tensor]:
    new = list(names)
    twice = [name for name, count in Counter(new).items() if count > 1]
    if twice:
        raise ValueError(f"{op}: two tensors would have the name {_some(twice)}")
    return dict(zip(new, state.values(), strict=True))


def _check_state(op: str, state: Any) -> None:
    if not isinstance(state, Mapping):
        raise wrong_type(op, "state", "a mapping of names to tensors", state)
    for name, value in state.items():
        if not isinstance(name, str) or not hasattr(value, "shape"):
            raise TypeError(
                f"{op}: expected names of tensors, got {type(value).__name__} for {name!r:.80}"
            )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:80]) for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")
