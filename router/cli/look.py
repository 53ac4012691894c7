"""check: a look at what is configured. Nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from rich.text import Text

from ...providers.base.clock import Clock, DateClock
from ...providers.base.errors import ConfigError, Problem
from .. import loading
from ..loading import Loaded
from ..router import Router
from . import door, show


def check(config: Path | None, on: date | None) -> int:
    """Problems first, one a line with its place; then what is only worth knowing; then how much was looked at."""
    clock = DateClock(on) if on is not None else Clock()
    console = door.stdout()
    try:
        loaded = loading.load(config, today=clock.today())
    except ConfigError as error:
        return _problems(error.problems)
    for note in loaded.findings.notes:
        console.print(Text.assemble(("note ", show.WARNING), door.harmless(str(note))), soft_wrap=True)
    for lacking, names in _lacking(loaded).items():
        said = f"{lacking}: {len(names)} deployment{'s wait' if len(names) > 1 else ' waits'} for it "
        console.print(Text.assemble(("key  ", show.FAINT), said, (f"({show.some(names)})", show.FAINT)), soft_wrap=True)
    problems = loaded.findings.problems or _failed_tests(config, clock)
    if problems:
        return _problems(problems)
    counts = (len(loaded.settings.routes), "route"), (len(loaded.deployments), "deployment")
    counts += ((len(loaded.settings.tests), "test"),)
    said = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
    console.print(Text.assemble(f"{said}: ", ("all good", show.GOOD)))
    return door.DONE


def _failed_tests(config: Path | None, clock: Clock) -> tuple[Problem, ...]:
    async def run() -> tuple[Problem, ...]:
        async with Router(config, clock=clock) as router:
            return (await router.run_route_tests()).problems

    return asyncio.run(run())


def _problems(problems: Iterable[Problem]) -> int:
    count = 0
    for count, problem in enumerate(problems, 1):  # noqa: B007 (the last number is how many there were)
        door.stdout().print(door.harmless(str(problem)), soft_wrap=True)
    door.stderr().print(Text(f"{count} problem{'' if count == 1 else 's'}", show.BAD))
    return door.MEND


def _lacking(loaded: Loaded) -> dict[str, list[str]]:
    """What has to be set -> the deployments that wait for it."""
    found: dict[str, list[str]] = {}
    for each in loaded.deployments:
        if each.lacking is not None:
            found.setdefault(each.lacking, []).append(each.name)
    return found
