"""Training runs that resume bit for bit, and what the command line is made of.

Example:
    >>> from tilewise.train import RunOptions, choose_folder, default_recipe, run
    >>> recipe = default_recipe("fashion-mnist", "mlp")
    >>> run(recipe, choose_folder(recipe), RunOptions(), print)  # doctest: +SKIP
"""

from .bundle import Bundle, load_bundle, save_bundle
from .evaluation import Evaluation, evaluate, probabilities
from .features import extract_features
from .folder import RunFolder, choose_folder
from .interrupt import Interrupted, StopSignal
from .metrics import MetricsLog, read_metrics
from .pretrained import InputOptions, load_any, load_pretrained
from .recipe import Recipe, default_recipe
from .runner import RunOptions, RunResult, run
from .trainer import Diverged, Trainer

__all__ = [
    "Bundle",
    "Diverged",
    "Evaluation",
    "InputOptions",
    "Interrupted",
    "MetricsLog",
    "Recipe",
    "RunFolder",
    "RunOptions",
    "RunResult",
    "StopSignal",
    "Trainer",
    "choose_folder",
    "default_recipe",
    "evaluate",
    "extract_features",
    "load_any",
    "load_bundle",
    "load_pretrained",
    "probabilities",
    "read_metrics",
    "run",
    "save_bundle",
]
