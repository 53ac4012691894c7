"""What the ledger costs a request, and how long a month of a million requests takes to add up; in both databases.

The month is 10,000 different requests, each a hundred times under another id. The Postgres is the tests' own, at a Unix
socket; here it waits for its disk, as the file does.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

from easel.providers.base.response import Usage
from easel.router import ids
from easel.router.ledger import DONE, REFUSED, UNKNOWN, AttemptRow, RequestRow
from easel.router.ledger_databases import Cursor
from easel.router.ledger_report import By
from easel.router.ledger_sql import SqlLedger
from easel.router.ledger_tables import ATTEMPTS, REQUESTS
from tests.postgres import Server

from .measure import Figure, Group, Row, Table, in_turn, scaled

MONTH = datetime(2026, 11, 1, tzinfo=UTC)
DIFFERENT = 10_000
TIMES = 100
ROUNDS = 300
MOST_REPORT_SECONDS = 5.0
MOST_WRITE_MS = 1.0
WAYS: tuple[By, ...] = ("model", "route", "team", "day")
ROUTES = {"typography": "openai/gpt-image-2", "transparent": "openai/gpt-image-1.5", "draft": "bfl/flux-2-pro"}
SECOND = "google/gemini-3-pro-image"
TEAMS = ("shop", "search", "studio", None)


async def run() -> list[Group | Table]:
    with tempfile.TemporaryDirectory() as folder:
        server = Server.start(fsync="on")
        try:
            places = {"SQLite": str(Path(folder) / "ledger.db"), "Postgres": server.new_place()}
            return [await _writing(places), await _adding_up(places)]
        finally:
            server.stop()


# Writing


async def _writing(places: dict[str, str]) -> Group:
    """One request after another, each as the pipeline writes it."""
    ledgers = {name: SqlLedger(place) for name, place in places.items()}
    works = {name: lambda ledger=ledger: _one(ledger) for name, ledger in ledgers.items()}
    taken = await in_turn(works, rounds=ROUNDS)
    for ledger in ledgers.values():
        await ledger.close()
    figures = [Figure(name, scaled(wall, 1e3), MOST_WRITE_MS) for name, (wall, _) in taken.items()]
    method = f"what a request waits for: its row and its attempt's, on the disk; {ROUNDS} in turn, one at a time"
    return Group("Ledger: writing", "ms", method, figures)


async def _one(ledger: SqlLedger) -> None:
    request, *attempts = next(_month(1, random.Random(1)))
    name = ids.new("img")
    request = replace(request, id=name)
    await ledger.open_request(request)
    for each in attempts:
        attempt = replace(each, id=ids.new("att"), request_id=name)
        await ledger.open_attempt(attempt)
        await ledger.close_attempt(attempt)
    await ledger.close_request(request)


# Adding up


async def _adding_up(places: dict[str, str]) -> Table:
    rows: list[Row] = []
    for name, place in places.items():
        ledger = SqlLedger(place)
        await fill(ledger)
        taken = {by: await _seconds(ledger, by) for by in WAYS}
        rows.append((name, (*taken.values(), max(taken.values()))))
        await ledger.close()
    method = (
        f"seconds for {DIFFERENT * TIMES:,} requests of a month and their attempts, with medians and 95th percentiles; "
        f"one run each; target: {MOST_REPORT_SECONDS:g} at most"
    )
    return Table("Ledger: reports", method, (*(f"by {by}" for by in WAYS), "longest"), rows)


async def _seconds(ledger: SqlLedger, by: By) -> float:
    before = time.perf_counter()
    report = await ledger.report(by, since=MONTH)
    took = time.perf_counter() - before
    assert sum(each.requests for each in report.lines) >= DIFFERENT * TIMES
    return took


async def fill(ledger: SqlLedger) -> None:
    """Write the month, in the order in which it came, in the place of what was there."""
    await ledger.requests(limit=1)  # has the tables made

    def work() -> None:
        statements = ledger._database.statements
        written = list(_month(DIFFERENT, random.Random(1)))
        with ledger._engine.begin() as connection:
            for table in (REQUESTS, ATTEMPTS):
                connection.execute(table.delete())
            cursor = cast("Cursor", connection.connection.cursor())
            statements.put_request.run(cursor, [row[0] for row in written])
            statements.put_attempt.run(cursor, [attempt for row in written for attempt in row[1:]])
            cursor.close()
            for table, names, moment in (
                (REQUESTS, ("id",), "created_at"),
                (ATTEMPTS, ("id", "request_id"), "started_at"),
            ):
                connection.exec_driver_sql(f"CREATE TEMPORARY TABLE once AS SELECT * FROM {table.name}")  # noqa: S608 (a name of ours)
                connection.execute(table.delete())
                columns = ", ".join(each.name for each in table.columns)
                again = ", ".join(
                    f"{each.name} || '-' || copy" if each.name in names else each.name for each in table.columns
                )
                connection.exec_driver_sql(
                    "WITH RECURSIVE times(copy) AS (SELECT 1 UNION ALL SELECT copy + 1 FROM times "  # noqa: S608 (names of ours)
                    f"WHERE copy < {TIMES}) INSERT INTO {table.name} ({columns}) "
                    f"SELECT {again} FROM once CROSS JOIN times ORDER BY {moment}"
                )
                connection.exec_driver_sql("DROP TABLE once")
                connection.exec_driver_sql(f"ANALYZE {table.name}")

    await asyncio.to_thread(work)


Written = tuple[RequestRow, *tuple[AttemptRow, ...]]


def _month(count: int, chance: random.Random) -> Iterator[Written]:
    for number in range(count):
        name = f"r{number}"
        at = MONTH + timedelta(seconds=chance.uniform(0, 30 * 86_400))
        rule = chance.choice(list(ROUTES))
        deployment, seconds = ROUTES[rule], chance.lognormvariate(2.3, 0.5)
        ways = ["done"] * 90 + ["retry"] * 4 + ["fallback"] * 4 + ["refused", "unknown"]
        way = chance.choice(ways)
        cost = Decimal(chance.randrange(5_000, 250_000)) / 1_000_000
        first = _attempt(name, 1, deployment, at, seconds, cost)
        attempts = [first]
        match way:
            case "retry":
                failed = replace(first, outcome="rate_limited", billed=False, cost_usd=None, images=0)
                attempts = [failed, replace(first, id=f"{name}.2", number=2, retry=1)]
            case "fallback":
                failed = replace(first, outcome="unavailable", billed=False, cost_usd=None, images=0)
                second = _attempt(name, 2, SECOND, at, seconds, cost)
                attempts = [failed, replace(second, candidate=1)]
            case "refused" | "unknown":
                billed = None if way == "unknown" else False
                outcome = REFUSED if way == "refused" else UNKNOWN
                attempts = [replace(first, outcome=outcome, billed=billed, cost_usd=None, images=0)]
            case _:
                pass
        last = attempts[-1]
        request = RequestRow(
            id=name,
            created_at=at,
            operation="generate",
            model="auto",
            n=1,
            prompt_characters=120,
            prompt_sha256="0123456789abcdef" * 4,
            size="1024x1024",
            quality="medium",
            caller=f"key-{number % 40}",
            rules_hash="0123456789abcdef",
            rule=rule,
            deployment=last.deployment if last.outcome == DONE else None,
            outcome=last.outcome if last.outcome in (DONE, REFUSED) else "failed",
            estimate_low_usd=first.estimate_low_usd,
            estimate_expected_usd=first.estimate_expected_usd,
            estimate_worst_usd=first.estimate_worst_usd,
            cost_usd=last.cost_usd,
            cost_basis="usage",
            at_risk_usd=Decimal(0) if last.billed is not None else first.estimate_worst_usd or Decimal(0),
            images=last.images,
            attempts=len(attempts),
            latency_seconds=seconds,
            key_id="0123456789ab",
            team=TEAMS[number % 4],
            retries=sum(each.retry for each in attempts),
            fallbacks=max(each.candidate for each in attempts),
        )
        yield request, *attempts


def _attempt(request: str, number: int, deployment: str, at: datetime, seconds: float, cost: Decimal) -> AttemptRow:
    return AttemptRow(
        id=f"{request}.{number}",
        request_id=request,
        number=number,
        retry=0,
        deployment=deployment,
        model=deployment,
        started_at=at,
        n=1,
        size="1024x1024",
        quality="medium",
        estimate_worst_usd=cost * 2,
        outcome=DONE,
        latency_seconds=seconds,
        billed=True,
        vendor_request_id="req_0123456789abcdef",
        model_snapshot=f"{deployment}-2026-04-21",
        usage=Usage(input_tokens=30, output_tokens=1056, images=1),
        cost_usd=cost,
        cost_basis="usage",
        images=1,
        estimate_low_usd=cost / 2,
        estimate_expected_usd=cost,
        input_images=0,
        first_byte_seconds=seconds / 2,
        rule="typography",
        rules_hash="0123456789abcdef",
        prices_hash="fedcba9876543210",
    )
