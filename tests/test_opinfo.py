"""Every sample that PyTorch tests its operations with, forward, gradients and errors.

The table at the end of the test output counts them by operation (see conftest.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from helpers import requires_torch_samples
from opinfo import all_rows
from opinfo.harness import Row, counterpart, run_row

pytestmark = [
    requires_torch_samples,
    pytest.mark.filterwarnings("default"),  # PyTorch's generators of samples warn
]

# Operations whose name exists here with another meaning, or whose samples say nothing.
WITHOUT_ROW: dict[str, str] = {
    "bernoulli": "random numbers",
    "cauchy": "random numbers",
    "exponential": "random numbers",
    "geometric": "random numbers",
    "log_normal": "random numbers",
    "multinomial": "random numbers",
    "normal": "random numbers",
    "rand_like": "random numbers",
    "randint": "random numbers",
    "randint_like": "random numbers",
    "randn": "random numbers",
    "randn_like": "random numbers",
    "uniform": "random numbers",
    "to": "every sample has a memory format",
}


@pytest.mark.parametrize("row", all_rows(), ids=lambda row: row.title)
def test_samples(row: Row, record_property: Callable[[str, object], None]) -> None:
    outcome = run_row(row)
    record_property(
        "opinfo",
        json.dumps([outcome.op, outcome.samples, outcome.passed, dict(outcome.not_applicable)]),
    )
    shown = "\n".join(outcome.failures[:8])
    assert not outcome.failures, f"{len(outcome.failures)} of {outcome.samples} fail:\n{shown}"
    assert outcome.passed > 0, f"no sample applies: {dict(outcome.not_applicable)}"


def test_every_operation_that_exists_here_has_a_row() -> None:
    from torch.testing._internal.common_methods_invocations import op_db

    rows = {row.name for row in all_rows()}
    missing = sorted(
        {op.name for op in op_db if counterpart(op.name) is not None} - rows - set(WITHOUT_ROW)
    )
    assert not missing, f"add rows to tests/opinfo for {missing}"
