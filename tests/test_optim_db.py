"""PyTorch's own list of optimizers and configurations, `optim_db`, through both libraries.

Every configuration runs for some steps on the same gradients, in each of PyTorch's forms (foreach,
fused, neither); what does not apply is listed with the reason. `pytest -s` prints the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tilewise as tw
from helpers import HAS_TORCH_SAMPLES, random_array, requires_torch_samples
from tilewise import nn, optim

pytestmark = [
    requires_torch_samples,
    pytest.mark.filterwarnings("ignore"),
]

# Optimizers of the list that this library does not have.
ABSENT = {
    "Adafactor": "not offered: factored second moments are for memory that a CPU has",
    "LBFGS": "not offered: a full-batch method with a line search",
    "Muon": "not offered: for the hidden matrices of transformers",
    "SparseAdam": "not offered: there are no sparse tensors",
}
# Error inputs that do not apply, by a part of their description.
ACCEPTED = {
    "lr as Tensor doesn't work with foreach": "a tensor lr is read as a number in the one form",
    "as a Tensor is not supported for capturable=False and foreach": "so are tensor betas",
}
SHAPES = [(4, 3), (5,), (), (2, 3, 3, 3), (1, 33)]
STEPS = 7
# PyTorch keeps numbers of their state in float32 even where the parameters are float64.
ROUGH = {"NAdam", "ASGD"}

TABLE: dict[str, Counter[str]] = {}


def infos() -> list[Any]:
    if not HAS_TORCH_SAMPLES:
        return []
    from torch.testing._internal.common_optimizers import optim_db

    return list(optim_db)


def names() -> list[str]:
    return [info.optim_cls.__name__ for info in infos()]


def info_of(name: str) -> Any:
    return next(info for info in infos() if info.optim_cls.__name__ == name)


def configurations() -> Iterator[Any]:
    for info in infos():
        for config in info.optim_inputs_func("cpu"):
            yield pytest.param(
                info.optim_cls.__name__, config, id=f"{info.optim_cls.__name__}-{config.desc}"
            )


def to_ours(value: Any) -> Any:
    """Tensors among the options become ours."""
    import torch

    if isinstance(value, torch.Tensor):
        return tw.tensor(value.numpy())
    if isinstance(value, tuple):
        return tuple(map(to_ours, value))
    return value


def count(name: str, what: str) -> None:
    TABLE.setdefault(name, Counter())[what] += 1


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    yield
    print("\noptimizer    configurations  passed  error inputs  raised  not applicable")
    for name in names():
        row = TABLE.get(name, Counter())
        reason = ABSENT.get(name, "")
        print(
            f"{name:12} {row['configurations']:14} {row['passed']:7} {row['error inputs']:13} "
            f"{row['raised']:7}  {row['not applicable']} {reason}"
        )
    total = sum(TABLE.values(), Counter())
    print(", ".join(f"{what}: {number}" for what, number in total.items()))


@pytest.mark.parametrize(("name", "config"), list(configurations()))
def test_configuration(name: str, config: Any) -> None:
    import torch

    count(name, "configurations")
    if name in ABSENT:
        count(name, "not applicable")
        pytest.skip(ABSENT[name])
    options = dict(config.kwargs)
    forms: list[dict[str, Any]] = [{"foreach": False}, {"foreach": True}]
    if "fused" in info_of(name).supported_impls:
        forms.append({"fused": True})
    if any(isinstance(value, torch.Tensor) for value in options.values()):
        forms = [{"foreach": False}]
    for dtype in ("float32", "float64"):
        start = [random_array(s, i, dtype=np.float64).astype(dtype) for i, s in enumerate(SHAPES)]
        for form in forms:
            ours = [nn.Parameter(tw.tensor(a)) for a in start]
            theirs = [torch.nn.Parameter(torch.tensor(a)) for a in start]
            a = getattr(optim, name)(ours, **{k: to_ours(v) for k, v in options.items()}, **form)
            b = getattr(torch.optim, name)(theirs, **options, **form)
            assert set(a.param_groups[0]) == set(b.param_groups[0])
            for step in range(STEPS):
                for i, shape in enumerate(SHAPES):
                    g = random_array(shape, 100 * step + i, dtype=np.float64).astype(dtype)
                    ours[i].grad, theirs[i].grad = tw.tensor(g), torch.tensor(g)
                a.step()
                b.step()
            limit = 1e-5 if dtype == "float32" else 1e-6 if name in ROUGH else 1e-12
            compare(a, b, limit)
    count(name, "passed")


def compare(a: Any, b: Any, limit: float) -> None:
    """Parameters and state agree, the state by PyTorch's names."""
    mine, other = a.state_dict()["state"], b.state_dict()["state"]
    assert mine.keys() == other.keys()
    for number, memory in other.items():
        assert mine[number].keys() == memory.keys()
        for key, value in memory.items():
            got = mine[number][key]
            got = got.detach().numpy() if hasattr(got, "detach") else got
            np.testing.assert_allclose(got, value.numpy(), rtol=limit, atol=limit, err_msg=key)
    for p, q in zip(a.param_groups[0]["params"], b.param_groups[0]["params"], strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=limit, atol=limit)


def error_inputs() -> Iterator[Any]:
    for info in infos():
        name = info.optim_cls.__name__
        if name in ABSENT:
            continue
        import torch

        for i, case in enumerate(info.optim_error_inputs_func("cpu", torch.float32)):
            yield pytest.param(name, case, id=f"{name}-{i}-{case.optimizer_error_input.desc}")


def ours_of(params: Any) -> Any:
    """Parameters in the form of PyTorch's, the same ones for the same ones."""
    import torch

    made: dict[int, Any] = {}

    def convert(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return made.setdefault(id(value), nn.Parameter(tw.tensor(value.detach().numpy())))
        if isinstance(value, dict):
            return {k: convert(v) if k == "params" else v for k, v in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(convert(v) for v in value)
        return value

    return [nn.Parameter(tw.ones(2, 2))] if params is None else convert(params)


@pytest.mark.parametrize(("name", "case"), list(error_inputs()))
def test_error_input(name: str, case: Any) -> None:
    given = case.optimizer_error_input
    count(name, "error inputs")
    for part, reason in ACCEPTED.items():
        if part in given.desc.replace("\\", ""):
            count(name, "not applicable")
            pytest.skip(reason)
    options = {k: to_ours(v) for k, v in given.kwargs.items()}
    with pytest.raises((TypeError, ValueError, RuntimeError), match=name):
        getattr(optim, name)(ours_of(given.params), **options)
    count(name, "raised")


def test_the_list_is_whole() -> None:
    assert len(names()) == 15
    assert sum(1 for _ in configurations()) == 91
    assert set(names()) - set(ABSENT) <= set(optim.__all__)
