"""What the optimizers share that change all parameters of a group in one call of the core."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from tilewise import _core
from tilewise._arguments import as_bool, as_float, as_optional_bool
from tilewise.autograd import wrap
from tilewise.optim.optimizer import Optimizer
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from tilewise._core import Array


def _not_negative(op: str, name: str, value: Any) -> Any:
    as_float(op, name, value, 0.0)
    return value


def _number(op: str, name: str, value: Any) -> Any:
    as_float(op, name, value)
    return value


def _part(op: str, name: str, value: Any) -> Any:
    if not 0.0 <= as_float(op, name, value) <= 1.0:
        raise ValueError(f"{op}: expected {name} between 0 and 1, got {value}")
    return value


def _pair(op: str, name: str, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{op}: expected {name} as two numbers, got {value!r}")
    first, second = value
    return first, second


def _betas(op: str, name: str, value: Any) -> Any:
    pair = _pair(op, name, value)
    if isinstance(pair[0], Tensor) is not isinstance(pair[1], Tensor):
        raise ValueError(f"{op}: expected {name} as two numbers or two tensors, got {value!r}")
    if not all(0.0 <= as_float(op, name, beta) < 1.0 for beta in pair):
        raise ValueError(f"{op}: expected {name} in [0, 1), got {value!r}")
    return pair


def _etas(op: str, name: str, value: Any) -> Any:
    minus, plus = (as_float(op, name, eta) for eta in _pair(op, name, value))
    if not 0.0 < minus < 1.0 < plus:
        raise ValueError(f"{op}: expected 0 < {name}[0] < 1 < {name}[1], got {value!r}")
    return minus, plus


def _step_sizes(op: str, name: str, value: Any) -> Any:
    smallest, largest = (as_float(op, name, size, 0.0) for size in _pair(op, name, value))
    return smallest, largest


def _refused(op: str, name: str, value: Any) -> Any:
    if as_bool(op, name, value):
        raise ValueError(f"{op}: expected {name}=False, the only form that there is, got True")
    return value


# How an option is checked, whatever the optimizer.
_CHECKS: dict[str, Callable[[str, str, Any], Any]] = {
    **dict.fromkeys(("lr", "eps", "weight_decay", "momentum"), _not_negative),
    **dict.fromkeys(("lr_decay", "initial_accumulator_value", "momentum_decay"), _not_negative),
    **dict.fromkeys(("dampening", "lambd", "t0"), _number),
    **dict.fromkeys(("maximize", "amsgrad", "nesterov", "centered"), as_bool),
    "alpha": _not_negative,
    "rho": _part,
    "betas": _betas,
    "etas": _etas,
    "step_sizes": _step_sizes,
    "decoupled_weight_decay": as_bool,
    "foreach": as_optional_bool,
    "fused": as_optional_bool,
    "capturable": _refused,
    "differentiable": _refused,
}


class _Batch(NamedTuple):
    """Parameters of a group that are changed with the same numbers."""

    params: list[Array]
    grads: list[Array]
    states: list[list[Array]]


class FusedOptimizer(Optimizer):
    """An optimizer whose step is one call of the core for all parameters of a group.

    Subclasses name the core's rule, the tensors that it keeps of each parameter, in the rule's
    order, and the numbers that are kept besides; they compute the rule's factors.
    """

    _rule = ""
    _tensors: tuple[str, ...] = ()
    _numbers: tuple[str, ...] = ("step",)

    def _check_options(self, group: dict[str, Any]) -> None:
        op = type(self).__name__
        for name, check in _CHECKS.items():
            if name in group:
                group[name] = check(op, name, group[name])
        if group.get("foreach") and group.get("fused"):
            raise RuntimeError(f"{op}: expected one of foreach and fused as True, got both")

    def _used(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The tensors that a group's options ask for; an empty name for those left out."""
        return self._tensors

    def _first(self, group: dict[str, Any], name: str) -> float:
        """The value of a tensor of the state before the first step."""
        return 0.0

    def _start(self, group: dict[str, Any]) -> dict[str, Any]:
        """The numbers of a parameter's state before the first step."""
        return {"step": 0}

    def _advance(self, group: dict[str, Any], memory: dict[str, Any], new: bool) -> Any:
        """Go on to the next step: returns all that the factors depend on besides the group."""
        memory["step"] += 1
        return memory["step"]

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        """The factors of the rule, of what `_advance` returned."""
        raise NotImplementedError

    def _complete(self, group: dict[str, Any], params: list[Tensor]) -> set[int]:
        """Make the state that parameters lack; the ids of those that had none."""
        used = [name for name in self._used(group) if name]
        if not used:
            return {id(p) for p in params}
        new: set[int] = set()
        for i, name in enumerate(used):
            lacking = [p for p in params if self.state[p].get(name) is None]
            if not lacking:
                continue
            if i == 0:
                new = {id(p) for p in lacking}
                for p in lacking:
                    self.state[p].update(self._start(group))
            tensors = _together(lacking, self._first(group, name))
            for p, tensor in zip(lacking, tensors, strict=True):
                self.state[p][name] = tensor
        return new

    def _step_group(self, group: dict[str, Any], params: list[Tensor]) -> None:
        used = self._used(group)
        memories = self._memories(used, params)
        new: set[int] = set()
        try:
            states = _arrays_of(memories, used)
        except (AttributeError, KeyError):  # a tensor that is None, or not there
            new = self._complete(group, params)
            memories = self._memories(used, params)
            states = _arrays_of(memories, used)
        if new or not any(used):
            fresh = [not new or id(p) in new for p in params]
            moments = [self._advance(group, *of) for of in zip(memories, fresh, strict=True)]
        else:
            moments = [self._advance(group, memory, False) for memory in memories]
        arrays = [p._array for p in params]
        grads = [p._grad._array for p in params]  # type: ignore[union-attr]
        for moment, batch in _by_moment(moments, _Batch(arrays, grads, states)):
            factors = self._factors(group, moment)
            _core.optimizer_step(self._rule, batch.params, batch.grads, batch.states, factors)

    def _memories(self, used: tuple[str, ...], params: list[Tensor]) -> list[dict[str, Any]]:
        """What is remembered of each parameter; nothing where the rule needs no memory."""
        if not any(used):
            return [{} for _ in params]
        state = self.state
        return [state[p] for p in params]


