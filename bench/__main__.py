"""Measure and print. `bench/results/` keeps the figures as DATE.json and, of a whole run, what was printed."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from . import deciding, gateway, ledger, moving, starting, walking
from .measure import Figure, Group, Table

PARTS: dict[str, Callable[[], Awaitable[Sequence[Group | Table]]]] = {
    "starting": starting.run,
    "deciding": deciding.run,
    "moving": moving.run,
    "walking": walking.run,
    "ledger": ledger.run,
    "gateway": gateway.run,
}
RESULTS = Path(__file__).parent / "results"
LATEST = RESULTS / "latest.txt"
"""In the repository, so that a change of the figures can be seen in its history."""


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"no part is called {unknown[0]!r}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    now = datetime.now(UTC)
    machine: dict[str, object] = {
        "at": now.isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),  # above 1, other work was in the way
    }
    said = [", ".join(f"{name} {value}" for name, value in machine.items())]
    print(said[0])
    groups: list[Group | Table] = []
    for name in names or PARTS:
        for group in asyncio.run(_part(name)):
            groups.append(group)
            said.append("\n".join(shown(group) if isinstance(group, Group) else tabled(group)))
            print(said[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    figures = json.dumps({**machine, "groups": [as_json(group) for group in groups]}, indent=1)
    (RESULTS / f"{now.date()}.json").write_text(figures, encoding="utf-8")
    if not names:
        LATEST.write_text("\n".join([*said, ""]), encoding="utf-8")
    return 0


async def _part(name: str) -> Sequence[Group | Table]:
    return await PARTS[name]()


def tabled(table: Table) -> Iterator[str]:
    yield ""
    yield table.title
    yield f"  {table.method}"
    yield f"  {'':<28}" + "".join(f"{each:>12}" for each in table.columns)
    for name, values in table.rows:
        yield f"  {name:<28}" + "".join(f"{'' if each is None else f'{each:,.2f}':>12}" for each in values)


def shown(group: Group) -> Iterator[str]:
    base = group.figures[0].median
    yield ""
    yield f"{group.title} ({group.unit})"
    yield f"  {group.method}"
    yield f"  {'':<52}{'median':>10}  {'middle half':>19}  {'ratio':>6}  target"
    for each in group.figures:
        low, high = each.quartiles
        row = f"  {each.name:<52}{each.median:>10,.2f}  {f'{low:,.2f} to {high:,.2f}':>19}  {each.median / base:>6.2f}"
        yield f"{row}  {verdict(each)}".rstrip()


def verdict(figure: Figure) -> str:
    if figure.most is None:
        return ""
    return f"{figure.most:g}: {'holds' if figure.holds else 'MISSED'}"


def as_json(group: Group | Table) -> dict[str, object]:
    if isinstance(group, Table):
        return asdict(group)
    figures = [{**asdict(each), "median": each.median, "quartiles": each.quartiles} for each in group.figures]
    return {**asdict(group), "figures": figures}


sys.exit(main(sys.argv[1:]))
