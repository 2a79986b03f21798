"""Rates of their own for each element: RMSprop, Adagrad, Adadelta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise.optim.fused import FusedOptimizer, sign

if TYPE_CHECKING:
    from tilewise.optim.optimizer import Params


class RMSprop(FusedOptimizer):
    """Steps of the gradient over the root of its running square.

    Hinton, "Neural networks for machine learning", lecture 6, 2012; centred: Graves, "Generating
    sequences with recurrent neural networks", 2013.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: learning rate.
        alpha: how much of the running square is kept.
        eps: added to the root.
        weight_decay: adds weight_decay · p to the gradient.
        momentum: how much of the last step is kept.
        centered: divide by the root of the variance instead.
        capturable: must be False.
        foreach: for PyTorch's sake; there is one form.
        maximize: go up instead of down.
        differentiable: must be False.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 2.0]))
        >>> optimizer = optim.RMSprop([weight], lr=0.5, alpha=0.75)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.0, 1.0]
    """

    _rule = "rmsprop"
    _tensors = ("square_avg", "grad_avg", "momentum_buffer")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, options)

    def _used(self, group: dict[str, Any]) -> tuple[str, ...]:
        centre = "grad_avg" if group["centered"] else ""
        return "square_avg", centre, "momentum_buffer" if group["momentum"] > 0 else ""

    def _advance(self, group: dict[str, Any], memory: dict[str, Any], new: bool) -> Any:
        memory["step"] += 1
        return None

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        alpha = float(group["alpha"])
        return {
            "sign": sign(group),
            "l2": group["weight_decay"],
            "alpha": alpha,
            "one_minus_alpha": 1.0 - alpha,
            "momentum": group["momentum"],
            "eps": group["eps"],
            "lr": group["lr"],
        }


class Adagrad(FusedOptimizer):
    """Steps of the gradient over the root of the sum of all its squares.

    Duchi et al., "Adaptive subgradient methods for online learning and stochastic optimization",
    2011.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: learning rate.
        lr_decay: step t takes lr / (1 + (t - 1) · lr_decay).
        weight_decay: adds weight_decay · p to the gradient.
        initial_accumulator_value: where the sum begins.
        eps: added to the root.
        foreach: for PyTorch's sake; there is one form, fused, and it is always taken.
        maximize: go up instead of down.
        differentiable: must be False.
        fused: as foreach.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 2.0]))
        >>> optimizer = optim.Adagrad([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 1.5]
    """

    _rule = "adagrad"
    _tensors = ("sum",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        options = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, options)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add tensors with options of their own; their sums begin here."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        self._complete(group, group["params"])

    def _first(self, group: dict[str, Any], name: str) -> float:
        return float(group["initial_accumulator_value"])

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        slower = 1.0 + (moment - 1) * float(group["lr_decay"])
        return {
            "sign": sign(group),
            "l2": group["weight_decay"],
            "eps": group["eps"],
            "lr": float(group["lr"]) / slower,
        }


class Adadelta(FusedOptimizer):
    """Steps of the gradient times the ratio of the running sizes of steps and gradients.

    Zeiler, "ADADELTA: an adaptive learning rate method", 2012.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: scales the step.
        rho: how much of the running squares is kept.
        eps: added to both under the root.
        weight_decay: adds weight_decay · p to the gradient.
        foreach: for PyTorch's sake; there is one form.
        capturable: must be False.
        maximize: go up instead of down.
        differentiable: must be False.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 2.0]))
        >>> optimizer = optim.Adadelta([weight], rho=0.0, eps=1.0, lr=0.5)
        >>> (weight * 0.0).sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [1.0, 2.0]
    """

    _rule = "adadelta"
    _tensors = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, options)

    def _advance(self, group: dict[str, Any], memory: dict[str, Any], new: bool) -> Any:
        memory["step"] += 1
        return None

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        rho = float(group["rho"])
        return {
            "sign": sign(group),
            "l2": group["weight_decay"],
            "rho": rho,
            "one_minus_rho": 1.0 - rho,
            "eps": group["eps"],
            "lr": group["lr"],
        }
