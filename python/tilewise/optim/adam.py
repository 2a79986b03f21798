"""Adam and its relatives: steps of the gradient's running mean over a running size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tilewise.optim.fused import (
    FusedOptimizer,
    decay_factors,
    mean_factors,
    root_correction,
    sign,
)

if TYPE_CHECKING:
    from tilewise.optim.optimizer import Params


class Adam(FusedOptimizer):
    """Steps of the gradient's running mean over the root of its running square.

    Kingma and Ba, "Adam: a method for stochastic optimization", 2015; `amsgrad` after Reddi et al.,
    "On the convergence of Adam and beyond", 2018.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: learning rate.
        betas: how much of the two running averages is kept.
        eps: added to the root.
        weight_decay: adds weight_decay · p to the gradient.
        amsgrad: use the largest running square so far.
        foreach: for PyTorch's sake; there is one form, fused, and it is always taken.
        maximize: go up instead of down.
        capturable: must be False.
        differentiable: must be False.
        fused: as foreach.
        decoupled_weight_decay: shrink p by lr · weight_decay · p instead, as AdamW does.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 2.0]))
        >>> optimizer = optim.Adam([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 1.5]
    """

    _rule = "adam"
    _tensors = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    _decoupled = False  # whatever the groups say

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, options)

    def _used(self, group: dict[str, Any]) -> tuple[str, ...]:
        return self._tensors if group["amsgrad"] else ("exp_avg", "exp_avg_sq", "")

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        step: int = moment
        decoupled = self._decoupled or group["decoupled_weight_decay"]
        return {
            **mean_factors(group),
            **decay_factors(group, decoupled),
            "correction": root_correction(group, step),
            "eps": group["eps"],
            "step_size": float(group["lr"]) / (1.0 - float(group["betas"][0]) ** step),
            "gradient_share": 0.0,
        }


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
        foreach: for PyTorch's sake; there is one form, fused, and it is always taken.
        capturable: must be False.
        differentiable: must be False.
        fused: as foreach.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 2.0]))
        >>> optimizer = optim.AdamW([weight], lr=0.5, weight_decay=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.25, 1.0]
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
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )


class NAdam(FusedOptimizer):
    """Adam with Nesterov's momentum.

    Dozat, "Incorporating Nesterov momentum into Adam", 2016.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: learning rate.
        betas: how much of the two running averages is kept.
        eps: added to the root.
        weight_decay: pulls parameters towards zero.
        momentum_decay: how fast the momentum's schedule reaches betas[0].
        decoupled_weight_decay: shrink p by lr · weight_decay · p, apart from the gradient.
        foreach: for PyTorch's sake; there is one form.
        maximize: go up instead of down.
        capturable: must be False.
        differentiable: must be False.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 2.0]))
        >>> optimizer = optim.NAdam([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> bool((weight < tw.tensor([1.0, 2.0])).all())
        True
    """

    _rule = "adam"
    _tensors = ("exp_avg", "exp_avg_sq")
    _numbers = ("step", "mu_product")

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, options)

    def _used(self, group: dict[str, Any]) -> tuple[str, ...]:
        return (*self._tensors, "")

    def _start(self, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": 0, "mu_product": 1.0}

    def _momentum(self, group: dict[str, Any], step: int) -> float:
        fall: float = 0.96 ** (step * float(group["momentum_decay"]))
        return float(group["betas"][0]) * (1.0 - 0.5 * fall)

    def _advance(self, group: dict[str, Any], memory: dict[str, Any], new: bool) -> Any:
        memory["step"] += 1
        memory["mu_product"] *= self._momentum(group, memory["step"])
        return memory["step"], memory["mu_product"]

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        (step, product), lr = moment, float(group["lr"])
        mu, mu_next = self._momentum(group, step), self._momentum(group, step + 1)
        return {
            **mean_factors(group),
            **decay_factors(group, group["decoupled_weight_decay"]),
            "correction": root_correction(group, step),
            "eps": group["eps"],
            "step_size": lr * mu_next / (1.0 - product * mu_next),
            "gradient_share": lr * (1.0 - mu) / (1.0 - product),
        }


class RAdam(FusedOptimizer):
    """Adam that takes plain steps of the running mean until its running square can be trusted.

    Liu et al., "On the variance of the adaptive learning rate and beyond", 2020.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: learning rate.
        betas: how much of the two running averages is kept.
        eps: added to the root.
        weight_decay: pulls parameters towards zero.
        decoupled_weight_decay: shrink p by lr · weight_decay · p, apart from the gradient.
        foreach: for PyTorch's sake; there is one form.
        maximize: go up instead of down.
        capturable: must be False.
        differentiable: must be False.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 2.0]))
        >>> optimizer = optim.RAdam([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 1.5]
    """

    _rule = "adam"
    _tensors = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, options)

    def _used(self, group: dict[str, Any]) -> tuple[str, ...]:
        return (*self._tensors, "")

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        step: int = moment
        beta1, beta2 = map(float, group["betas"])
        step_size = float(group["lr"]) / (1.0 - beta1**step)
        left = 1.0 - beta2**step
        longest = 2.0 / (1.0 - beta2) - 1.0
        length = longest - 2.0 * step * beta2**step / left  # of the running square's memory
        factors = {
            **mean_factors(group),
            **decay_factors(group, group["decoupled_weight_decay"]),
            "gradient_share": 0.0,
        }
        if length <= 5.0:  # the denominator is 1
            return factors | {"correction": 0.0, "eps": 1.0, "step_size": step_size}
        trust = (length - 4.0) * (length - 2.0) * longest
        trust /= (longest - 4.0) * (longest - 2.0) * length
        return factors | {
            "correction": 1.0,
            "eps": group["eps"],
            "step_size": step_size * math.sqrt(left) * math.sqrt(trust),
        }


class Adamax(FusedOptimizer):
    """Adam with the largest gradient, slowly forgotten, in the denominator.

    Kingma and Ba, "Adam: a method for stochastic optimization", 2015, section 7.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: learning rate.
        betas: how much of the running mean and of the largest gradient is kept.
        eps: added to the gradient's size.
        weight_decay: adds weight_decay · p to the gradient.
        foreach: for PyTorch's sake; there is one form.
        maximize: go up instead of down.
        differentiable: must be False.
        capturable: must be False.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 2.0]))
        >>> optimizer = optim.Adamax([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 1.5]
    """

    _rule = "adamax"
    _tensors = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, options)

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        beta1, beta2 = map(float, group["betas"])
        return {
            "sign": sign(group),
            "l2": group["weight_decay"],
            "beta1": beta1,
            "one_minus_beta1": 1.0 - beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "step_size": float(group["lr"]) / (1.0 - beta1**moment),
        }
