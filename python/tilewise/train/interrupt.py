"""Ctrl-C and SIGTERM end a run between two steps, where its state can be saved."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupted(Exception):
    """The run was asked to stop, and has stopped.

    Attributes:
        signal: the signal's number; 128 more is the customary exit code.
    """

    def __init__(self, number: int) -> None:
        self.signal = number
        super().__init__(f"interrupted by {signal.Signals(number).name}")


class StopSignal:
    """While active, the first Ctrl-C or SIGTERM is remembered, not raised; a second Ctrl-C raises.

    Signals can be handled in the main thread only; elsewhere this does nothing.

    Args:
        announce: whether the first signal says on standard error what happens.

    Example:
        >>> with StopSignal() as stop:
        ...     stop.requested is None
        True
    """

    def __init__(self, *, announce: bool = False) -> None:
        self.requested: int | None = None
        self._announce = announce
        self._before: dict[int, Any] = {}

    def check(self) -> None:
        """Raise `Interrupted` where a stop was asked for."""
        if self.requested is not None:
            raise Interrupted(self.requested)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = number
        if self._announce:  # not through sys.stderr, which this may have interrupted
            os.write(2, b"\ntilewise: stopping after this step; Ctrl-C again stops at once\n")

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
