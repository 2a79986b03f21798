"""The metrics of a run as JSON lines, append-safe: what a killed run wrote too much is cut off."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

logger = logging.getLogger(__name__)


class MetricsLog:
    """Appends records to a file of JSON lines, beginning at a known position.

    Every record reaches the operating system at once, so a killed process loses none; `position`
    also flushes them to the disk. Opening cuts the file at the position that a checkpoint
    remembers, so that a resumed run writes the same lines as one that was never interrupted.

    Args:
        path: the file.
        position: bytes to keep; 0 begins anew.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> with train.MetricsLog("metrics.jsonl") as log:
        ...     log.write({"kind": "step", "loss": 0.5})
    """

    def __init__(self, path: str | os.PathLike[str], position: int = 0) -> None:
        self.path = Path(path)
        self.path.touch()
        size = self.path.stat().st_size
        if size < position:
            logger.warning("%s is shorter than the checkpoint remembers", self.path)
        os.truncate(self.path, min(size, position))
        self._stream: TextIO = self.path.open("a", encoding="utf-8", newline="\n")

    def write(self, record: dict[str, Any]) -> None:
        """Append one record; OSError, with the file's name, where the disk is full."""
        try:
            self._stream.write(json.dumps(record) + "\n")
            self._stream.flush()
        except OSError as error:
            error.filename = str(self.path)
            raise

    def position(self) -> int:
        """Flush to the disk; returns the size of the file in bytes."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        return os.fstat(self._stream.fileno()).st_size

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_metrics(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """The records of a metrics file; a last line that was cut off is left out.

    Raises:
        ValueError: a line before the last is no JSON object; the message names it.

    Example:
        >>> with train.MetricsLog("metrics.jsonl") as log:
        ...     log.write({"kind": "step", "loss": 0.5})
        >>> [record["loss"] for record in train.read_metrics("metrics.jsonl")]
        [0.5]
    """
    with Path(path).open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith("\n"):
                return
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
            if not isinstance(record, dict):
                raise ValueError(f"{path}, line {number}: expected an object")
            yield record
