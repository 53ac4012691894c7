"""Measure, print, and keep the figures in `bench/results/DATE.json`."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from . import deciding, moving, starting, walking
from .measure import Figure, Group

PARTS = {"starting": starting.run, "deciding": deciding.run, "moving": moving.run, "walking": walking.run}
RESULTS = Path(__file__).parent / "results"


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"no part is called {unknown[0]!r}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    now = datetime.now(UTC)
    machine: dict[str, object] = {
        "at": now.isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
    }
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    groups: list[Group] = []
    for name in names or PARTS:
        for group in asyncio.run(PARTS[name]()):
            show(group)
            groups.append(group)
    RESULTS.mkdir(exist_ok=True)
    kept = RESULTS / f"{now.date()}.json"
    kept.write_text(json.dumps({**machine, "groups": [as_json(group) for group in groups]}, indent=1), encoding="utf-8")
    print(f"\nkept in {os.path.relpath(kept)}")
    return 0


def show(group: Group) -> None:
    base = group.figures[0].median
    print(f"\n{group.title} ({group.unit})\n  {group.method}")
    print(f"  {'':<52}{'median':>10}  {'middle half':>19}  {'ratio':>6}  target")
    for each in group.figures:
        low, high = each.quartiles
        print(
            f"  {each.name:<52}{each.median:>10,.2f}  {f'{low:,.2f} to {high:,.2f}':>19}"
            f"  {each.median / base:>6.2f}  {verdict(each)}".rstrip()
        )


def verdict(figure: Figure) -> str:
    if figure.most is None:
        return ""
    return f"{figure.most:g}: {'holds' if figure.holds else 'MISSED'}"


def as_json(group: Group) -> dict[str, object]:
    figures = [{**asdict(each), "median": each.median, "quartiles": each.quartiles} for each in group.figures]
    return {**asdict(group), "figures": figures}


sys.exit(main(sys.argv[1:]))
