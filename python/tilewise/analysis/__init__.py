"""What a network is made of and what it costs, told without running it at full size.

Example:
    >>> tw.summary(models.create("lenet5"), (1, 28, 28)).totals.parameters
    1256080
"""

from .memory import MemoryEstimate, memory_estimate
from .receptive_fields import FieldRow, ReceptiveField, receptive_field
from .summaries import Layer, Summary, Totals, summary

__all__ = [
    "FieldRow",
    "Layer",
    "MemoryEstimate",
    "ReceptiveField",
    "Summary",
    "Totals",
    "memory_estimate",
    "receptive_field",
    "summary",
]
