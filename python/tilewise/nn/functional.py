"""`tilewise.functional` under the name that PyTorch gives it."""

from tilewise.functional import *  # noqa: F403
from tilewise.functional import __all__  # noqa: F401
