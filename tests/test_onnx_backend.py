"""The ONNX project's backend suite, case by case; the table at the end counts them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import onnx_suite
from helpers import requires_onnx

pytestmark = [
    requires_onnx,
    pytest.mark.filterwarnings("default"),  # the suite's generators of cases warn
]


@pytest.mark.parametrize("family", onnx_suite.rows())
def test_family(family: str, record_property: Callable[[str, object], None]) -> None:
    from tilewise.onnx import Backend

    outcome = onnx_suite.run_family(family, Backend)
    record_property("onnx", json.dumps([family, outcome.cases, outcome.passed, dict(outcome.void)]))
    shown = "\n".join(outcome.failures[:8])
    assert not outcome.failures, f"{len(outcome.failures)} of {outcome.cases} fail:\n{shown}"
    assert outcome.cases > 0, "the suite has no such cases any more"
    if not family.startswith("not offered"):
        assert outcome.passed > 0, f"no case applies: {dict(outcome.void)}"


def test_every_case_is_counted() -> None:
    cases = [name for names in onnx_suite.families().values() for _, name in names]
    assert len(cases) == len(set(cases))
    assert len(cases) > 2000
    # Of its own operators, no more than a tenth are left out for types that tensors lack.
    own = [name for row in ("conv", "pool", "norm") for _, name in onnx_suite.families()[row]]
    plain = [name for name in own if "_expanded" not in name]
    assert len(plain) >= 145
    assert sum(onnx_suite.reason(name) is None for name in plain) >= 140
