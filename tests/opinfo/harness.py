"""Runs PyTorch's OpInfo samples through both libraries.

A row names an OpInfo and the function here that does the same. For each of its sample inputs the
outputs (values, dtypes, structure) and the gradients of all inputs that require one must agree; for
each of its error inputs a call here must raise. A sample that needs something that tilewise does
not have at all (complex numbers, half precision, sparse tensors) counts as not applicable, with
the reason.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

import tilewise as tw
from helpers import assert_close
from tilewise.nn import functional as F

Reason = str | None
ERRORS = (ValueError, TypeError, RuntimeError, IndexError)


def never(sample: Any) -> Reason:
    return None


@dataclass(frozen=True)
class Row:
    """One operation.

    Attributes:
        name: the OpInfo's, "nn.functional.conv2d" or "sum".
        call: the function here, taking what PyTorch's takes; None for the one of the same name in
            `nn.functional`, `tw` or, last, among the tensor's methods.
        variant: the OpInfo's variant_test_name.
        limit: the largest error in float32, relative to the largest magnitude of a result.
        limit64: the same in float64.
        dtypes: the names of the dtypes whose samples are run.
        skip: why a sample does not apply, or None.
        skip_error: why an error input does not apply, or None. It sees the OpInfo's ErrorInput.
        gradients: compare gradients too; False where random numbers or integers make it void.
        every: run every n-th sample only, where there are thousands of small ones.
        least: the least scale of gradients: the incoming ones are normal numbers, so that errors of
            sums that cancel are relative to about 1.
    """

    name: str
    call: Callable[..., Any] | None = None
    variant: str = ""
    limit: float = 2e-6
    limit64: float = 1e-13
    dtypes: tuple[str, ...] = ("float32", "float64")
    skip: Callable[[Any], Reason] = never
    skip_error: Callable[[Any], Reason] = never
    gradients: bool = True
    every: int = 1
    least: float = 1.0

    @property
    def title(self) -> str:
        return f"{self.name} {self.variant}".strip()

    def function(self) -> Callable[..., Any]:
        if self.call is not None:
            return self.call
        found = counterpart(self.name)
        assert found is not None, f"{self.name}: no function of this name here"
        return found


@dataclass
class Outcome:
    """What became of a row's samples."""

    op: str
    samples: int = 0
    passed: int = 0
    errors: int = 0
    not_applicable: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class NotApplicable(Exception):
    """The sample needs what tilewise does not have; the text says what."""


def counterpart(name: str) -> Callable[..., Any] | None:
    """The function or method here that has the name of an OpInfo."""
    if name.startswith("nn.functional."):
        return getattr(F, name.removeprefix("nn.functional."), None)
    if "." in name:
        try:
            return reduce(getattr, name.split("."), tw)  # type: ignore[arg-type]
        except AttributeError:
            return None
    for place in (tw, tw.Tensor):  # tw.float is a type, Tensor.float a function
        found = getattr(place, name, None)
        if callable(found):
            return found
    return None


# ---------------------------------------------------------------- from one library to the other


def _tensor(value: Any) -> tw.Tensor:
    import torch

    if value.layout != torch.strided:
        raise NotApplicable(f"layout {value.layout}")
    _dtype(value.dtype)
    if value.is_conj() or value.is_neg():
        raise NotApplicable("lazy conjugates and negatives")
    result = tw.from_numpy(np.array(value.detach().numpy(), copy=True))
    return result.requires_grad_(value.requires_grad)


def _dtype(value: Any) -> Any:
    name = str(value).removeprefix("torch.")
    found = getattr(tw, "bool_" if name == "bool" else name, None)
    if not isinstance(found, tw.DType):
        raise NotApplicable(f"dtype {name}")
    return found


def translate(value: Any) -> Any:
    """Tensors, dtypes and containers of PyTorch as those of tilewise."""
    import torch

    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, torch.dtype):
        return _dtype(value)
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, torch.layout | torch.memory_format | torch.Generator):
        raise NotApplicable(type(value).__name__)
    if isinstance(value, complex):
        raise NotApplicable("complex numbers")
    if isinstance(value, list):
        return [translate(v) for v in value]
    if type(value) is tuple or isinstance(value, torch.Size):
        return tuple(translate(v) for v in value)
    if isinstance(value, dict):
        return {key: translate(v) for key, v in value.items()}
    return value


