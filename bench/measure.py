"""How figures are taken: alternatives in turn, round after round: what disturbs the machine disturbs them all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

Work = Callable[[], Awaitable[object]]
WARM_UP_ROUNDS = 3


@dataclass(frozen=True)
class Figure:
    """Measurements of one thing."""

    name: str
    samples: list[float]
    most: float | None = None
    """The target for the median; None when there is none."""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def quartiles(self) -> tuple[float, float]:
        low, _, high = statistics.quantiles(self.samples, n=4)
        return low, high

    @property
    def holds(self) -> bool:
        return self.most is None or self.median <= self.most


@dataclass(frozen=True)
class Group:
    """Figures that were taken together; the first is what the others are compared with."""

    title: str
    unit: str
    method: str
    figures: list[Figure] = field(default_factory=list[Figure])


Row = tuple[str, tuple[float | None, ...]]
"""A name, and a value for each column; None where there is nothing to say."""


@dataclass(frozen=True)
class Table:
    """Several measures of each of several things."""

    title: str
    method: str
    columns: tuple[str, ...]
    rows: list[Row]


async def in_turn(works: Mapping[str, Work], *, rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    """Name -> seconds on the wall and seconds of this process's CPU, one of each for every round."""
    wall: dict[str, list[float]] = {name: [] for name in works}
    cpu: dict[str, list[float]] = {name: [] for name in works}
    for number in range(WARM_UP_ROUNDS + rounds):
        for name, work in works.items():
            cpu_before, before = time.process_time(), time.perf_counter()
            await work()
            took, burned = time.perf_counter() - before, time.process_time() - cpu_before
            if number >= WARM_UP_ROUNDS:
                wall[name].append(took)
                cpu[name].append(burned)
    return {name: (wall[name], cpu[name]) for name in works}


def scaled(seconds: list[float], by: float) -> list[float]:
    """In milliseconds (1e3) or microseconds (1e6)."""
    return [each * by for each in seconds]