def _arrays_of(memories: list[dict[str, Any]], used: tuple[str, ...]) -> list[list[Array]]:
    return [[memory[name]._array for memory in memories] if name else [] for name in used]


def _by_moment(moments: list[Any], batch: _Batch) -> Iterable[tuple[Any, _Batch]]:
    """A batch for each moment: mostly there is one."""
    members: dict[Any, list[int]] = {}
    if moments.count(moments[0]) == len(moments):
        return [(moments[0], batch)]
    for i, moment in enumerate(moments):
        members.setdefault(moment, []).append(i)

    def chosen(arrays: list[Array], places: list[int]) -> list[Array]:
        return [arrays[i] for i in places] if arrays else []

    return [
        (
            moment,
            _Batch(
                chosen(batch.params, places),
                chosen(batch.grads, places),
                [chosen(state, places) for state in batch.states],
            ),
        )
        for moment, places in members.items()
    ]


_LINE = 16  # elements of float32 in a cache line


def _together(params: list[Tensor], value: float) -> list[Tensor]:
    """Tensors like the parameters, in one block for each dtype: small ones get huge pages too."""
    sizes = [-(-p.numel() // _LINE) * _LINE for p in params]
    blocks: dict[Any, Any] = {}
    for p, size in zip(params, sizes, strict=True):
        blocks[p.dtype] = blocks.get(p.dtype, 0) + size
    for dtype, total in blocks.items():
        blocks[dtype] = [_core.Array.full((total,), value, dtype), 0]
    tensors = []
    for p, size in zip(params, sizes, strict=True):
        block, start = blocks[p.dtype]
        blocks[p.dtype][1] = start + size
        tensors.append(wrap(block.slice(0, start, start + p.numel(), 1).reshape(p.shape)))
    return tensors


def sign(group: dict[str, Any]) -> float:
    """The factor of the gradient."""
    return -1.0 if group["maximize"] else 1.0


def mean_factors(group: dict[str, Any]) -> dict[str, float]:
    """The weights of the two running means of the Adam family."""
    beta1, beta2 = map(float, group["betas"])
    return {
        "sign": sign(group),
        "beta1": beta1,
        "one_minus_beta1": 1.0 - beta1,
        "beta2": beta2,
        "one_minus_beta2": 1.0 - beta2,
    }


def decay_factors(group: dict[str, Any], decoupled: bool) -> dict[str, float]:
    """Weight decay as part of the gradient, or apart from it."""
    decay = float(group["weight_decay"])
    if decoupled:
        return {"l2": 0.0, "shrink": 1.0 - float(group["lr"]) * decay}
    return {"l2": decay, "shrink": 1.0}


def root_correction(group: dict[str, Any], step: int) -> float:
    """What makes the root of a running square, which began at zero, one of a mean."""
    return 1.0 / math.sqrt(1.0 - float(group["betas"][1]) ** step)
