"""What a network is made of and what it costs, told without running it at full size.

Example:
    >>> print(tw.receptive_field(nn.Conv2d(3, 8, 3), (3, 8, 8)).rows[-1].size)
    (3, 3)
"""

from .receptive_field import FieldRow, ReceptiveField, receptive_field

__all__ = ["FieldRow", "ReceptiveField", "receptive_field"]
