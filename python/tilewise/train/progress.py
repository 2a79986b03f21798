"""What a run shows: a bar on a terminal, one line an epoch everywhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Echo = Callable[[str], None]


@dataclass(frozen=True)
class EpochSummary:
    """The means of an epoch, and what was measured on the held-out images."""

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None


class Progress:
    """The progress of a run of `epochs` passes over `images` images.

    Args:
        epochs, images: the run's size.
        done: images that an earlier part of the run has seen.
        echo: prints one line.
        bar: whether to show a bar, where the output is a terminal.
        quiet: print nothing at all.
    """

    def __init__(
        self, epochs: int, images: int, done: int, echo: Echo, *, bar: bool, quiet: bool
    ) -> None:
        self._epochs = epochs
        self._quiet = quiet
        self._echo = echo
        self._bar: Any = _make_bar(epochs * images, done) if bar and not quiet else None
        self._since = (time.perf_counter(), 0)
        self._seen = 0

    def begin_epoch(self, epoch: int) -> None:
        """Epoch `epoch`, counted from 1, begins or goes on."""
        self._since = (time.perf_counter(), self._seen)
        if self._bar is not None:
            self._bar.set_description_str(f"epoch {epoch}/{self._epochs}")

    def step(self, images: int, loss: float, accuracy: float) -> None:
        """A step is done; `loss` and `accuracy` are the epoch's so far."""
        self._seen += images
        if self._bar is not None:
            self._bar.status = f"loss {loss:.4f}, accuracy {100 * accuracy:.2f} %, "
            self._bar.update(images)

    def rate(self) -> float:
        """Images a second since the epoch began or went on."""
        start, seen = self._since
        return (self._seen - seen) / max(time.perf_counter() - start, 1e-9)

    def end_epoch(self, summary: EpochSummary, rate: float) -> None:
        """Print the epoch's line."""
        width = len(str(self._epochs))
        line = (
            f"epoch {summary.epoch:>{width}}/{self._epochs}  loss {summary.loss:.4f}  "
            f"accuracy {100 * summary.accuracy:.2f} %"
        )
        if summary.validation_accuracy is not None:
            line += f"  held out {100 * summary.validation_accuracy:.2f} %"
        self.line(f"{line}  {rate:,.0f} images/s")

    def line(self, text: str) -> None:
        """Print a line without disturbing the bar."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.clear()
        self._echo(text)
        if self._bar is not None:
            self._bar.refresh()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


def _make_bar(total: int, done: int) -> Any:
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]  # tqdm is not typed
        """Shows whole images a second, with separators."""

        monitor_interval = 0  # no thread that watches the bar
        status = ""

        @property
        def format_dict(self) -> dict[str, Any]:
            values: dict[str, Any] = super().format_dict
            rate = values["rate"]
            if rate is None:
                rate = (values["n"] - values["initial"]) / max(values["elapsed"], 1e-9)
            values["status"] = f"{self.status}{rate:,.0f} images/s"
            return values

    has_width = _has_width()
    return Bar(
        total=total,
        initial=done,
        disable=None,  # where the output is no terminal
        leave=False,
        dynamic_ncols=has_width,
        ncols=None if has_width else 100,
        mininterval=0.2,
        bar_format="{desc} {percentage:3.0f}% |{bar}| {status}, {remaining} left",
    )


def _has_width() -> bool:
    """Whether the terminal says how wide it is; some of those that programs make do not."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        return False
