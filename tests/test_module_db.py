"""PyTorch's samples of its modules: the same arguments, state dict, output and gradients here."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import pytest

from helpers import HAS_TORCH_SAMPLES, assert_close, requires_torch_samples
from opinfo.harness import NotApplicable, leaves, translate
from tilewise import Tensor, autograd, nn

pytestmark = [
    requires_torch_samples,
    pytest.mark.filterwarnings("default"),
]
LIMIT = 5e-12  # float64, relative to the largest value

# Modules whose outputs are random, by PyTorch's stream.
RANDOM = {"RReLU", "FractionalMaxPool2d", "FractionalMaxPool3d"}


def names() -> list[str]:
    """The modules of PyTorch's database that exist here."""
    if not HAS_TORCH_SAMPLES:
        return []
    from torch.testing._internal.common_modules import module_db

    found = {info.name.removeprefix("nn.") for info in module_db}
    return sorted(name for name in found if isinstance(getattr(nn, name, None), type))


def compare(name: str, theirs: Any, sample: Any) -> None:
    """Build ours like `theirs`, load its state, and compare a forward and a backward pass."""
    import torch

    construct, call = sample.constructor_input, sample.forward_input
    options = {k: v for k, v in construct.kwargs.items() if k not in {"device", "dtype"}}
    ours = getattr(nn, name)(*translate(construct.args), **translate(options)).double()
    state = {key: translate(value) for key, value in theirs.state_dict().items()}
    assert set(state) == set(ours.state_dict()), f"state {set(ours.state_dict())}, not {set(state)}"
    ours.load_state_dict(state)
    ours.train(theirs.training)
    if call is None:
        return
    args, kwargs = list(translate(call.args)), translate(call.kwargs)
    for i, given in enumerate(call.args):  # a tensor that is passed twice is one tensor here too
        args[i] = args[next(j for j, other in enumerate(call.args) if other is given)]
    want = theirs(*call.args, **call.kwargs)
    got = ours(*args, **kwargs)
    wanted, given = list(leaves(want, torch.Tensor)), list(leaves(got, Tensor))
    assert len(given) == len(wanted)
    for mine, its in zip(given, wanted, strict=True):
        assert_close(mine, its, limit=LIMIT, what="output")
    their_leaves = [*leaves(call.args, torch.Tensor), *dict(theirs.named_parameters()).values()]
    our_leaves = [*leaves(args, Tensor), *dict(ours.named_parameters()).values()]
    their_leaves = [t for t in their_leaves if t.requires_grad]
    our_leaves = [t for t in our_leaves if t.requires_grad]
    if not (their_leaves and wanted and wanted[0].requires_grad):
        return
    seed = torch.linspace(-1, 1, wanted[0].numel(), dtype=wanted[0].dtype).reshape(wanted[0].shape)
    expected = torch.autograd.grad(wanted[0], their_leaves, seed, allow_unused=True)
    actual = autograd.grad(given[0], our_leaves, translate(seed), allow_unused=True)
    for i, (mine, its) in enumerate(zip(actual, expected, strict=True)):
        if its is not None and mine is not None:
            assert_close(mine, its, limit=LIMIT * 10, what=f"gradient {i}")


@pytest.mark.parametrize("name", names())
def test_module(name: str) -> None:
    import torch
    from torch.testing._internal.common_modules import module_db

    done, void, failures = 0, Counter[str](), []
    for info in (i for i in module_db if i.name == f"nn.{name}"):
        for training in (True, False):
            torch.manual_seed(0)
            samples = info.module_inputs_func(
                info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
            )
            for sample in samples:
                construct = sample.constructor_input
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    theirs = info.module_cls(*construct.args, **construct.kwargs).double()
                    theirs.train(training and name not in RANDOM and "Dropout" not in name)
                    try:
                        compare(name, theirs, sample)
                    except NotApplicable as reason:
                        void[str(reason)] += 1
                    except Exception as error:
                        failures.append(f"{construct.args} {construct.kwargs}: {error!r}")
                    else:
                        done += 1
    assert not failures, f"{len(failures)} fail:\n" + "\n".join(failures[:5])
    assert done > 0, f"no sample applies: {dict(void)}"
