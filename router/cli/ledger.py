"""ledger: what was asked, what became of it, what it cost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TypeVar

from rich.table import Table
from rich.text import Text

from ...providers.base.errors import RequestError
from ..ledger import DONE, AttemptRow, Ledger, RequestRow
from . import door, report, show
from .place import ledger_at, ledger_path

Result = TypeVar("Result")


def requests(
    named: str | None,
    *,
    since: date | None,
    outcome: str | None,
    deployment: str | None,
    limit: int,
    as_json: bool,
) -> int:
    start = datetime.combine(since, time(), UTC) if since is not None else None

    async def read(ledger: Ledger) -> tuple[RequestRow, ...]:
        return await ledger.requests(limit=limit, since=start, outcome=outcome, deployment=deployment)

    path = _path(named)
    rows = _read(path, read) if path.exists() else ()
    if as_json:
        door.print_json([report.plain(row) for row in rows])
    elif rows:
        console = door.stdout()
        console.print(_listed(rows, wide=console.width >= show.WIDE))
    else:
        why = "nothing that fits" if path.exists() else "nothing yet"
        door.stdout().print(Text(f"{why} in {path}", show.FAINT), soft_wrap=True)
    return door.DONE


def story(named: str | None, request_id: str, *, as_json: bool) -> int:
    async def read(ledger: Ledger) -> tuple[RequestRow | None, tuple[AttemptRow, ...]]:
        return await ledger.request(request_id), await ledger.attempts(request_id)

    path = _path(named)
    row, attempts = _read(path, read) if path.exists() else (None, ())
    if row is None:
        raise RequestError(f"there is no request {request_id!r} in {path}", field="request_id")
    if as_json:
        door.print_json({"request": report.plain(row), "attempts": report.plain(attempts)})
    else:
        door.stdout().print(_told(row, attempts))
    return door.DONE


def _path(named: str | None) -> Path:
    path = ledger_path(named)
    if path is None:
        raise door.wrong("ledger", "is none, so nothing was written down; name a file (with the extra `ledger`)")
    return path


def _read(path: Path, read: Callable[[Ledger], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        ledger = ledger_at(path)
        try:
            return await read(ledger)
        finally:
            await ledger.close()

    return asyncio.run(run())


def _outcome(word: str) -> Text:
    return Text(word, show.GOOD if word == DONE else show.BAD)


def _at(moment: datetime) -> str:
    """In the reader's own time zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _listed(rows: Sequence[RequestRow], *, wide: bool) -> Table:
    """On a narrow terminal without what only a wide one has room for."""
    columns = ("time", "request", "outcome", "answered by", "pictures", "cost", "tries")
    kept = [name for name in columns if wide or name not in {"answered by", "pictures", "tries"}]
    table = show.listing(*kept, folds=("answered by",))
    for row in rows:
        cost = Text(show.money(row.cost_usd), "" if row.cost_usd is not None else show.FAINT)
        if row.at_risk_usd:
            cost.append(f" +{show.money(row.at_risk_usd)}?", show.WARNING)
        cells = {
            "time": Text(_at(row.created_at) if wide else _at(row.created_at)[5:16], show.FAINT),
            "request": Text(row.id),
            "outcome": _outcome(row.outcome),
            "answered by": Text(row.deployment) if row.deployment else Text("-", show.FAINT),
            "pictures": Text(str(row.images)),
            "cost": cost,
            "tries": Text(str(row.attempts)),
        }
        table.add_row(*(cells[name] for name in kept))
    return table


def _told(row: RequestRow, attempts: Sequence[AttemptRow]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style=show.FAINT, no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("request", Text(row.id, show.STRONG))
    table.add_row(_at(row.created_at), f"{row.operation}, {row.n} asked of {row.model!r}, {_asked(row)}")
    table.add_row("rule", f"{row.rule or '-'} (rules {row.rules_hash})")
    estimate = f"{show.money(row.estimate_expected_usd)}, {show.money(row.estimate_low_usd)} to "
    table.add_row("estimate", f"{estimate}{show.money(row.estimate_worst_usd)}")
    for each in attempts:
        table.add_row(_at(each.started_at), _attempt(each))
    end = Text.assemble(
        _outcome(row.outcome),
        f" {show.seconds(row.latency_seconds)}, {row.images} picture{'' if row.images == 1 else 's'}",
    )
    end.append(f", {show.money(row.cost_usd)}")
    if row.at_risk_usd:
        end.append(f", and up to {show.money(row.at_risk_usd)} unknown", show.WARNING)
    if row.error:
        end.append(f"\n{door.harmless(row.error)}", show.FAINT)
    table.add_row("outcome", end)
    return table


def _asked(row: RequestRow) -> str:
    parts = [row.size, row.quality, None if row.background == "auto" else f"{row.background} background"]
    prompt = f"a prompt of {row.prompt_characters} characters"
    return ", ".join([prompt, *(part for part in parts if part)])


def _attempt(row: AttemptRow) -> Text:
    said = Text.assemble(f"{row.deployment} ", _outcome(row.outcome), f" {show.seconds(row.latency_seconds)}")
    if row.cost_usd is not None:
        said.append(f" {show.money(row.cost_usd)} ({row.cost_basis})")
    details = [
        f"status {row.status}" if row.status is not None else None,
        row.model_snapshot,
        f"vendor's id {row.vendor_request_id}" if row.vendor_request_id else None,
        row.moderation,
        row.error,
    ]
    if known := [each for each in details if each]:
        said.append("\n" + door.harmless(", ".join(known)), show.FAINT)
    return said
