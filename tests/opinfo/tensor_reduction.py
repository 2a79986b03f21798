"""Reductions, statistics, scans, order and search, products of matrices."""

from __future__ import annotations

from typing import Any

import tilewise as tw
from opinfo.harness import Reason, Row


def many_dimensions(error: Any) -> Reason:
    return "more than 8 dimensions" if error.sample_input.input.ndim > 8 else None


def singular_values(sample: Any) -> Reason:
    """The orders 2, -2 and "nuc" of matrices."""
    order = sample.args[0] if sample.args else sample.kwargs.get("ord", "fro")
    dim = sample.args[1] if len(sample.args) > 1 else sample.kwargs.get("dim")
    count = sample.input.ndim if dim is None else 1 if isinstance(dim, int) else len(dim)
    return "singular values" if order in {"nuc", 2, -2} and count == 2 else None


def inverse(sample: Any) -> Reason:
    return "inverse matrices" if sample.args[0] < 0 else None


def flat_gradient(sample: Any) -> Reason:
    """Two observations correlate by 1 whatever they are: the gradient is rounding alone."""
    two = sample.input.ndim < 2 or 1 in sample.input.shape or sample.input.shape[-1] <= 2
    return "a gradient of 0 but for rounding" if two else None


def weighted_pair(sample: Any) -> Reason:
    weights = sample.kwargs.get("aweights")
    if weights is None:
        return None
    few = weights.shape[0] - sample.kwargs.get("correction", 1) <= 1
    return "a gradient or divisor of 0 but for rounding" if few else None


NAMES = """
all any argmax argmin count_nonzero logsumexp mean median nanmedian nanmean nansum prod sum
std_mean var var_mean norm cummax cummin cumsum cumprod logcumsumexp diff trapezoid trapz
cumulative_trapezoid argsort argwhere kthvalue msort nonzero sort topk  quantile
nanquantile dist renorm addbmm addmv addr baddbmm bmm dot inner kron matmul mm mv outer
tensordot vdot cross linalg.cross linalg.diagonal linalg.multi_dot linalg.vecdot linalg.vander
linalg.vector_norm
""".split()  # noqa: SIM905

ROWS = [
    *[Row(name, limit=5e-6, limit64=1e-12) for name in NAMES],
    Row("amax", skip_error=many_dimensions),
    Row("amin", skip_error=many_dimensions),
    Row("aminmax", skip_error=many_dimensions),
    Row("sum", dtypes=("int64", "bool", "uint8")),
    Row("std", limit=5e-6),
    Row("std", variant="unbiased", limit=5e-6),
    Row("var", variant="unbiased", limit=5e-6),
    Row("std_mean", variant="unbiased", limit=5e-6),
    Row("var_mean", variant="unbiased", limit=5e-6),
    Row("max", variant="reduction_no_dim"),
    Row("max", variant="reduction_with_dim"),
    Row("min", variant="reduction_no_dim"),
    Row("min", variant="reduction_with_dim"),
    Row("norm", variant="inf"),
    Row("norm", variant="fro"),
    Row("addmm"),
    Row("addmm", variant="decomposed"),
    Row("__rmatmul__", call=lambda x, other: other @ x),
    # The weights of every sample are float32, and PyTorch adds them in float32.
    Row("cov", skip=weighted_pair, limit=1e-4, limit64=1e-6),
    Row("corrcoef", skip=flat_gradient, limit=1e-5, limit64=1e-12),
    Row("unique", every=6),
    Row("unique_consecutive", every=4),
    Row("histc", every=4),
    Row("searchsorted", every=6),
    Row("bincount", dtypes=("int64",)),
    Row("bucketize"),
    Row("linalg.norm", skip=singular_values, limit=5e-6),
    Row("linalg.norm", variant="subgradients_at_zero", skip=singular_values, limit=5e-6),
    Row("linalg.matrix_norm", skip=singular_values, limit=5e-6),
    Row("linalg.matrix_power", skip=inverse, limit=1e-5),
    Row("einsum", call=lambda tensors, equation: tw.einsum(equation, *tensors), limit=5e-6),
]
