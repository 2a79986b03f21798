"""Gradients checked against central differences, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise import _core
from tilewise._dtypes import FLOATING, float64
from tilewise.autograd.grad_mode import no_grad
from tilewise.autograd.tape import as_list, grad, wrap

if TYPE_CHECKING:
    from tilewise.tensor import Tensor


class GradcheckError(RuntimeError):
    """An analytical gradient that differs from the numerical one."""


def gradcheck(
    fn: Callable[..., Tensor | Sequence[Tensor]],
    inputs: Tensor | Sequence[Any],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compare the gradients of `fn` with central differences.

    Args:
        fn: takes the inputs, returns a tensor or several; must be deterministic.
        inputs: its arguments; those that require a gradient must be float64.
        eps: half the step of the differences.
        atol: absolute tolerance, for each element of the Jacobian.
        rtol: relative tolerance.
        raise_exception: raise where they differ; otherwise return False.

    Raises:
        GradcheckError: where a Jacobian differs, with its worst element.
        TypeError: for an input that requires a gradient and is not float64.

    Example:
        >>> x = tw.rand(3, 4, dtype=tw.float64, requires_grad=True)
        >>> tw.autograd.gradcheck(lambda x: x.sigmoid().sum(0), (x,))
        True
    """
    arguments = as_list(inputs)
    checked = [t for t in arguments if getattr(t, "_requires_grad", False)]
    if not checked:
        raise ValueError("gradcheck: expected an input that requires a gradient, got none")
    for t in checked:
        if t._array.dtype != float64:
            raise TypeError(f"gradcheck: expected float64 inputs, got {t._array.dtype}")

    def outputs() -> list[Tensor]:
        return [t for t in as_list(fn(*arguments)) if t._array.dtype in FLOATING]

    for k, output in enumerate(outputs()):
        analytic = _analytic_jacobians(output, checked)
        for i, tensor in enumerate(checked):
            numeric = _numeric_jacobian(outputs, k, tensor, eps)
            if numeric.size == 0:
                continue
            error = np.abs(analytic[i] - numeric)
            excess = error - (atol + rtol * np.abs(numeric))
            if bool((excess <= 0).all()):
                continue
            if not raise_exception:
                return False
            o, j = np.unravel_index(int(np.nan_to_num(excess, nan=np.inf).argmax()), error.shape)
            raise GradcheckError(
                f"gradcheck: d output {k}[{o}] / d input {i}[{j}] is {analytic[i][o, j]:.6g}, "
                f"by differences {numeric[o, j]:.6g}"
            )
    return True


def _analytic_jacobians(output: Tensor, inputs: list[Tensor]) -> list[np.ndarray[Any, Any]]:
    """Derivatives of the output by each input, (output size, input size): a backward a row."""
    size = output._array.size
    jacobians = [np.zeros((size, t._array.size)) for t in inputs]
    for row in range(size if output._requires_grad else 0):
        one_hot = np.zeros(size)
        one_hot[row] = 1.0
        seed = wrap(_core.Array.from_numpy(one_hot.reshape(output._array.shape)))
        rows = grad(output, inputs, seed, retain_graph=True, allow_unused=True)
        for jacobian, gradient in zip(jacobians, rows, strict=True):
            if gradient is not None:
                jacobian[row] = gradient._array.numpy().reshape(-1)
    return jacobians


def _numeric_jacobian(
    outputs: Callable[[], list[Tensor]], k: int, tensor: Tensor, eps: float
) -> np.ndarray[Any, Any]:
    """The same by central differences: two evaluations for each column."""
    before = tensor._array
    values = np.array(before.numpy(), order="C", copy=True)
    columns = []

    def evaluate(index: int, value: float) -> np.ndarray[Any, Any]:
        changed = values.copy()
        changed.reshape(-1)[index] = value
        tensor._array = _core.Array.from_numpy(changed)
        return np.array(outputs()[k]._array.numpy(), dtype=np.float64).reshape(-1)

    try:
        with no_grad():
            for i, value in enumerate(values.reshape(-1).tolist()):
                difference = evaluate(i, value + eps) - evaluate(i, value - eps)
                columns.append(difference / (2 * eps))
    finally:
        tensor._array = before
    return np.stack(columns, axis=1) if columns else np.zeros((0, 0))
