"""Ctrl-C and SIGTERM end a run between two steps, where its state can be saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
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
        announce: called by the first signal with a line for the user.

    Example:
        >>> with StopSignal() as stop:
        ...     stop.requested is None
        True
    """

    def __init__(self, announce: Callable[[str], None] | None = None) -> None:
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
        if self._announce is not None:
            self._announce("stopping after this step; Ctrl-C again stops at once")

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
