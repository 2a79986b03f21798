"""Shapes, joining and cutting, diagonals and triangles, constructors."""

from __future__ import annotations

from typing import Any

from opinfo.harness import Reason, Row


def bools(sample: Any) -> Reason:
    return "bools are no numbers" if isinstance(sample.input, bool) else None


NAMES = """
atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors broadcast_to
cartesian_prod cat chunk column_stack combinations diag diag_embed diagflat diagonal dsplit
dstack expand expand_as flatten flip fliplr flipud hsplit hstack mT movedim narrow permute ravel
repeat repeat_interleave reshape reshape_as roll rot90 select split squeeze stack sum_to_size T
t tensor_split tile trace transpose tril triu unbind unflatten unfold
unsqueeze view view_as vsplit vstack full_like ones_like zeros_like empty_like
new_empty new_full new_ones new_zeros empty full ones zeros
""".split()  # noqa: SIM905
PROPERTIES = {
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
}

ROWS = [
    *[Row(name, call=PROPERTIES.get(name)) for name in NAMES],
    Row("split", variant="list_args"),
    Row("squeeze", variant="multiple"),
    Row("meshgrid", variant="variadic_tensors"),
    Row("meshgrid", variant="list_of_tensors"),
    *[Row(name, dtypes=("int64",)) for name in ("tril_indices", "triu_indices", "unravel_index")],
    Row("arange", skip=bools),
    Row("eye", every=5),
    Row("linspace", every=3),
    Row("linspace", variant="tensor_overload", every=10),
    Row("logspace", every=20, limit=5e-6),
    Row("logspace", variant="tensor_overload", every=60, limit=5e-6),
]
