"""ledger: what was asked, what became of it, what it cost; and putting it right."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...providers.base.errors import RequestError
from ...providers.base.response import USAGE_FIELDS, Estimate
from ..ledger import (
    DONE,
    UNDER_WAY,
    AttemptRow,
    LastingLedger,
    Ledger,
    RequestRow,
    is_address,
    name_of,
    open_ledger,
)
from . import door, report, show
from .place import ledger_place

Result = TypeVar("Result")
FOLLOW_SECONDS = 1.0
MOST_FOLLOWED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which requests are wanted; None: any."""

    caller: str | None = None
    team: str | None = None
    rule: str | None = None
    model: str | None = None
    deployment: str | None = None
    outcome: str | None = None
    since: datetime | None = None

    async def of(self, ledger: Ledger, *, limit: int, since: datetime | None = None) -> tuple[RequestRow, ...]:
        return await ledger.requests(
            limit=limit,
            caller=self.caller,
            team=self.team,
            rule=self.rule,
            model=self.model,
            deployment=self.deployment,
            outcome=self.outcome,
            since=since or self.since,
        )


def requests(named: str | None, asked: Asked, *, limit: int, as_json: bool, follow: bool) -> int:
    place = place_of(named)
    rows = reading(place, lambda ledger: asked.of(ledger, limit=limit)) if is_there(place) else ()
    if follow:
        return _follow(place, asked, rows, as_json=as_json)
    if as_json:
        door.print_json([report.plain(row) for row in rows])
    elif rows:
        console = door.stdout()
        console.print(_listed(rows, wide=console.width >= show.WIDE))
    else:
        why = "nothing that fits" if is_there(place) else "nothing yet"
        door.stdout().print(Text(f"{why} in {name_of(place)}", show.FAINT), soft_wrap=True)
    return door.DONE


def story(named: str | None, request_id: str, *, as_json: bool) -> int:
    async def read(ledger: Ledger) -> tuple[RequestRow | None, tuple[AttemptRow, ...]]:
        return await ledger.request(request_id), await ledger.attempts(request_id)

    place = place_of(named)
    row, attempts = reading(place, read) if is_there(place) else (None, ())
    if row is None:
        raise RequestError(f"there is no request {request_id!r} in {name_of(place)}", field="request_id")
    if as_json:
        door.print_json({"request": report.plain(row), "attempts": report.plain(attempts)})
    else:
        door.stdout().print(_told(row, attempts))
    return door.DONE


def reconcile(named: str | None, *, limit: int, as_json: bool) -> int:
    """Nothing asks the vendor: none of them finds a call by what is known of one that was never answered."""
    place = place_of(named)
    rows = reading(place, lambda ledger: ledger.unknown_attempts(limit=limit)) if is_there(place) else ()
    if as_json:
        door.print_json(report.plain(rows))
    elif not rows:
        door.stdout().print(Text(f"every attempt in {name_of(place)} has a known outcome", show.FAINT), soft_wrap=True)
    else:
        console = door.stdout()
        console.print(_unknown(rows))
        console.print(
            Text(
                "\nThese may have been billed, or are under way. Look each up in its vendor's own log, by its time and "
                "what it asked for, and say what was found:\n  easel ledger settle ATTEMPT --billed yes --cost 0.04\n"
                "  easel ledger settle ATTEMPT --billed no",
                show.FAINT,
            )
        )
    return door.DONE


def settle(named: str | None, attempt_id: str, *, billed: str, cost: str | None, as_json: bool) -> int:
    if billed not in ("yes", "no"):
        raise door.wrong("billed", f"is yes or no, not {billed!r}")
    if cost is not None and billed == "no":
        raise door.wrong("cost", "is for an attempt that was billed")
    amount = _amount(cost) if cost is not None else None
    place = place_of(named)
    settled = (
        reading(place, lambda ledger: ledger.settle(attempt_id, billed=billed == "yes", cost_usd=amount))
        if is_there(place)
        else None
    )
    if settled is None:
        message = f"there is no attempt {attempt_id!r} with an unknown outcome in {name_of(place)}"
        raise RequestError(message, field="attempt_id")
    if as_json:
        door.print_json(report.plain(settled))
    else:
        door.stdout().print(_attempt(settled))
    return door.DONE


