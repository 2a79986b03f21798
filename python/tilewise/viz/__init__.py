"""Pictures of runs and results; matplotlib is loaded when the first one is drawn.

Example:
    >>> from tilewise import viz
    >>> viz.confusion_matrix(counts, classes, "confusion.png")  # doctest: +SKIP
"""

from .confusion import confusion_matrix
from .curves import learning_curve
from .receptive_fields import receptive_field

__all__ = ["confusion_matrix", "learning_curve", "receptive_field"]
