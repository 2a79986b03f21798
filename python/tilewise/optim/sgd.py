"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import as_bool, as_float
from tilewise.autograd import wrap
from tilewise.optim.optimizer import Optimizer, gradient_arrays

if TYPE_CHECKING:
    from tilewise.optim.optimizer import Params
    from tilewise.tensor import Tensor


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, Nesterov's form and weight decay.

    With g = gradient + weight_decay · p, the buffer becomes momentum · buffer + (1 - dampening) · g
    (g itself the first time) and p changes by -lr · buffer, or, with `nesterov`, by
    -lr · (g + momentum · buffer).

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: learning rate.
        momentum: how much of the last step is kept.
        dampening: how much of the gradient is left out of the buffer.
        weight_decay: pulls parameters towards zero.
        nesterov: look one step ahead.
        maximize: go up instead of down.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _check_options(self, group: dict[str, Any]) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            as_float("SGD", name, group[name], 0.0)
        as_float("SGD", "dampening", group["dampening"])
        as_bool("SGD", "maximize", group["maximize"])
        if as_bool("SGD", "nesterov", group["nesterov"]) and (
            group["momentum"] <= 0 or group["dampening"] != 0
        ):
            raise ValueError("SGD: expected momentum > 0 and dampening 0 with nesterov=True")

    def _step_group(self, group: dict[str, Any], params: list[Tensor]) -> None:
        if not group["momentum"]:
            self._native(group, params, first_step=True)
            return
        new = [p for p in params if self.state.get(p, {}).get("momentum_buffer") is None]
        for parameter in new:
            empty = _core.Array.full(parameter.shape, 0, parameter.dtype)
            self.state.setdefault(parameter, {})["momentum_buffer"] = wrap(empty)
        if new:
            self._native(group, new, first_step=True)
        fresh = {id(p) for p in new}
        old = [p for p in params if id(p) not in fresh]
        if old:
            self._native(group, old, first_step=False)

    def _native(self, group: dict[str, Any], params: list[Tensor], first_step: bool) -> None:
        """One call of the core for all tensors."""
        buffers = [self.state[p]["momentum_buffer"]._array for p in params if group["momentum"]]
        _core.sgd_step(
            [p._array for p in params],
            gradient_arrays(params),
            buffers,
            lr=float(group["lr"]),
            momentum=float(group["momentum"]),
            dampening=float(group["dampening"]),
            weight_decay=float(group["weight_decay"]),
            nesterov=group["nesterov"],
            maximize=group["maximize"],
            first_step=first_step,
        )