def delete(named: str | None, *, user: str | None, team: str | None, yes: bool, as_json: bool) -> int:
    whose = {name: value for name, value in (("user", user), ("team", team)) if value is not None}
    if len(whose) != 1:
        raise door.wrong("user", "or --team is needed, and not both: whose requests are to be deleted?")
    ((kind, name),) = whose.items()
    place = place_of(named)
    if not yes:
        typer.confirm(f"Delete every request of {kind} {name} from {name_of(place)}, for good?", abort=True, err=True)
    count = reading(place, lambda ledger: ledger.delete(end_user=user, team=team)) if is_there(place) else 0
    if as_json:
        door.print_json({"deleted": count})
    else:
        door.stdout().print(f"{count} request{'' if count == 1 else 's'} and all attempts of theirs are deleted")
    return door.DONE


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise door.wrong("cost", f"{text!r} is no amount of US dollars, such as 0.04")
    return amount


# Where and when


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def place_of(named: str | None) -> str | Path:
    place = ledger_place(named)
    if place is None:
        raise door.wrong("ledger", "is none, so nothing was written down; name one (with the extra `ledger`)")
    return place


def is_there(place: str | Path) -> bool:
    """To read a ledger makes no file."""
    return is_address(place) or Path(place).exists()


def reading(place: str | Path, read: Callable[[LastingLedger], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        ledger = opened(place)
        try:
            return await read(ledger)
        finally:
            await ledger.close()

    return asyncio.run(run())


def opened(place: str | Path) -> LastingLedger:
    try:
        return open_ledger(place)
    except ImportError as error:  # its message names the extra
        raise RequestError(str(error), field="ledger") from error


# Following


def _follow(place: str | Path, asked: Asked, before: Sequence[RequestRow], *, as_json: bool) -> int:
    """The latest, then each request as it ends, until Ctrl-C."""
    console = door.stdout()

    async def run() -> None:
        ledger = opened(place)
        try:
            async for row in followed(ledger, asked, before, lambda: asyncio.sleep(FOLLOW_SECONDS)):
                _say(console, row, as_json=as_json)
        finally:
            await ledger.close()

    for row in reversed(before):
        if row.outcome != UNDER_WAY:
            _say(console, row, as_json=as_json)
    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        return door.INTERRUPTED
    return door.DONE


async def followed(
    ledger: Ledger, asked: Asked, before: Sequence[RequestRow], pause: Callable[[], Awaitable[object]]
) -> AsyncIterator[RequestRow]:
    """Each request once it has ended, for ever. `before`: the latest that are known already, the newest first."""
    told = {row.id for row in before if row.outcome != UNDER_WAY}
    any_outcome = replace(asked, outcome=None)  # those under way, too: they are waited for
    since = min((row.created_at for row in before if row.outcome == UNDER_WAY), default=None)
    since = since or (before[0].created_at if before else asked.since or datetime.now(UTC))
    while True:
        await pause()
        rows = await any_outcome.of(ledger, limit=MOST_FOLLOWED, since=since)
        for row in reversed(rows):
            if row.outcome != UNDER_WAY and row.id not in told:
                told.add(row.id)
                if asked.outcome in (None, row.outcome):
                    yield row
        waiting = [row.created_at for row in rows if row.outcome == UNDER_WAY]
        since = min(waiting) if waiting else rows[0].created_at if rows else since
        told &= {row.id for row in rows}


def _say(console: Console, row: RequestRow, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.plain(row)), flush=True)
    else:
        console.print(_listed([row], wide=console.width >= show.WIDE, header=False))


def _outcome(word: str) -> Text:
    return Text(word, show.GOOD if word == DONE else show.BAD)


def _at(moment: datetime) -> str:
    """In the reader's own time zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _listed(rows: Sequence[RequestRow], *, wide: bool, header: bool = True) -> Table:
    """On a narrow terminal without what only a wide one has room for."""
    columns = ("time", "request", "outcome", "answered by", "pictures", "cost", "tries")
    kept = [name for name in columns if wide or name not in {"answered by", "pictures", "tries"}]
    table = show.listing(*kept, folds=("answered by",))
    table.show_header = header
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


def _unknown(rows: Sequence[AttemptRow]) -> Table:
    table = show.listing("attempt", "sent", "deployment", "asked for", "may have cost")
    for row in rows:
        table.add_row(
            Text(row.id),
            Text(_at(row.started_at), show.FAINT),
            Text(row.deployment),
            Text(", ".join([f"n {row.n}", *(each for each in (row.size, row.quality) if each)])),
            Text(show.money(row.estimate_worst_usd), show.WARNING),
        )
    return table


def _told(row: RequestRow, attempts: Sequence[AttemptRow]) -> Table:
    """As a timeline: on the left how long after the request came in."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style=show.FAINT, no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("request", Text(row.id, show.STRONG))
    table.add_row(_at(row.created_at), f"{row.operation}, {row.n} asked of {row.model!r}, {_asked(row)}")
    if whose := _whose(row):
        table.add_row("by", door.harmless(whose))
    table.add_row("rule", f"{row.rule or '-'} (rules {row.rules_hash})")
    table.add_row("estimate", _interval(row))
    for each in attempts:
        table.add_row(_after(each.started_at, row), _attempt(each))
    end = Text.assemble(
        _outcome(row.outcome),
        f" {show.seconds(row.latency_seconds)}, {row.images} picture{'' if row.images == 1 else 's'}",
    )
    end.append(f", {show.money(row.cost_usd)}")
    if row.at_risk_usd:
        end.append(f", and up to {show.money(row.at_risk_usd)} unknown", show.WARNING)
    if row.error:
        end.append(f"\n{door.harmless(row.error)}", show.FAINT)
    ended = row.created_at + timedelta(seconds=row.latency_seconds) if row.latency_seconds is not None else None
    table.add_row(_after(ended, row) if ended is not None else "outcome", end)
    return table


def _after(moment: datetime, row: RequestRow) -> str:
    return f"+{(moment - row.created_at).total_seconds():.3f} s"


def _interval(row: RequestRow | AttemptRow) -> str:
    return show.interval(Estimate(row.estimate_low_usd, row.estimate_expected_usd, row.estimate_worst_usd))


def _asked(row: RequestRow) -> str:
    parts = [row.size, row.quality, None if row.background == "auto" else f"{row.background} background"]
    prompt = f"a prompt of {row.prompt_characters} characters"
    return ", ".join([prompt, *(part for part in parts if part)])


def _whose(row: RequestRow) -> str:
    known = {
        "key": row.caller and (f"{row.caller} ({row.key_id})" if row.key_id else row.caller),
        "team": row.team,
        "project": row.project,
        "tags": ", ".join(row.tags),
        "user": row.end_user,
    }
    return ", ".join(f"{name} {value}" for name, value in known.items() if value)


def _attempt(row: AttemptRow) -> Text:
    said = Text.assemble(f"{row.deployment} ", _outcome(row.outcome), f" {show.seconds(row.latency_seconds)}")
    if row.cost_usd is not None:
        said.append(f" {show.money(row.cost_usd)} ({row.cost_basis})")
    elif row.billed is not False:
        said.append(f" may have cost {show.money(row.estimate_worst_usd)}", show.WARNING)
    counted = ((name, getattr(row.usage, name)) for name in USAGE_FIELDS if name != "cost_usd")
    details = [
        f"retry {row.retry}" if row.retry else None,
        f"fallback {row.candidate}" if row.candidate else None,
        f"call {row.part + 1}" if row.part else None,
        f"estimate {_interval(row)}" if row.estimate_expected_usd is not None else None,
        f"status {row.status}" if row.status is not None else None,
        f"first byte after {show.seconds(row.first_byte_seconds)}" if row.first_byte_seconds is not None else None,
        f"{row.input_images} pictures sent, {row.input_bytes:,} bytes" if row.input_images else None,
        *(f"{name.replace('_', ' ')} {value:,}" for name, value in counted if value is not None),
        row.model_snapshot,
        f"vendor's id {row.vendor_request_id}" if row.vendor_request_id else None,
        row.moderation,
        row.error,
    ]
    if known := [each for each in details if each]:
        said.append("\n" + door.harmless(", ".join(known)), show.FAINT)
    return said
