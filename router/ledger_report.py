"""What the ledger adds up to: so many requests, pictures and dollars by model, route, team or day.

Everything is counted by the database. By model and by deployment the attempts are counted, because each has its own
bill; by anything else the requests are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Integer, Select, and_, case, cast, func, or_, select

from .ledger import DONE, REFUSED, UNDER_WAY, By, Line, Report
from .ledger_databases import Database
from .ledger_tables import ATTEMPTS, REQUESTS

MEDIAN, SLOW = 0.5, 0.95


def made(database: Database, connection: Connection, by: By, since: datetime | None, until: datetime | None) -> Report:
    of_attempts = by in ("model", "deployment")
    table = ATTEMPTS if of_attempts else REQUESTS
    moment = table.c.started_at if of_attempts else table.c.created_at
    period: list[ColumnElement[bool]] = []
    if since is not None:
        period.append(moment >= since)
    if until is not None:
        period.append(moment < until)
    name = _name(database, by).label("name")
    counted = _attempts(database, name) if of_attempts else _requests(database, name)
    found = connection.execute(counted.where(*period).group_by(name)).mappings().all()
    slowness = {found: (half, most) for found, half, most in connection.execute(_latencies(name, table, period))}
    lines = [
        Line(
            **{each: value or 0 for each, value in row.items() if each not in {"name", "cost_usd", "at_risk_usd"}},
            name=row["name"],
            cost_usd=_dollars(row["cost_usd"]),
            at_risk_usd=_dollars(row["at_risk_usd"]),
            latency_p50_seconds=slowness.get(row["name"], (None, None))[0],
            latency_p95_seconds=slowness.get(row["name"], (None, None))[1],
        )
        for row in found
    ]
    if by == "day":
        lines.sort(key=lambda line: line.name or "")
    else:
        lines.sort(key=lambda line: (-line.cost_usd, -line.requests, line.name or ""))
    return Report(by, since, until, tuple(lines))


def _name(database: Database, by: By) -> ColumnElement[Any]:
    match by:
        case "model":
            return ATTEMPTS.c.model
        case "deployment":
            return ATTEMPTS.c.deployment
        case "route":
            return REQUESTS.c.rule
        case "key":
            return REQUESTS.c.caller
        case "day":
            return database.day(REQUESTS.c.created_at)
        case _:
            return REQUESTS.c[by]


def _requests(database: Database, name: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    columns = REQUESTS.c
    return select(
        name,
        func.count().label("requests"),
        func.sum(columns.images).label("images"),
        database.total(columns.cost_usd).label("cost_usd"),
        database.total(columns.at_risk_usd).label("at_risk_usd"),
        _count(columns.fallbacks > 0).label("fallbacks"),
        _count(columns.outcome == REFUSED).label("refusals"),
        _count(columns.outcome.not_in([DONE, REFUSED, UNDER_WAY])).label("failures"),
        func.sum(columns.retries).label("retries"),
    )


def _attempts(database: Database, name: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    columns = ATTEMPTS.c
    first = and_(columns.retry == 0, columns.part == 0)
    unsure = and_(columns.cost_usd.is_(None), or_(columns.billed.is_(None), columns.billed))
    return select(
        name,
        _count(first).label("requests"),
        func.sum(columns.images).label("images"),
        database.total(columns.cost_usd).label("cost_usd"),
        database.total(case((unsure, columns.estimate_worst_usd))).label("at_risk_usd"),
        _count(and_(first, columns.candidate > 0)).label("fallbacks"),
        _count(columns.outcome == REFUSED).label("refusals"),
        _count(columns.outcome.not_in([DONE, REFUSED])).label("failures"),
        _count(columns.retry > 0).label("retries"),
    )


def _latencies(
    name: ColumnElement[Any], table: FromClause, period: Sequence[ColumnElement[bool]]
) -> Select[*tuple[Any, ...]]:
    """For each name the latencies, to the millisecond, below which so much of them is.

    Those that are alike are counted first, and only the counts put in order: that is a fifth of the work.
    """
    seconds = table.c.latency_seconds
    milliseconds = cast(func.round(seconds * 1000), Integer).label("milliseconds")
    answered = (table.c.outcome == DONE, seconds.is_not(None), *period)
    alike = select(name, milliseconds, func.count().label("count")).where(*answered).group_by(name, milliseconds)
    each = alike.subquery()
    up_to = func.sum(each.c.count).over(partition_by=each.c.name, order_by=each.c.milliseconds).label("up_to")
    among = func.sum(each.c.count).over(partition_by=each.c.name).label("among")
    ranked = select(each.c.name, each.c.milliseconds, up_to, among).subquery()

    def least(share: float) -> ColumnElement[Any]:
        return func.min(ranked.c.milliseconds).filter(ranked.c.up_to >= share * ranked.c.among) / 1000.0

    return select(ranked.c.name, least(MEDIAN), least(SLOW)).group_by(ranked.c.name)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(condition)


def _dollars(billionths: Decimal | int | None) -> Decimal:
    return (Decimal(int(billionths or 0)).scaleb(-9)).normalize() + Decimal(0)
