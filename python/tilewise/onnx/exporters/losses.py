"""Losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .activation import SIMPLE
from .builder import Call, Unsupported


def _reduced(call: Call, loss: str, default: str = "mean") -> str:
    """The mean or the sum of the elements' losses, or these themselves."""
    if call.get("size_average") is not None or call.get("reduce") is not None:
        raise Unsupported("size_average and reduce are old; use reduction")
    reduction = call.get("reduction", default)
    if reduction == "none":
        return loss
    return call.reduce("ReduceMean" if reduction == "mean" else "ReduceSum", loss, None, False)


def _number(call: Call, value: float) -> str:
    return call.constant(value, call.out_dtype, "scalar")


def _pair(call: Call, *names: str) -> list[str]:
    return [call.operand(call.arguments[n], call.out_dtype) for n in names or ("input", "target")]


def _pointwise(form: Callable[[Call, str, str], str]) -> Callable[[Call], str]:
    """A loss of each element of input and target, then weighted and reduced."""

    def convert(call: Call) -> str:
        loss = form(call, *_pair(call))
        if call.has("weight"):
            raise Unsupported("weights of single elements have no form here; multiply by them")
        return _reduced(call, loss)

    return convert


def _square(call: Call, x: str, y: str) -> str:
    apart = call.op("Sub", x, y)
    return call.op("Mul", apart, apart)


def _absolute(call: Call, x: str, y: str) -> str:
    return call.op("Abs", call.op("Sub", x, y))


def _huber(call: Call, x: str, y: str) -> str:
    """½d² below the bend, a line beyond; Smooth-L1 is the same over its bend."""
    smooth = call.function == "smooth_l1_loss"
    bend = float(call.get("beta" if smooth else "delta", 1.0))
    size = _absolute(call, x, y)
    if bend == 0:
        return size if smooth else call.op("Mul", size, _number(call, 0.0))
    limit, half = _number(call, bend), _number(call, 0.5)
    inner = call.op("Mul", half, call.op("Mul", size, size))
    outer = call.op("Mul", limit, call.op("Sub", size, _number(call, 0.5 * bend)))
    loss = call.op("Where", call.op("Less", size, limit), inner, outer)
    return call.op("Div", loss, limit) if smooth else loss


def _soft_margin(call: Call, x: str, y: str) -> str:
    return call.op("Softplus", call.op("Neg", call.op("Mul", x, y)))


def _cross_entropy(call: Call) -> str:
    """SoftmaxCrossEntropyLoss for labels; for probabilities the sum over their logarithms."""
    if float(call.get("label_smoothing", 0.0)):
        raise Unsupported("label_smoothing has no operator; export the network without its loss")
    axis = 0 if call.rank("input") == 1 else 1
    if call.dtype("target").kind == "f":
        if call.has("weight"):
            raise Unsupported("weights with probabilities have no operator")
        logarithms = call.op("LogSoftmax", call["input"], axis=axis)
        product = call.op("Mul", logarithms, call["target"])
        loss = call.op("Neg", call.reduce("ReduceSum", product, [axis], keepdims=False))
        return _reduced(call, loss)
    return _labelled(call, "SoftmaxCrossEntropyLoss")


def _labelled(call: Call, kind: str) -> str:
    if call.rank("input") == 1:
        raise Unsupported("a single sample without a batch has no operator; add a dimension")
    if call.get("size_average") is not None or call.get("reduce") is not None:
        raise Unsupported("size_average and reduce are old; use reduction")
    return call.op(
        kind, call["input"], call["target"], call.optional("weight"),
        ignore_index=int(call.get("ignore_index", -100)), reduction=call.get("reduction", "mean"),
    )  # fmt: skip


def _nll(call: Call) -> str:
    return _labelled(call, "NegativeLogLikelihoodLoss")


def _weighted(call: Call, loss: str) -> str:
    if not call.has("weight"):
        return loss
    weight = call.operand(call.arguments["weight"], call.out_dtype)
    return call.op("Mul", loss, weight)


def _bce(call: Call) -> str:
    """-(t · log x + (1 - t) · log(1 - x)), logarithms at least -100."""
    x, t = _pair(call)
    one, least = _number(call, 1.0), _number(call, -100.0)
    log_x = call.op("Max", call.op("Log", x), least)
    log_rest = call.op("Max", call.op("Log", call.op("Sub", one, x)), least)
    terms = call.op("Mul", t, log_x), call.op("Mul", call.op("Sub", one, t), log_rest)
    return _reduced(call, _weighted(call, call.op("Neg", call.op("Add", *terms))))


def _bce_with_logits(call: Call) -> str:
    """(1 - t) · x + w · log(1 + exp(-x)), with w = 1 + (pos_weight - 1) · t."""
    x, t = _pair(call)
    one = _number(call, 1.0)
    log_term = call.op("Softplus", call.op("Neg", x))
    if call.has("pos_weight"):
        positive = call.operand(call.arguments["pos_weight"], call.out_dtype)
        factor = call.op("Add", one, call.op("Mul", call.op("Sub", positive, one), t))
        log_term = call.op("Mul", factor, log_term)
    loss = call.op("Add", call.op("Mul", call.op("Sub", one, t), x), log_term)
    return _reduced(call, _weighted(call, loss))


