"""report: what it all cost, by model, route, team or day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from rich.table import Table
from rich.text import Text

from ..ledger import WAYS, By, LastingLedger, Line, Report, name_of
from . import door, report, show, tally_page
from .ledger import is_there, midnight, place_of, reading

USUAL_DAYS = 30
ON_THE_PAGE: tuple[By, ...] = ("day", "model", "route", "team")


def tally(
    named: str | None, *, by: str, since: date | None, until: date | None, as_json: bool, html: Path | None
) -> int:
    if by not in WAYS:
        raise door.wrong("by", f"{by!r} is none of {', '.join(WAYS)}")
    way: By = by
    place = place_of(named)
    start = midnight(since or datetime.now(UTC).date() - timedelta(days=USUAL_DAYS - 1))
    end = midnight(until + timedelta(days=1)) if until is not None else None
    ways: list[By] = list(ON_THE_PAGE) if html is not None else []
    if way not in ways:
        ways.append(way)

    async def read(ledger: LastingLedger) -> list[Report]:
        await ledger.requests(limit=1)  # opens it, once for all that follow side by side
        return await asyncio.gather(*(ledger.report(each, since=start, until=end) for each in ways))

    found = reading(place, read) if is_there(place) else [Report(each, start, end, ()) for each in ways]
    if html is not None:
        _write(html, tally_page.render(found, name_of(place), datetime.now(UTC)))
    asked = next(each for each in found if each.by == way)
    if as_json:
        door.print_json({**report.plain(asked), "total": report.plain(total(asked.lines))})
    elif html is not None:
        door.stdout().print(Text(str(html), show.STRONG), soft_wrap=True)
    else:
        console = door.stdout()
        console.print(Text(f"{tally_page.period(asked)} in {name_of(place)}", show.FAINT), soft_wrap=True)
        console.print(_table(asked, wide=console.width >= show.WIDE))
    return door.DONE


def total(lines: Sequence[Line]) -> Line:
    """All of them together; latencies do not add up."""

    def added(of: Callable[[Line], int]) -> int:
        return sum(of(each) for each in lines)

    return Line(
        name=None,
        requests=added(lambda line: line.requests),
        images=added(lambda line: line.images),
        cost_usd=sum((each.cost_usd for each in lines), Decimal(0)),
        at_risk_usd=sum((each.at_risk_usd for each in lines), Decimal(0)),
        latency_p50_seconds=None,
        latency_p95_seconds=None,
        fallbacks=added(lambda line: line.fallbacks),
        refusals=added(lambda line: line.refusals),
        failures=added(lambda line: line.failures),
        retries=added(lambda line: line.retries),
    )


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise door.wrong("html", f"{path} cannot be written: {error.strerror}") from error


def _table(found: Report, *, wide: bool) -> Table:
    """Numbers to the right; on a narrow terminal without what only a wide one has room for."""
    counts = ("fallbacks", "refusals", "failures", "retries")
    table = show.listing(found.by, folds=(found.by,))
    for name in ("requests", "pictures", "cost", "at risk", "p50", "p95", *(counts if wide else ())):
        table.add_column(name, justify="right", no_wrap=True)
    lines = [*found.lines, total(found.lines)] if found.lines else []
    for place, line in enumerate(lines):
        name = "total" if place == len(found.lines) else line.name if line.name is not None else "-"
        cells = [
            Text(door.harmless(name), show.STRONG if place == len(found.lines) else ""),
            Text(f"{line.requests:,}"),
            Text(f"{line.images:,}"),
            Text(tally_page.dollars(line.cost_usd)),
            Text(tally_page.dollars(line.at_risk_usd), show.WARNING if line.at_risk_usd else show.FAINT),
            Text(show.seconds(line.latency_p50_seconds)),
            Text(show.seconds(line.latency_p95_seconds)),
        ]
        if wide:
            cells += [Text(f"{getattr(line, each):,}") for each in counts]
        table.add_row(*cells)
    return table
