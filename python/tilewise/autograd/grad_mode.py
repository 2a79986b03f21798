"""Whether operations are recorded: a switch of each thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from tilewise import _core

if TYPE_CHECKING:
    from types import TracebackType

    from tilewise.tensor import Tensor

_P = ParamSpec("_P")
_R = TypeVar("_R")


grad_mode = _core.grad_mode  # `enabled`: whether this thread writes the tape


def recording(tensors: Iterable[Tensor]) -> bool:
    """Whether an op of these tensors is recorded.

    Example:
        >>> tw.autograd.recording([tw.ones(2), tw.ones(2, requires_grad=True)])
        True
    """
    for tensor in tensors:
        if tensor._requires_grad:
            return grad_mode.enabled
    return False


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread.

    Example:
        >>> with tw.no_grad():
        ...     tw.is_grad_enabled()
        False
    """
    return grad_mode.enabled


class _SetGrad:
    """Context manager and decorator that switches recording in the current thread."""

    __slots__ = ("_before",)
    _mode = True

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(grad_mode.enabled)
        grad_mode.enabled = self._mode

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        grad_mode.enabled = self._before.pop()

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with type(self)():
                return function(*args, **kwargs)

        return call


class no_grad(_SetGrad):  # noqa: N801
    """Within it nothing is recorded: for evaluation and for changing parameters.

    Example:
        >>> w = tw.ones(2, requires_grad=True)
        >>> with tw.no_grad():
        ...     w -= 0.5
        >>> @tw.no_grad()
        ... def predict(x):
        ...     return (x * w).sum()
        >>> predict(tw.ones(2)).requires_grad
        False
    """

    __slots__ = ()
    _mode = False


class enable_grad(_SetGrad):  # noqa: N801
    """Within it operations are recorded again, inside `no_grad` too.

    Example:
        >>> w = tw.ones(2, requires_grad=True)
        >>> with tw.no_grad(), tw.enable_grad():
        ...     y = w * 2
        >>> y.requires_grad
        True
    """

    __slots__ = ()
    _mode = True


class set_grad_enabled(_SetGrad):  # noqa: N801
    """Recording on or off by a flag; takes effect at once, and until the end of a `with`.

    Example:
        >>> training = False
        >>> with tw.set_grad_enabled(training):
        ...     y = tw.ones(2, requires_grad=True) * 2
        >>> y.requires_grad
        False
    """

    __slots__ = ("_mode",)

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self._mode = bool(mode)
        self._before.append(grad_mode.enabled)
        grad_mode.enabled = self._mode

    def __enter__(self) -> None:
        grad_mode.enabled = self._mode

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """As a decorator it takes effect in the function alone."""
        grad_mode.enabled = self._before.pop()
        return (enable_grad if self._mode else no_grad)()(function)
