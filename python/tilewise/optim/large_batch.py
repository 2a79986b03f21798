"""Lion and LAMB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewise.optim.fused import FusedOptimizer, mean_factors, root_correction

if TYPE_CHECKING:
    from tilewise.optim.optimizer import Params


class Lion(FusedOptimizer):
    """Steps of one length by the sign of a mean of momentum and gradient.

    p ← p - lr · (sign(β₁ m + (1 - β₁) g) + weight_decay · p), then m ← β₂ m + (1 - β₂) g. Chen et
    al., "Symbolic discovery of optimization algorithms", 2023. It wants a rate three to ten times
    smaller than Adam's and a weight decay larger by as much.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: learning rate.
        betas: β₁ and β₂.
        weight_decay: apart from the gradient.
        maximize: go up instead of down.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 2.0]))
        >>> optimizer = optim.Lion([weight], lr=0.5)
        >>> (weight**2).sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 1.5]
    """

    _rule = "lion"
    _tensors = ("exp_avg",)
    _numbers = ()

    def __init__(
        self,
        params: Params,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def _start(self, group: dict[str, Any]) -> dict[str, Any]:
        return {}

    def _advance(self, group: dict[str, Any], memory: dict[str, Any], new: bool) -> Any:
        return None

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        lr = float(group["lr"])
        return {
            **mean_factors(group),
            "shrink": 1.0 - lr * float(group["weight_decay"]),
            "lr": lr,
        }


class LAMB(FusedOptimizer):
    """AdamW's step of each tensor, scaled to the length of the tensor itself.

    With d = m̂ / (√v̂ + eps) + weight_decay · p, p changes by -lr · ‖p‖ / ‖d‖ · d (the ratio is 1
    where a norm is 0). You et al., "Large batch optimization for deep learning: training BERT in 76
    minutes", 2020, algorithm 2.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own.
        lr: learning rate.
        betas: how much of the two running averages is kept.
        eps: added to the root, above 0.
        weight_decay: adds weight_decay · p to the step.
        maximize: go up instead of down.

    Raises:
        TypeError, ValueError: for options that cannot be.

    Example:
        >>> weight = nn.Parameter(tw.tensor([1.0, 1.0]))
        >>> optimizer = optim.LAMB([weight], lr=0.5, weight_decay=0.0)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 0.5]
    """

    _rule = "lamb"
    _tensors = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, options)

    def _check_options(self, group: dict[str, Any]) -> None:
        super()._check_options(group)
        if not float(group["eps"]) > 0.0:
            raise ValueError(f"LAMB: expected eps > 0, got {group['eps']}")

    def _factors(self, group: dict[str, Any], moment: Any) -> dict[str, float]:
        step: int = moment
        return {
            **mean_factors(group),
            "weight_decay": group["weight_decay"],
            "correction": root_correction(group, step),
            "eps": group["eps"],
            "mean_scale": 1.0 / (1.0 - float(group["betas"][0]) ** step),
            "lr": group["lr"],
        }
