"""Stochastic gradient descent, its average, and steps by signs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise.optim.fused import FusedOptimizer, sign

if TYPE_CHECKING:
    from tilewise.optim.optimizer import Params


class SGD(FusedOptimizer):
    """Stochastic gradient descent with momentum, Nesterov's form and weight decay.

    With g = gradient + weight_decay · p, the buffer becomes momentum · buffer + (1 - dampening) · g
    (g itself the first time) and p changes by -lr · buffer, or, with `nesterov`, by
    -lr · (g + momentum · buffer). Sutskever et al., "On the importance of initialization and
    momentum in deep learning", 2013.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: learning rate.
        momentum: how much of the last step is kept.
        dampening: how much of the gradient is left out of the buffer.
        weight_decay: pulls parameters towards zero.
        nesterov: look one step ahead.
        maximize: go up instead of down.
        foreach: for PyTorch's sake; there is one form, fused, and it is always taken.
        differentiable: must be False.
        fused: as foreach.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 2.0]))
        >>> optimizer = optim.SGD([weight], lr=0.5, momentum=0.9)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 1.5]
    """

    _rule = "sgd"
    _tensors = ("momentum_buffer",)
    _numbers = ()

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        options = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, options)

    def _check_options(self, group: dict[str, Any]) -> None:
        super()._check_options(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("SGD: expected momentum > 0 and dampening 0 with nesterov=True")

    def _used(self, group: dict[str, Any]) -> tuple[str, ...]:
        return self._tensors if group["momentum"] else ("",)

    def _start(self, group: dict[str, Any]) -> dict[str, Any]:
        return {}

    def _advance(self, group: dict[str, Any], memory: dict[str, Any], new: bool) -> Any:
        return new

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        return {
            "sign": sign(group),
            "l2": group["weight_decay"],
            "momentum": group["momentum"],
            "one_minus_dampening": 1.0 - float(group["dampening"]),
            "lr": group["lr"],
            "first": moment,
            "nesterov": group["nesterov"],
        }


class ASGD(FusedOptimizer):
    """Stochastic gradient descent that also keeps the average of the parameters.

    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992. The average
    is `state[p]["ax"]`.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: learning rate η of the first step; step t takes lr / (1 + lambd · lr · t) ** alpha.
        lambd: decay of the parameters, by 1 - lambd · η.
        alpha: the exponent.
        t0: the step after which averaging begins.
        weight_decay: adds weight_decay · p to the gradient.
        foreach: for PyTorch's sake; there is one form.
        maximize: go up instead of down.
        differentiable: must be False.
        capturable: must be False.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 2.0]))
        >>> optimizer = optim.ASGD([weight], lr=0.5, lambd=0)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 1.5]
    """

    _rule = "asgd"
    _tensors = ("ax",)
    _numbers = ("step", "eta", "mu")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, options)

    def _start(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": 0, "eta": float(group["lr"]), "mu": 1.0}

    def _advance(self, group: dict[str, Any], memory: dict[str, Any], new: bool) -> Any:
        """The numbers of a step are computed at the end of the one before."""
        now = memory["eta"], memory["mu"]
        memory["step"] += 1
        step, lr = memory["step"], float(group["lr"])
        memory["eta"] = lr / (1.0 + float(group["lambd"]) * lr * step) ** float(group["alpha"])
        memory["mu"] = 1.0 / max(1.0, step - float(group["t0"]))
        return now

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        eta, mu = moment
        return {
            "sign": sign(group),
            "l2": group["weight_decay"],
            "shrink": 1.0 - float(group["lambd"]) * eta,
            "eta": eta,
            "mu": mu,
        }


class Rprop(FusedOptimizer):
    """Steps by the gradients' signs, longer while a sign lasts and shorter where it changes.

    Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP
    algorithm", 1993. For gradients of the whole data set.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: the first step's length.
        etas: the factors of a step's length after a change of sign and without one.
        step_sizes: the shortest and the longest step.
        capturable: must be False.
        foreach: for PyTorch's sake; there is one form.
        maximize: go up instead of down.
        differentiable: must be False.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 2.0]))
        >>> optimizer = optim.Rprop([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 1.5]
    """

    _rule = "rprop"
    _tensors = ("prev", "step_size")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, options)

    def _first(self, group: dict[str, Any], name: str) -> float:
        return float(group["lr"]) if name == "step_size" else 0.0

    def _advance(self, group: dict[str, Any], memory: dict[str, Any], new: bool) -> Any:
        memory["step"] += 1
        return None

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        (eta_minus, eta_plus), (smallest, largest) = group["etas"], group["step_sizes"]
        return {
            "sign": sign(group),
            "eta_minus": eta_minus,
            "eta_plus": eta_plus,
            "smallest": smallest,
            "largest": largest,
        }