def _kl_div(call: Call) -> str:
    """The sum of t · (log t - x); 0 where t is."""
    x, t = _pair(call)
    if call.get("log_target", False):
        loss = call.op("Mul", call.op("Exp", t), call.op("Sub", t, x))
    else:
        tiny = _number(call, float(np.finfo(call.out_dtype).tiny))
        logarithm = call.op("Log", call.op("Max", t, tiny))
        loss = call.op("Mul", t, call.op("Sub", logarithm, x))
    if call.get("reduction", "mean") != "batchmean":
        return _reduced(call, loss)
    per_sample = call.reduce("ReduceSum", loss, list(range(1, call.rank("input"))), False)
    return call.reduce("ReduceMean", per_sample, None, False)


def _poisson(call: Call) -> str:
    x, t = _pair(call)
    eps = _number(call, call.get("eps", 1e-8))
    if call.get("full", False):
        raise Unsupported("full=True has no form here")
    if call.get("log_input", True):
        loss = call.op("Sub", call.op("Exp", x), call.op("Mul", t, x))
    else:
        loss = call.op("Sub", x, call.op("Mul", t, call.op("Log", call.op("Add", x, eps))))
    return _reduced(call, loss)


def _gaussian(call: Call) -> str:
    if not call.is_tensor(call.arguments["var"]) or call.rank("var") != call.rank("input"):
        raise Unsupported("its variance needs the rank of the input")
    x, t, var = _pair(call, "input", "target", "var")
    var = call.op("Max", var, _number(call, call.get("eps", 1e-6)))
    ratio = call.op("Div", _square(call, x, t), var)
    loss = call.op("Mul", _number(call, 0.5), call.op("Add", call.op("Log", var), ratio))
    if call.get("full", False):
        loss = call.op("Add", loss, _number(call, 0.5 * math.log(2 * math.pi)))
    return _reduced(call, loss)


def _hinge_embedding(call: Call) -> str:
    x, t = _pair(call)
    zero, one = _number(call, 0.0), _number(call, 1.0)
    away = call.op("Max", zero, call.op("Sub", _number(call, call.get("margin", 1.0)), x))
    near = call.op("Where", call.op("Equal", t, _number(call, -1.0)), zero, x)
    far = call.op("Where", call.op("Equal", t, one), zero, away)
    return _reduced(call, call.op("Add", near, far))


def _margin_ranking(call: Call) -> str:
    a, b, t = _pair(call, "input1", "input2", "target")
    apart = call.op("Mul", call.op("Neg", t), call.op("Sub", a, b))
    shifted = call.op("Add", apart, _number(call, call.get("margin", 0.0)))
    return _reduced(call, call.op("Max", _number(call, 0.0), shifted))


def _sigmoid_focal(call: Call) -> str:
    """Cross-entropy times (1 - p)^gamma, with p the probability of what is there."""
    x, t = _pair(call, "inputs", "targets")
    one = _number(call, 1.0)
    rest = call.op("Sub", one, t)
    entropy = call.op("Add", call.op("Mul", rest, x), call.op("Softplus", call.op("Neg", x)))
    p = SIMPLE["sigmoid"](call, x)
    missed = call.op("Add", call.op("Mul", call.op("Sub", one, p), t), call.op("Mul", p, rest))
    loss = call.op("Mul", entropy, call.op("Pow", missed, _number(call, call.get("gamma", 2.0))))
    alpha = float(call.get("alpha", 0.25))
    if alpha >= 0:
        share = call.op(
            "Add", call.op("Mul", _number(call, alpha), t),
            call.op("Mul", _number(call, 1 - alpha), rest),
        )  # fmt: skip
        loss = call.op("Mul", share, loss)
    return _reduced(call, loss, "none")


def _distance(call: Call, a: str, b: str, rank: int) -> str:
    """|a - b + eps| in the p-norm over the last dimension."""
    from .normalization import vector_norm

    apart = call.op("Add", call.op("Sub", a, b), _number(call, call.get("eps", 1e-6)))
    return vector_norm(call, apart, float(call.get("p", 2.0)), [rank - 1], keepdims=False)


def _triplet(call: Call) -> str:
    anchor, positive, negative = _pair(call, "anchor", "positive", "negative")
    rank = call.rank("anchor")
    near = _distance(call, anchor, positive, rank)
    far = _distance(call, anchor, negative, rank)
    if call.get("swap", False):
        far = call.op("Min", far, _distance(call, positive, negative, rank))
    margin = _number(call, call.get("margin", 1.0))
    loss = call.op("Add", call.op("Sub", near, far), margin)
    return _reduced(call, call.op("Max", _number(call, 0.0), loss))


CONVERTERS: dict[str, Callable[[Call], Any]] = {
    "mse_loss": _pointwise(_square),
    "l1_loss": _pointwise(_absolute),
    "smooth_l1_loss": _pointwise(_huber),
    "huber_loss": _pointwise(_huber),
    "soft_margin_loss": _pointwise(_soft_margin),
    "cross_entropy": _cross_entropy,
    "nll_loss": _nll,
    "binary_cross_entropy": _bce,
    "binary_cross_entropy_with_logits": _bce_with_logits,
    "kl_div": _kl_div,
    "poisson_nll_loss": _poisson,
    "gaussian_nll_loss": _gaussian,
    "hinge_embedding_loss": _hinge_embedding,
    "margin_ranking_loss": _margin_ranking,
    "triplet_margin_loss": _triplet,
    "sigmoid_focal_loss": _sigmoid_focal,
}
