"""Parameters: the tensors that a module trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from tilewise._core import Array


def _rebuild_parameter(array: Array, requires_grad: bool) -> Parameter:
    """The inverse of `Parameter.__reduce__`."""
    out = Parameter(array)
    out._requires_grad = requires_grad
    return out


class Parameter(Tensor):
    """A tensor that a module registers as its own when it is assigned to an attribute.

    It shares the memory of `data`.

    Args:
        data: a tensor.
        requires_grad: False for a parameter that is saved but not trained.

    Raises:
        TypeError: for data that are no floating-point tensor while `requires_grad` is True.

    Example:
        >>> class Scale(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = nn.Parameter(tw.ones(1))
    """

    __slots__ = ()

    def __new__(cls, data: Any = (), requires_grad: bool = True) -> Parameter:
        """A parameter on the memory of `data`."""
        if not hasattr(data, "_array") and hasattr(data, "data_ptr"):  # an array of the core
            out = super().__new__(cls)
            out._array = data
        else:
            out = super().__new__(cls, data)
        out.requires_grad_(requires_grad)
        assert isinstance(out, Parameter)
        return out

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_parameter, (self._array, self._requires_grad)


class Buffer(Tensor):
    """A tensor that a module registers as a buffer when it is assigned to an attribute.

    Example:
        >>> layer = nn.Module()
        >>> layer.offset = nn.Buffer(tw.ones(2))
        >>> list(layer.state_dict())
        ['offset']
    """

    __slots__ = ()
