"""Adam, and AdamW with its decoupled weight decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise import _core
from tilewise._arguments import as_bool, as_float
from tilewise.autograd import wrap
from tilewise.optim.optimizer import Optimizer, gradient_arrays

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.optim.optimizer import Params
    from tilewise.tensor import Tensor


class Adam(Optimizer):
    """Steps of the gradient's running mean over the root of its running square.

    Kingma and Ba, "Adam: a method for stochastic optimization", 2015; `amsgrad` after Reddi et al.,
    2018.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: learning rate.
        betas: how much of the two running averages is kept.
        eps: added to the root.
        weight_decay: adds weight_decay · p to the gradient.
        amsgrad: use the largest running square so far.
        maximize: go up instead of down.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> optimizer = optim.Adam(model.parameters(), lr=1e-3)
    """

    _decoupled = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
            },
        )

    def _check_options(self, group: dict[str, Any]) -> None:
        op = type(self).__name__
        for name in ("lr", "eps", "weight_decay"):
            as_float(op, name, group[name], 0.0)
        for name in ("amsgrad", "maximize"):
            as_bool(op, name, group[name])
        betas = group["betas"]
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise TypeError(f"{op}: expected betas as two numbers, got {betas!r}")
        for beta in betas:
            if not 0.0 <= as_float(op, "betas", beta) < 1.0:
                raise ValueError(f"{op}: expected betas in [0, 1), got {betas}")
        group["betas"] = tuple(betas)

    def _step_group(self, group: dict[str, Any], params: list[Tensor]) -> None:
        by_step: dict[int, list[Tensor]] = {}  # parameters may have started at different times
        for parameter in params:
            memory = self.state.setdefault(parameter, {})
            if not memory:
                memory["step"] = 0
                memory["exp_avg"] = _zeros(parameter)
                memory["exp_avg_sq"] = _zeros(parameter)
            if group["amsgrad"] and "max_exp_avg_sq" not in memory:
                memory["max_exp_avg_sq"] = _zeros(parameter)
            memory["step"] += 1
            by_step.setdefault(memory["step"], []).append(parameter)
        for step, tensors in by_step.items():
            self._native(group, tensors, step)

    def _native(self, group: dict[str, Any], params: list[Tensor], step: int) -> None:
        """One call of the core for all tensors."""

        def arrays(name: str) -> list[Array]:
            return [self.state[p][name]._array for p in params]

        beta1, beta2 = group["betas"]
        _core.adam_step(
            [p._array for p in params],
            gradient_arrays(params),
            arrays("exp_avg"),
            arrays("exp_avg_sq"),
            step=step,
            lr=float(group["lr"]),
            beta1=float(beta1),
            beta2=float(beta2),
            eps=float(group["eps"]),
            weight_decay=float(group["weight_decay"]),
            decoupled=self._decoupled,
            max_exp_avg_sq=arrays("max_exp_avg_sq") if group["amsgrad"] else [],
            maximize=group["maximize"],
        )


def _zeros(parameter: Tensor) -> Tensor:
    return wrap(_core.Array.full(parameter.shape, 0, parameter.dtype))


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: p shrinks by lr · weight_decay · p.

    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.

    Args:
        params: see Adam, as the others.
        lr: learning rate.
        betas: how much of the two running averages is kept.
        eps: added to the root.
        weight_decay: 0.01 by default.
        amsgrad: use the largest running square so far.
        maximize: go up instead of down.

    Example:
        >>> optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    """

    _decoupled = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