def leaves(value: Any, kind: type) -> Iterator[Any]:
    """The tensors in an argument or result, in order."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, list | tuple):
        for v in value:
            yield from leaves(v, kind)
    elif isinstance(value, dict):
        for v in value.values():
            yield from leaves(v, kind)


# ---------------------------------------------------------------- one sample


def _check_outputs(ours: Any, theirs: Any, limit: float) -> None:
    import torch

    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, tw.Tensor), f"expected a tensor, got {type(ours).__name__}"
        want, got = str(theirs.dtype).removeprefix("torch."), ours.dtype.name.rstrip("_")
        assert got == want, f"dtype {got}, expected {want}"
        assert_close(ours, theirs, limit=limit, what="output")
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs), f"{len(ours)} outputs, expected {len(theirs)}"
        for a, b in zip(ours, theirs, strict=True):
            _check_outputs(a, b, limit)
    else:
        assert ours == theirs, f"{ours!r}, expected {theirs!r}"


def _check_gradients(
    ours: Any, our_inputs: Any, theirs: Any, their_inputs: Any, limit: float, least: float
) -> None:
    import torch

    their_outputs = [t for t in leaves(theirs, torch.Tensor) if t.requires_grad]
    their_leaves = [t for t in leaves(their_inputs, torch.Tensor) if t.requires_grad]
    if not (their_outputs and their_leaves):
        return
    our_outputs = [t for t in leaves(ours, tw.Tensor) if t.requires_grad]
    our_leaves = [t for t in leaves(our_inputs, tw.Tensor) if t.requires_grad]
    assert len(our_outputs) == len(their_outputs), "other outputs carry gradients"
    assert len(our_leaves) == len(their_leaves)
    torch.manual_seed(0)
    seeds = [torch.randn_like(t) for t in their_outputs]
    expected = torch.autograd.grad(their_outputs, their_leaves, seeds, allow_unused=True)
    ours_seeds = [_tensor(s) for s in seeds]
    actual = tw.autograd.grad(our_outputs, our_leaves, ours_seeds, allow_unused=True)
    for i, (got, want, leaf) in enumerate(zip(actual, expected, their_leaves, strict=True)):
        zeros = np.zeros(tuple(leaf.shape))
        wanted = zeros if want is None else want.numpy()
        finite = np.abs(wanted[np.isfinite(wanted)])
        assert_close(
            zeros if got is None else got,
            wanted,
            limit=limit,
            scale=max(float(finite.max(initial=0.0)), least) or 1.0,
            what=f"gradient {i}",
        )


def _describe(sample: Any) -> str:
    def text(value: Any) -> str:
        if hasattr(value, "shape"):
            return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
        if isinstance(value, list | tuple):
            return f"({', '.join(map(text, value))})"
        return repr(value)

    arguments = [text(sample.input), *map(text, sample.args)]
    arguments += [f"{key}={text(value)}" for key, value in sample.kwargs.items()]
    return ", ".join(arguments)


def run_sample(row: Row, op: Any, sample: Any, limit: float) -> None:
    """Compare one call; raises AssertionError where they differ, NotApplicable where it is void."""
    reason = row.skip(sample)
    if reason:
        raise NotApplicable(reason)
    given = (sample.input, *sample.args)
    inputs, options = translate(given), translate(sample.kwargs)
    theirs = op(*given, **sample.kwargs)
    ours = row.function()(*inputs, **options)
    if not row.name.endswith(("empty", "empty_like", "new_empty")):
        _check_outputs(ours, theirs, limit)
    if row.gradients and op.supports_autograd:
        _check_gradients(
            ours, (inputs, options), theirs, (given, sample.kwargs), limit * 4, row.least
        )


def run_error(row: Row, error: Any) -> None:
    """The call of an error input must raise here too."""
    reason = row.skip_error(error)
    if reason:
        raise NotApplicable(reason)
    sample = error.sample_input
    inputs, options = translate((sample.input, *sample.args)), translate(sample.kwargs)
    try:
        row.function()(*inputs, **options)
    except ERRORS:
        return
    raise AssertionError(f"no error, where PyTorch says {error.error_regex!r}")


def run_row(row: Row) -> Outcome:
    """Every sample and error input of a row."""
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    op = next((o for o in op_db if (o.name, o.variant_test_name) == (row.name, row.variant)), None)
    assert op is not None, f"PyTorch has no OpInfo {row.title}"
    outcome = Outcome(row.title)

    def attempt(run: Callable[[], None], what: str) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run()
        except NotApplicable as reason:
            outcome.not_applicable[str(reason)] += 1
            return False
        except Exception as error:
            outcome.failures.append(f"{what}: {type(error).__name__}: {error}")
            return False
        return True

    for name in row.dtypes:
        dtype = getattr(torch, name)
        if dtype not in op.supported_dtypes("cpu"):
            continue
        gradients = row.gradients and op.supports_autograd and dtype.is_floating_point
        limit = row.limit64 if name == "float64" else row.limit
        torch.manual_seed(0)
        samples = op.sample_inputs("cpu", dtype, requires_grad=gradients)
        for i, sample in enumerate(samples):
            if i % row.every:
                continue
            outcome.samples += 1

            def compare(sample: Any = sample, limit: float = limit) -> None:
                run_sample(row, op, sample, limit)

            outcome.passed += attempt(compare, f"{name} {_describe(sample)}")
    if op.error_inputs_func is not None:
        for error in op.error_inputs("cpu"):
            outcome.samples += 1

            def refuse(error: Any = error) -> None:
                run_error(row, error)

            raised = attempt(refuse, f"error input {_describe(error.sample_input)}")
            outcome.passed += raised
            outcome.errors += raised
    return outcome
