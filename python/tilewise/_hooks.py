"""Handles that take hooks back."""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

_ids = itertools.count()


class _Registry(dict[int, Any]):
    """A dict that can be referred to weakly."""

    __slots__ = ("__weakref__",)


def new_registry() -> dict[int, Any]:
    """Hooks by number, in the order of their registration."""
    return _Registry()


class RemovableHandle:
    """Removes one hook; also at the end of a `with`."""

    __slots__ = ("_registry", "id")

    def __init__(self, registry: dict[int, Any], hook: Any) -> None:
        self.id = next(_ids)
        self._registry = weakref.ref(registry)
        registry[self.id] = hook

    def remove(self) -> None:
        """Take the hook back; a second call does nothing."""
        registry = self._registry()
        if registry is not None:
            registry.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()
