"""The ledger in a database, SQLite or Postgres: SQLAlchemy Core, imported only when one is asked for.

One thread writes for this process, so that its writes never wait for a lock of its own; other processes on the same
database wait for theirs, up to `BUSY_SECONDS`. Writes that come together share a transaction, and its flush. Readers
have connections of their own, and see everything that was written before they asked.

A commit returns after the disk has it. What became of an attempt is written without anybody waiting: lost, it leaves
the attempt `unknown`. In what the two databases differ is in `ledger_databases`.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Row, Select, and_, delete, exists, or_, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..providers.base.errors import ConfigError, LedgerFailed
from .ids import NewId
from .ledger import SETTLED, UNDER_WAY, UNKNOWN, AttemptRow, By, Report, RequestRow, Story, is_address, spent
from .ledger_databases import Cursor, Database, Kind, Postgres, SqliteFile, open_tables
from .ledger_report import made
from .ledger_tables import ATTEMPTS, REQUESTS

logger = logging.getLogger(__name__)
SOON_SECONDS = 0.05
"""What nobody waits for is on the disk by then."""
PAGE = 500
"""Requests at a time, where all are given out."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    """A row on its way to the disk."""

    kind: Kind
    row: RequestRow | AttemptRow
    written: asyncio.Future[bool] | None
    """None: nobody waits for it."""


_Told = tuple[asyncio.Future[bool], bool | Exception]
"""Somebody who waits for a write, and what is to be said."""


class SqlLedger:
    """Rows in a database, safe with several processes on it. Each method raises LedgerFailed when it cannot do it."""

    def __init__(self, place: str | Path) -> None:
        """`place`: a path, or an address of Postgres. Nothing is there before it is first used.

        Raises ConfigError when the folder does not exist, or the address is none.
        """
        self.place = place
        database: Database = Postgres(place) if is_address(place) else SqliteFile(place)
        self._database = database
        self._engine = database.engine
        self._statements = database.statements
        self._ready = False
        self._opening = threading.Lock()
        self._waiting: deque[_Write] = deque()
        self._writing = False
        self._timer: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, "easel-ledger")
        atexit.register(self._write_all)  # what still waits then, if nobody closes it

    async def open_request(self, row: RequestRow) -> RequestRow | None:
        if isinstance(row.id, NewId):  # nobody else can have it: it is kept with the attempt that follows
            self._write_soon(self._statements.put_new_request, row)
            return None
        # One statement decides who was first, also between processes; the row it lost to is there by then.
        return None if await self._write(self._statements.put_new_request, row) else await self.request(row.id)

    async def reopen_request(self, row: RequestRow, known: RequestRow) -> bool:
        change = (
            update(REQUESTS)
            .where(
                REQUESTS.c.id == known.id,
                REQUESTS.c.outcome == known.outcome,
                REQUESTS.c.created_at == known.created_at,
            )
            .values(_values(row))
        )

        def work(connection: Connection) -> bool:
            return connection.execute(change).rowcount == 1

        return await self._change(work)

    async def close_request(self, row: RequestRow) -> None:
        self._write_soon(self._statements.put_request, row)

    async def open_attempt(self, row: AttemptRow) -> None:
        await self._write(self._statements.put_attempt, row)

    async def close_attempt(self, row: AttemptRow) -> None:
        self._write_soon(self._statements.put_attempt, row)

    async def request(self, request_id: str) -> RequestRow | None:
        rows = await self._read(select(REQUESTS).where(REQUESTS.c.id == request_id))
        return _request(rows[0]) if rows else None

    async def requests(
        self,
        *,
        limit: int = 50,
        caller: str | None = None,
        team: str | None = None,
        rule: str | None = None,
        since: datetime | None = None,
        outcome: str | None = None,
        deployment: str | None = None,
        model: str | None = None,
    ) -> tuple[RequestRow, ...]:
        query = select(REQUESTS).order_by(REQUESTS.c.created_at.desc(), REQUESTS.c.id.desc()).limit(max(0, limit))
        named = {"caller": caller, "team": team, "rule": rule, "outcome": outcome}
        query = query.where(*(REQUESTS.c[name] == value for name, value in named.items() if value is not None))
        if since is not None:
            query = query.where(REQUESTS.c.created_at >= since)
        attempts = exists().where(ATTEMPTS.c.request_id == REQUESTS.c.id)
        if deployment is not None:
            tried = attempts.where(ATTEMPTS.c.deployment == deployment)
            query = query.where((REQUESTS.c.deployment == deployment) | tried)
        if model is not None:
            query = query.where(attempts.where(ATTEMPTS.c.model == model))
        return tuple(_request(row) for row in await self._read(query))

    async def attempts(self, request_id: str) -> tuple[AttemptRow, ...]:
        query = select(ATTEMPTS).where(ATTEMPTS.c.request_id == request_id)
        rows = await self._read(query.order_by(ATTEMPTS.c.number, ATTEMPTS.c.id))
        return tuple(_attempt(row) for row in rows)

    async def unknown_attempts(self, *, limit: int = 50) -> tuple[AttemptRow, ...]:
        query = select(ATTEMPTS).where(ATTEMPTS.c.outcome == UNKNOWN).limit(max(0, limit))
        rows = await self._read(query.order_by(ATTEMPTS.c.started_at.desc(), ATTEMPTS.c.id.desc()))
        return tuple(_attempt(row) for row in rows)

    # Adding up, giving out, putting right

    async def report(self, by: By, *, since: datetime | None = None, until: datetime | None = None) -> Report:
        return await self._ask(lambda connection: made(self._database, connection, by, since, until))

    async def stories(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[Sequence[Story]]:
        query = select(REQUESTS).order_by(REQUESTS.c.created_at, REQUESTS.c.id).limit(PAGE)
        if until is not None:
            query = query.where(REQUESTS.c.created_at < until)
        page = query if since is None else query.where(REQUESTS.c.created_at >= since)
        while requests := [_request(row) for row in await self._read(page)]:
            chosen = select(ATTEMPTS).where(ATTEMPTS.c.request_id.in_([row.id for row in requests]))
            attempts: dict[str, list[AttemptRow]] = {}
            for row in await self._read(chosen.order_by(ATTEMPTS.c.number, ATTEMPTS.c.id)):
                attempts.setdefault(row.request_id, []).append(_attempt(row))
            yield [(row, tuple(attempts.get(row.id, ()))) for row in requests]
            last = requests[-1]
            # The first condition is for the index; the second is what is meant.
            page = query.where(
                REQUESTS.c.created_at >= last.created_at,
                or_(REQUESTS.c.created_at > last.created_at, REQUESTS.c.id > last.id),
            )

    async def settle(self, attempt_id: str, *, billed: bool, cost_usd: Decimal | None) -> AttemptRow | None:
        cost = cost_usd if billed else None
        is_it = (ATTEMPTS.c.id == attempt_id, ATTEMPTS.c.outcome == UNKNOWN)
        basis = SETTLED if cost is not None else UNKNOWN
        change = update(ATTEMPTS).where(*is_it)
        settled = change.values(outcome=SETTLED, billed=billed, cost_usd=cost, cost_basis=basis).returning(ATTEMPTS)

        def work(connection: Connection) -> AttemptRow | None:
            row = connection.execute(settled).one_or_none()
            if row is None:
                return None
            attempt = _attempt(row)
            both = ATTEMPTS.c.request_id == attempt.request_id
            known, at_risk = spent(_attempt(each) for each in connection.execute(select(ATTEMPTS).where(both)))
            ended = (REQUESTS.c.id == attempt.request_id, REQUESTS.c.outcome != UNDER_WAY)
            connection.execute(update(REQUESTS).where(*ended).values(cost_usd=known, at_risk_usd=at_risk))
            return attempt

        return await self._change(work)

    async def delete(self, *, end_user: str | None = None, team: str | None = None) -> int:
        whose = {"end_user": end_user, "team": team}
        asked = [REQUESTS.c[name] == value for name, value in whose.items() if value is not None]
        if not asked:
            raise ValueError("delete needs an end user or a team")
        theirs = and_(*asked, REQUESTS.c.outcome != UNDER_WAY)

        def work(connection: Connection) -> int:
            self._database.overwrite(connection)
            connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.request_id.in_(select(REQUESTS.c.id).where(theirs))))
            return connection.execute(delete(REQUESTS).where(theirs)).rowcount

        return await self._change(work)

    def beside(self) -> SqlLedger:
        return SqlLedger(self.place)

    async def close(self) -> None:
        self._flush()
        await asyncio.to_thread(self._thread.shutdown)
        self._write_all()
        atexit.unregister(self._write_all)
        self._engine.dispose()

    # Writing

    async def _write(self, kind: Kind, row: RequestRow | AttemptRow) -> bool:
        """Returns when the disk has it. False: the row was there already, and the kind leaves it so."""
        written = asyncio.get_running_loop().create_future()
        self._begin(_Write(kind, row, written))
        return await asyncio.shield(written)

    def _write_soon(self, kind: Kind, row: RequestRow | AttemptRow) -> None:
        """It goes with the next write, and at the latest in a moment: what is read after this sees it."""
        self._waiting.append(_Write(kind, row, None))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SOON_SECONDS, self._flush)

    async def _change(self, work: Callable[[Connection], Result]) -> Result:
        """In a transaction of its own, after all that was written before."""
        self._flush()
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_transaction, work)

    def _begin(self, write: _Write) -> None:
        """Writes that come while others are on their way to the disk share the next transaction: one flush for all."""
        self._waiting.append(write)
        self._flush()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._writing:
            self._writing = True
            self._thread.submit(self._write_all)

    def _write_all(self) -> None:
        while self._is_needed():
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            told: list[_Told] = []
            try:
                told += self._write_together(batch)
            except (LedgerFailed, ConfigError) as error:
                if len(batch) == 1:
                    told += _failed(batch[0], error)
                else:  # one bad row must not cost the others theirs
                    for each in batch:
                        told += self._write_alone(each)
            except Exception as error:  # noqa: BLE001 (whatever it is, those who wait must hear of it)
                for each in batch:
                    told += _failed(each, error)
            _tell(told)

    def _is_needed(self) -> bool:
        """Is there more to write? What comes after a no begins a run of its own."""
        if not self._waiting:
            self._writing = False
            if not self._waiting:
                return False
            self._writing = True  # it came in between, and relied on this run
        return True

    def _write_alone(self, write: _Write) -> list[_Told]:
        try:
            return self._write_together([write])
        except (LedgerFailed, ConfigError) as error:
            return _failed(write, error)

    def _write_together(self, batch: list[_Write]) -> list[_Told]:
        statements = self._statements

        def work(connection: Connection) -> set[str]:
            cursor = cast("Cursor", connection.connection.cursor())
            first: set[str] = set()
            for kind in (statements.put_new_request, statements.put_request, statements.put_attempt):
                rows = [each.row for each in batch if each.kind is kind]
                if rows:
                    first |= kind.run(cursor, rows)
            cursor.close()
            return first

        first = self._in_transaction(work)
        told: list[_Told] = []
        for each in batch:
            is_first = each.row.id in first
            first.discard(each.row.id)  # of two of one id in this batch too, one was first
            if each.written is not None:
                told.append((each.written, is_first or not each.kind.tells_first))
        return told

    # Reading

    async def _read(self, query: Select[Any]) -> list[Row[Any]]:
        return await self._ask(lambda connection: list(connection.execute(query).all()))

    async def _ask(self, work: Callable[[Connection], Result]) -> Result:
        """On a connection of its own, with all in sight that was written before."""
        if self._writing or self._waiting:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write_all)
        return await asyncio.to_thread(self._in_transaction, work)

    # The database

    def _in_transaction(self, work: Callable[[Connection], Result]) -> Result:
        """What it returns, committed to the disk.

        Done again, once, when its connection was lost, as all are when a database starts anew: all that is done here
        can be done twice, and who then hears of not being the first is only careful in vain.
        """
        try:
            self._open()
            try:
                return self._once(work)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return self._once(work)
        except (SQLAlchemyError, OSError) as error:
            reason = " ".join(str(getattr(error, "orig", None) or error).split())
            raise LedgerFailed(f"the ledger {self._database.name}: {reason}") from error

    def _once(self, work: Callable[[Connection], Result]) -> Result:
        with self._engine.begin() as connection:
            try:
                return work(connection)
            except self._database.Error as error:
                # It was the driver that was spoken to: SQLAlchemy does not know yet that the connection is gone.
                lost = self._database.is_lost(connection)
                if lost:
                    connection.invalidate(error)
                    self._engine.dispose()  # the others were made before, too
                raise DBAPIError("", None, error, connection_invalidated=lost) from error

    def _open(self) -> None:
        """Have the tables, on first use."""
        if self._ready:
            return
        with self._opening:
            if not self._ready:
                open_tables(self._database)
                self._ready = True


def _failed(write: _Write, error: Exception) -> list[_Told]:
    """Who is to be told; where nobody waits, the log is."""
    if write.written is not None:
        return [(write.written, error)]
    logger.error("the ledger did not keep what became of %s: %s", write.row.id, error)
    return []


def _tell(told: Sequence[_Told]) -> None:
    """From the ledger's thread: those who wait are on an event loop, mostly all on the same one."""
    loops = {future.get_loop() for future, _ in told}
    for loop in loops:
        own = [each for each in told if each[0].get_loop() is loop]
        with suppress(RuntimeError):  # that loop has ended, and whoever waited with it
            loop.call_soon_threadsafe(_answer, own)


def _answer(told: Sequence[_Told]) -> None:
    for future, answer in told:
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def _values(row: RequestRow | AttemptRow) -> dict[str, object]:
    return {each.name: getattr(row, each.name) for each in fields(row)}


def _request(row: Row[Any]) -> RequestRow:
    return RequestRow(**row._mapping)  # pyright: ignore[reportPrivateUsage] (its documented name)


def _attempt(row: Row[Any]) -> AttemptRow:
    return AttemptRow(**row._mapping)  # pyright: ignore[reportPrivateUsage] (its documented name)
