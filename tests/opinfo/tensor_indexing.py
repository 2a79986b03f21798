"""Reading and writing by index."""

from __future__ import annotations

from opinfo.harness import Row

NAMES = """
__getitem__ diagonal_scatter gather index_add index_copy index_fill index_put index_select
masked_scatter masked_select put scatter scatter_add select_scatter slice_scatter take
take_along_dim
""".split()  # noqa: SIM905

ROWS = [
    *[Row(name) for name in NAMES],
    Row("nn.functional.one_hot", dtypes=("int64",)),
    *[
        Row("scatter_reduce", variant=how, limit=5e-6)
        for how in ("sum", "mean", "amin", "amax", "prod")
    ],
]
