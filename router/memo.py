"""Memos: what was worked out of facts, kept. Facts are frozen, but hold mappings and so have no hash of their own."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ..providers.base.capabilities import Frozen

Value = TypeVar("Value")
MOST_KEPT = 10_000


class Memo(Generic[Value]):
    """A value for each fact and what was asked of it. Emptied when it has grown too large."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[Frozen, Value]] = {}

    def of(self, fact: Frozen, asked: Hashable, make: Callable[[], Value]) -> Value:
        """The value made before, or a new one. The fact is kept beside it, so that its id stays its own."""
        key = id(fact), asked
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            found = self._kept[key] = fact, make()
        return found[1]
