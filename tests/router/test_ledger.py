"""The ledger: one suite for memory, a file and Postgres; one for what lasts, with crashes, neighbours and old schemas;
and what only the one or the other has to stand.
"""

# ruff: noqa: ASYNC240 - reading and writing files of a few bytes holds up nobody here

import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from shutil import copyfile
from typing import Any
from urllib.parse import quote

import psycopg
import psycopg.sql
import pytest
from sqlalchemy import create_engine, inspect

from easel.providers.base.errors import ConfigError, LedgerFailed
from easel.providers.base.response import Usage
from easel.router import ids, ledger_databases, ledger_sql, ledger_tables
from easel.router.ledger import (
    DONE,
    UNDER_WAY,
    UNKNOWN,
    AttemptRow,
    Ledger,
    MemoryLedger,
    RequestRow,
    is_address,
    open_ledger,
)
from tests.postgres import Server

LEDGERS = Path(__file__).parent / "ledgers"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def a_request(name: str = "one", **changes: object) -> RequestRow:
    row = RequestRow(
        id=name,
        created_at=NOON,
        operation="generate",
        model="auto",
        n=1,
        prompt_characters=7,
        prompt_sha256="0" * 64,
    )
    return replace(row, **changes)  # pyright: ignore[reportArgumentType] (any field, by name)


def an_attempt(request: str = "one", number: int = 1, **changes: object) -> AttemptRow:
    row = AttemptRow(
        id=f"{request}.{number}",
        request_id=request,
        number=number,
        retry=0,
        deployment="openai/gpt-image-2",
        model="gpt-image-2",
        started_at=NOON,
        n=1,
    )
    return replace(row, **changes)  # pyright: ignore[reportArgumentType] (any field, by name)


FULL_REQUEST = a_request(
    "full",
    size="1024x1536",
    quality="high",
    background="transparent",
    caller="shop “Müller”",
    metadata={"order": "7", "ключ": "値", "nul": "a\0b", "half": "\ud83d"},
    rules_hash="0123456789abcdef",
    rule="transparent",
    deployment="openai/gpt-image-1.5",
    outcome=DONE,
    estimate_low_usd=Decimal("0.1"),
    estimate_expected_usd=Decimal("0.1000000000000000055511151231257827"),
    estimate_worst_usd=Decimal("100.00"),
    cost_usd=Decimal("0.0400"),
    cost_basis="usage",
    at_risk_usd=Decimal("-0.000001"),
    images=2,
    attempts=3,
    adaptations=4,
    latency_seconds=12.0625,
    error="quota: 10 %; 'DROP TABLE requests'",
    key_id="0123456789ab",
    team="shop",
    project="spring “25”",
    tags=("a", "ü\0"),
    end_user="7f9c",
    retries=2,
    fallbacks=1,
)
FULL_ATTEMPT = an_attempt(
    "full",
    number=3,
    retry=2,
    size="1024x1024",
    quality="high",
    estimate_worst_usd=Decimal("0.2500"),
    outcome="refused",
    latency_seconds=0.125,
    billed=False,
    status=400,
    vendor_request_id="req_1",
    model_snapshot="gpt-image-2-2026-04-21",
    usage=Usage(
        input_tokens=10,
        cached_input_tokens=4,
        output_tokens=0,
        output_megapixels=Decimal("1.050"),
        cost_usd=Decimal("0.04"),
    ),
    cost_usd=Decimal("0.0000000001"),
    cost_basis="vendor",
    images=1,
    moderation="input: violence",
    error="refused",
    candidate=1,
    part=2,
    estimate_low_usd=Decimal("0.0"),
    estimate_expected_usd=Decimal("0.20"),
    input_images=3,
    input_bytes=5_000_000_000,
    input_pixels=40_000_000,
    first_byte_seconds=0.0625,
    rule="transparent",
    rules_hash="0123456789abcdef",
    prices_hash="fedcba9876543210",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def placed(request: pytest.FixtureRequest) -> str | None:
    """Where a ledger is, by the word in a fixture's parameters."""
    match request.param:
        case "file":
            return str(request.getfixturevalue("path"))
        case "postgres":
            return request.getfixturevalue("postgres_address")
        case _:
            return None


@pytest.fixture(params=["memory", "file", "postgres"])
async def ledger(request: pytest.FixtureRequest) -> AsyncIterator[Ledger]:
    opened = open_ledger(placed(request))
    yield opened
    await opened.close()


@pytest.fixture(params=["file", "postgres"])
def place(request: pytest.FixtureRequest) -> str:
    """Where nothing is yet, for what lasts."""
    where = placed(request)
    assert where is not None
    return where


def told(place: str, statement: str) -> list[Any]:
    """What the database itself answers, asked by a neighbour."""
    if is_address(place):
        with psycopg.connect(place) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []
    connection = sqlite3.connect(place)
    with connection:
        rows = connection.execute(statement).fetchall()
    connection.close()
    return rows


def engine(place: str) -> Any:
    address = place.replace("postgresql://", "postgresql+psycopg://") if is_address(place) else f"sqlite:///{place}"
    return create_engine(address)


# All three


async def test_rows_come_back_as_they_went(ledger: Ledger) -> None:
    assert await ledger.open_request(FULL_REQUEST) is None
    await ledger.open_attempt(FULL_ATTEMPT)
    back, (attempt,) = await ledger.request("full"), await ledger.attempts("full")
    assert back == FULL_REQUEST
    assert attempt == FULL_ATTEMPT
    assert repr(back) == repr(FULL_REQUEST), "equal is not enough: 0.04 is not 0.0400"
    assert repr(attempt) == repr(FULL_ATTEMPT)


async def test_an_amount_is_the_same_however_it_is_written(ledger: Ledger) -> None:
    await ledger.open_request(a_request(cost_usd=Decimal("1E+2"), at_risk_usd=Decimal("1E-9")))
    row = await ledger.request("one")
    assert row is not None
    assert (row.cost_usd, row.at_risk_usd) == (Decimal(100), Decimal("0.000000001"))


async def test_what_is_unknown_stays_none_and_not_zero(ledger: Ledger) -> None:
    await ledger.open_request(a_request())
    await ledger.open_attempt(an_attempt())
    row = await ledger.request("one")
    assert row is not None
    assert row.cost_usd is None
    assert row.latency_seconds is None
    (attempt,) = await ledger.attempts("one")
    assert (attempt.billed, attempt.cost_usd, attempt.usage) == (None, None, Usage())


async def test_a_time_of_any_zone_is_the_same_moment(ledger: Ledger) -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    await ledger.open_request(a_request(created_at=tokyo))
    row = await ledger.request("one")
    assert row is not None
    assert row.created_at == NOON
    assert row.created_at.tzinfo is not None


async def test_an_id_that_is_there_is_not_written_again(ledger: Ledger) -> None:
    first = a_request(caller="first")
    assert await ledger.open_request(first) is None
    assert await ledger.open_request(a_request(caller="second")) == first
    assert await ledger.request("one") == first


async def test_of_many_at_once_one_is_the_first(ledger: Ledger) -> None:
    answers = await asyncio.gather(*(ledger.open_request(a_request(caller=str(each))) for each in range(50)))
    assert answers.count(None) == 1
    winner = await ledger.request("one")
    assert all(answer == winner for answer in answers if answer is not None)


async def test_a_failed_request_is_reopened_by_one_of_two(ledger: Ledger) -> None:
    failed = a_request(outcome="failed", attempts=2, created_at=NOON - timedelta(days=1))
    await ledger.open_request(failed)
    again = a_request(outcome=UNDER_WAY, attempts=2)
    assert await ledger.reopen_request(again, failed)
    assert not await ledger.reopen_request(again, failed)
    assert await ledger.request("one") == again
    assert not await ledger.reopen_request(a_request("nobody"), a_request("nobody"))
    assert await ledger.request("nobody") is None


async def test_an_attempt_is_unknown_until_it_is_closed(ledger: Ledger) -> None:
    await ledger.open_request(a_request())
    await ledger.open_attempt(an_attempt())
    assert (await ledger.attempts("one"))[0].outcome == UNKNOWN
    assert await ledger.unknown_attempts() == (an_attempt(),)
    await ledger.close_attempt(an_attempt(outcome=DONE, images=1))
    assert (await ledger.attempts("one"))[0].outcome == DONE
    assert await ledger.unknown_attempts() == ()


async def test_the_same_attempt_id_in_two_requests_is_two_attempts(ledger: Ledger) -> None:
    await ledger.open_attempt(an_attempt("one", id="a"))
    await ledger.open_attempt(an_attempt("two", id="a", outcome=DONE))
    assert [row.outcome for row in await ledger.attempts("one")] == [UNKNOWN]
    assert [row.outcome for row in await ledger.attempts("two")] == [DONE]


async def test_attempts_come_in_the_order_in_which_they_were_sent(ledger: Ledger) -> None:
    for number in (2, 10, 1):
        await ledger.open_attempt(an_attempt(number=number))
    await ledger.close_attempt(an_attempt(number=2, outcome=DONE))
    assert [row.number for row in await ledger.attempts("one")] == [1, 2, 10]


async def test_unknown_attempts_come_newest_first(ledger: Ledger) -> None:
    for hour in (1, 3, 2):
        await ledger.open_attempt(an_attempt(f"at-{hour}", started_at=NOON + timedelta(hours=hour)))
    assert [row.request_id for row in await ledger.unknown_attempts(limit=2)] == ["at-3", "at-2"]


async def test_requests_are_found_by_what_an_operator_asks(ledger: Ledger) -> None:
    await ledger.open_request(a_request("old", created_at=NOON - timedelta(hours=2), outcome=DONE, caller="shop"))
    await ledger.open_request(a_request("tried", created_at=NOON, outcome="failed"))
    await ledger.open_attempt(an_attempt("tried", deployment="bfl/flux"))
    await ledger.open_attempt(an_attempt("tried", number=2, deployment="bfl/flux"))
    await ledger.open_request(a_request("new", created_at=NOON, outcome=DONE, deployment="bfl/flux"))
    await ledger.close_request(a_request("old", created_at=NOON - timedelta(hours=2), outcome=DONE, caller="shop"))

    async def found(**asked: object) -> list[str]:
        return [row.id for row in await ledger.requests(**asked)]  # pyright: ignore[reportArgumentType]

    assert await found() == ["tried", "new", "old"], "newest first; those of the same moment by their ids"
    assert await found(limit=1) == ["tried"]
    assert await found(limit=0) == []
    assert await found(caller="shop") == ["old"]
    assert await found(since=NOON) == ["tried", "new"]
    assert await found(since=NOON + timedelta(microseconds=1)) == []
    assert await found(outcome="failed") == ["tried"]
    assert await found(deployment="bfl/flux") == ["tried", "new"]
    assert await found(deployment="bfl/flux", outcome=DONE) == ["new"]
    assert await found(deployment="bfl/") == []


async def test_what_is_not_there_is_none(ledger: Ledger) -> None:
    assert await ledger.request("nobody") is None
    assert await ledger.attempts("nobody") == ()
    assert await ledger.requests() == ()


async def test_memory_forgets_the_oldest_first() -> None:
    ledger = MemoryLedger(most_requests=2)
    for name in ("a", "b", "c"):
        await ledger.open_request(a_request(name))
        await ledger.open_attempt(an_attempt(name))
    assert [row.id for row in await ledger.requests()] == ["c", "b"]
    assert await ledger.attempts("a") == ()


# What lasts: in a file, and in Postgres


async def test_what_was_written_is_kept(place: str) -> None:
    first = open_ledger(place)
    await first.open_request(FULL_REQUEST)
    await first.open_attempt(FULL_ATTEMPT)
    await first.close()
    second = open_ledger(place)
    assert await second.open_request(a_request("full")) == FULL_REQUEST
    assert await second.attempts("full") == (FULL_ATTEMPT,)
    await second.close()


async def test_what_nobody_waits_for_is_seen_at_once_and_kept_soon(place: str) -> None:
    ledger = open_ledger(place)
    name = ids.new("img")
    assert await ledger.open_request(a_request(name)) is None
    await ledger.open_attempt(an_attempt(name))
    await ledger.close_attempt(replace(an_attempt(name), outcome=DONE))
    await ledger.close_request(replace(a_request(name), outcome=DONE))
    assert [row.outcome for row in await ledger.attempts(name)] == [DONE]
    assert [(row.id, row.outcome) for row in await ledger.requests()] == [(name, DONE)]
    await ledger.close_request(replace(a_request(name), outcome="failed"))
    for _ in range(100):
        if told(place, "SELECT outcome FROM requests") == [("failed",)]:
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("it never reached the database")
    await ledger.close()


async def test_a_new_request_is_kept_with_its_attempt(place: str) -> None:
    ledger = open_ledger(place)
    name = ids.new("img")
    await ledger.open_request(a_request(name))
    await ledger.open_attempt(an_attempt(name))
    assert told(place, "SELECT id FROM requests") == [(name,)]
    await ledger.close()


async def test_a_cancelled_write_leaves_the_ledger_usable(place: str) -> None:
    ledger = open_ledger(place)
    await ledger.requests()
    for number in range(20):
        write = asyncio.create_task(ledger.open_attempt(an_attempt(number=number)))
        for _ in range(number):
            await asyncio.sleep(0)
        write.cancel()
        await asyncio.gather(write, return_exceptions=True)
    await ledger.open_attempt(an_attempt("after"))
    assert len(await ledger.attempts("after")) == 1
    await ledger.close()


async def test_more_rows_than_one_statement_takes_are_written_at_once(place: str) -> None:
    ledger = open_ledger(place)
    many = ledger_databases.MOST_AT_ONCE + 1
    opened = (ledger.open_request(a_request(f"r{number}")) for number in range(2 * many))
    assert set(await asyncio.gather(*opened)) == {None}
    again = (ledger.open_request(a_request(f"r{number}", caller="late")) for number in range(many))
    assert {row.caller for row in await asyncio.gather(*again) if row is not None} == {None}
    await ledger.close()


def test_every_field_of_a_row_has_a_column() -> None:
    for row, table in ((RequestRow, ledger_tables.REQUESTS), (AttemptRow, ledger_tables.ATTEMPTS)):
        assert [each.name for each in fields(row)] == [column.name for column in table.columns]


def test_the_columns_of_this_schema_are_these() -> None:
    """A change here is a new schema: count `SCHEMA` up, and write how an older ledger becomes one."""
    counted = (len(ledger_tables.REQUESTS.columns), len(ledger_tables.ATTEMPTS.columns), len(fields(Usage)))
    assert (ledger_tables.SCHEMA, counted) == (2, (34, 34, 11))


def columns(place: str) -> dict[str, dict[str, tuple[str, bool]]]:
    """Table -> column -> its type, and whether it may be empty."""
    reader = engine(place)
    found = inspect(reader)
    said = {
        table: {each["name"]: (str(each["type"]), bool(each["nullable"])) for each in found.get_columns(table)}
        | {f"index {each['name']}": (str(each["column_names"]), False) for each in found.get_indexes(table)}
        for table in found.get_table_names()
    }
    reader.dispose()
    return said


async def test_migrations_lead_to_the_tables_of_a_new_ledger(
    place: str, tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = open_ledger(place)
    await new.open_request(a_request())
    await new.close()
    migrated = postgres.new_place() if is_address(place) else str(tmp_path / "old.db")
    base(migrated)
    old = open_ledger(migrated)
    await old.open_request(a_request())
    await old.close()
    assert columns(migrated) == columns(place)
    assert told(migrated, "SELECT version_num FROM easel_schema") == [(str(ledger_tables.SCHEMA),)]


def base(place: str) -> None:
    """Have the tables of schema 1 there, by its migration."""
    database = ledger_databases.Postgres(place) if is_address(place) else ledger_databases.SqliteFile(place)
    database.make()
    with database.engine.begin() as connection:
        ledger_databases.migrate(connection, None, to=1)
        if not is_address(place):
            connection.exec_driver_sql(f"PRAGMA application_id = {ledger_databases.APPLICATION}")
            connection.exec_driver_sql("PRAGMA user_version = 1")
    database.engine.dispose()


def older(place: str) -> None:
    """A ledger of schema 1, with rows that were written in its day: the very file, or the same in Postgres."""
    if not is_address(place):
        copyfile(LEDGERS / "schema-1.db", place)
        return
    base(place)
    source = sqlite3.connect(LEDGERS / "schema-1.db")
    source.row_factory = sqlite3.Row
    with psycopg.connect(place) as connection:
        for table in ("requests", "attempts"):
            for row in source.execute(f"SELECT * FROM {table}"):  # noqa: S608 (a name of ours)
                values = {
                    **row,
                    **(
                        {"billed": None if row["billed"] is None else bool(row["billed"])}
                        if table == "attempts"
                        else {}
                    ),
                }
                into = psycopg.sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                    psycopg.sql.Identifier(table),
                    psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, values)),
                    psycopg.sql.SQL(", ").join(psycopg.sql.Placeholder() * len(values)),
                )
                connection.execute(into, list(values.values()))
    source.close()


async def test_what_an_older_ledger_knows_is_worked_out_and_the_rest_is_none(place: str) -> None:
    older(place)
    ledger = open_ledger(place)
    full = await ledger.request("full")
    assert full is not None
    assert full == replace(
        FULL_REQUEST, key_id=None, team=None, project=None, tags=(), end_user=None, retries=1, fallbacks=1
    )
    attempts = await ledger.attempts("full")
    assert [(each.candidate, each.retry) for each in attempts] == [(0, 0), (0, 1), (1, 0)]
    assert attempts[-1].usage == replace(FULL_ATTEMPT.usage, cached_input_tokens=None)
    assert attempts[-1].cost_usd == FULL_ATTEMPT.cost_usd
    assert (attempts[-1].input_images, attempts[-1].estimate_low_usd, attempts[-1].rules_hash) == (None, None, None)
    assert [each.request_id for each in await ledger.unknown_attempts()] == ["cut off"]
    cut_off = await ledger.request("cut off")
    assert cut_off is not None
    assert (cut_off.retries, cut_off.fallbacks, cut_off.outcome) == (0, 0, UNDER_WAY)
    await ledger.open_attempt(replace(FULL_ATTEMPT, id="new", number=9))
    assert (await ledger.attempts("full"))[-1] == replace(FULL_ATTEMPT, id="new", number=9)
    await ledger.close()


async def test_a_ledger_of_a_newer_easel_is_left_alone(place: str) -> None:
    ledger = open_ledger(place)
    await ledger.open_request(a_request())
    await ledger.close()
    told(place, "UPDATE easel_schema SET version_num = '3'" if is_address(place) else "PRAGMA user_version = 3")
    again = open_ledger(place)
    with pytest.raises(ConfigError, match=r"was written by a newer Easel \(schema 3, this one knows 2\)"):
        await again.open_request(a_request("two"))
    await again.close()
    assert told(place, "SELECT count(*) FROM requests") == [(1,)]


async def test_tables_of_another_program_are_left_alone(place: str) -> None:
    told(place, "CREATE TABLE requests (id INTEGER)")
    ledger = open_ledger(place)
    with pytest.raises(ConfigError, match="is a database of another program; name another"):
        await ledger.requests()
    await ledger.close()
    assert columns(place) == {"requests": {"id": ("INTEGER", True)}}


# Other processes. Each waits for a line before it starts, so that they meet.

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from easel.router.ledger import AttemptRow, RequestRow, open_ledger

path, who = sys.argv[1:]
MOMENT = datetime(2026, 11, 23, 12, tzinfo=UTC)

def request(name):
    return RequestRow(id=name, created_at=MOMENT, operation="generate", model="auto", n=1, prompt_characters=1,
                      prompt_sha256="", caller=who)

def attempt(name):
    return AttemptRow(id=who, request_id=name, number=1, retry=0, deployment="d", model="m", started_at=MOMENT, n=1)

async def main():
    ledger = open_ledger(path)
    print("ready", flush=True)
    sys.stdin.readline()
    {body}
    await ledger.close()

asyncio.run(main())
"""
RACE = """won = []
    for number in range(25):
        if await ledger.open_request(request(f"r{number}")) is None:
            won.append(number)
        await ledger.open_attempt(attempt(f"r{number}"))
    print(len(won))"""
HANG = """await ledger.open_request(request("r"))
    await ledger.open_attempt(attempt("r"))
    print("sent", flush=True)
    await asyncio.sleep(600)"""


def start(place: str, who: str, body: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", WRITER.replace("{body}", body), place, who]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


CARELESS = """ledger_row = request("r")
    await ledger.open_attempt(attempt("r"))
    await ledger.close_request(ledger_row)
    print("done")
    return"""


async def test_several_processes_on_a_new_ledger_share_it(place: str) -> None:
    names = {"left", "middle", "right"}
    processes = [start(place, who, RACE) for who in names]
    assert [hear(each) for each in processes] == ["ready"] * 3
    for each in processes:
        tell(each)
    won = [int(hear(each)) for each in processes]
    assert [each.wait() for each in processes] == [0, 0, 0]
    assert sum(won) == 25, "each request was opened by exactly one of them"
    ledger = open_ledger(place)
    for number in range(25):
        assert {row.id for row in await ledger.attempts(f"r{number}")} == names
    await ledger.close()


async def test_a_process_killed_while_it_waits_leaves_an_unknown_attempt(place: str) -> None:
    process = start(place, "victim", HANG)
    assert hear(process) == "ready"
    tell(process)
    assert hear(process) == "sent"
    process.kill()
    assert process.wait() == -9
    ledger = open_ledger(place)
    (attempt,) = await ledger.attempts("r")
    assert attempt.outcome == UNKNOWN
    assert attempt.billed is None
    assert await ledger.unknown_attempts() == (attempt,)
    known = await ledger.open_request(a_request("r"))
    assert known is not None
    assert known.outcome == UNDER_WAY
    await ledger.close()


async def test_a_process_that_forgets_to_close_still_ends(place: str) -> None:
    process = start(place, "careless", RACE + "\n    return")
    assert hear(process) == "ready"
    tell(process)
    assert hear(process) == "25"
    assert process.wait(timeout=60) == 0


async def test_an_outcome_survives_a_process_that_forgets_to_close(place: str) -> None:
    process = start(place, "careless", CARELESS)
    assert hear(process) == "ready"
    tell(process)
    assert hear(process) == "done"
    assert process.wait(timeout=60) == 0
    ledger = open_ledger(place)
    assert await ledger.request("r") is not None
    await ledger.close()


async def test_an_older_ledger_that_several_processes_open_is_migrated_once(place: str) -> None:
    base(place)
    processes = [start(place, who, RACE) for who in ("left", "right")]
    assert [hear(each) for each in processes] == ["ready"] * 2
    for each in processes:
        tell(each)
    assert sum(int(hear(each)) for each in processes) == 25
    assert [each.wait() for each in processes] == [0, 0]


# The file


async def test_the_file_is_for_its_owner_only(path: Path) -> None:
    ledger = open_ledger(path)
    await ledger.open_request(a_request())
    files = list(path.parent.iterdir())
    assert {each.name for each in files} == {"ledger.db", "ledger.db-wal", "ledger.db-shm"}
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    await ledger.close()
    assert [each.name for each in path.parent.iterdir()] == ["ledger.db"]


async def test_an_attempt_is_on_the_disk_when_open_attempt_returns(path: Path) -> None:
    ledger = ledger_sql.SqlLedger(path)
    await ledger.open_attempt(an_attempt())
    with ledger._engine.connect() as connection:
        full = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    assert (full, mode) == (2, "wal")
    with sqlite3.connect(path) as neighbour:
        assert neighbour.execute("SELECT id, outcome FROM attempts").fetchall() == [("one.1", UNKNOWN)]
    await ledger.close()


async def test_an_outcome_that_cannot_be_kept_is_in_the_log(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ledger_databases, "BUSY_SECONDS", 0.05)
    ledger = open_ledger(path)
    await ledger.open_attempt(an_attempt())
    neighbour = sqlite3.connect(path)
    neighbour.execute("BEGIN IMMEDIATE")
    await ledger.close_attempt(replace(an_attempt(), outcome=DONE))
    assert [row.outcome for row in await ledger.attempts("one")] == [UNKNOWN]
    neighbour.rollback()
    neighbour.close()
    await ledger.close()
    assert "the ledger did not keep what became of one.1" in caplog.text


async def test_a_file_held_by_a_neighbour_is_an_error_that_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_databases, "BUSY_SECONDS", 0.05)
    ledger = open_ledger(path)
    await ledger.requests()
    neighbour = sqlite3.connect(path)
    neighbour.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerFailed, match=r"ledger\.db: database is locked"):
        await ledger.open_attempt(an_attempt())
    assert await ledger.requests() == (), "reading goes on"
    neighbour.rollback()
    neighbour.close()
    await ledger.open_attempt(an_attempt())
    await ledger.close()


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere/ledger\.db: the folder .*nowhere does not exist; create it first"):
        open_ledger(tmp_path / "nowhere" / "ledger.db")


async def test_a_folder_in_the_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LedgerFailed, match="directory"):
        await open_ledger(tmp_path).request("one")


async def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE requests (id)")
    ledger = open_ledger(path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="database of another program"):
        await ledger.requests()
    await ledger.close()
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_text("my diary\n" * 200)
    ledger = open_ledger(path)
    with pytest.raises(LedgerFailed, match="not a database"):
        await ledger.open_request(a_request())
    await ledger.close()
    assert path.read_text() == "my diary\n" * 200


async def test_names_that_mean_something_to_a_database_are_only_names(tmp_path: Path) -> None:
    for name in ("a?mode=memory", "b#c", "d%20e", ":memory:", "file:f"):
        ledger = open_ledger(tmp_path / name)
        await ledger.open_request(a_request())
        await ledger.close()
        assert (tmp_path / name).stat().st_size > 0


def test_a_missing_library_names_the_extra(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from easel.router.ledger import open_ledger\n"
        "open_ledger(None)\n"
        f"open_ledger({str(tmp_path / 'x.db')!r})\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "ImportError: the ledger needs the extra `ledger`: pip install 'easel-images[ledger]' (sqlalchemy" in (
        ended.stderr
    )


# Postgres


async def test_a_commit_waits_for_the_disk_also_where_the_server_would_not(
    postgres: Server, postgres_address: str
) -> None:
    ledger = ledger_sql.SqlLedger(postgres_address + quote(" -csynchronous_commit=off", safe=""))
    await ledger.open_attempt(an_attempt())
    with ledger._engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
    assert told(postgres_address, "SELECT id, outcome FROM attempts") == [("one.1", UNKNOWN)]
    await ledger.close()


async def test_connections_that_are_lost_cost_no_request(postgres_address: str) -> None:
    ledger = open_ledger(f"{postgres_address}&application_name=easel-lost")
    await ledger.open_attempt(an_attempt())
    lost = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'easel-lost'"
    assert told(postgres_address, lost)
    await ledger.open_attempt(an_attempt(number=2))
    assert told(postgres_address, lost)
    assert len(await ledger.attempts("one")) == 2
    await ledger.close()


async def test_a_database_that_cannot_be_reached_is_an_error_without_its_password(tmp_path: Path) -> None:
    ledger = open_ledger(f"postgresql://easel:swordfish@/easel?host={tmp_path}")
    with pytest.raises(LedgerFailed, match=r"the ledger postgresql://easel:\*\*\*@.*No such file") as failed:
        await ledger.open_attempt(an_attempt())
    assert "swordfish" not in str(failed.value)
    await ledger.close()


def test_what_is_no_address_is_an_error_without_its_password() -> None:
    with pytest.raises(ConfigError, match="is not postgresql://USER:PASSWORD@HOST/NAME") as wrong:
        open_ledger("postgresql://easel:swordfish@host:port/easel")
    assert "swordfish" not in str(wrong.value)


async def test_a_row_that_a_neighbour_holds_is_an_error_that_says_so(
    postgres_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_databases, "BUSY_SECONDS", 2.0)
    ledger = open_ledger(postgres_address)
    await ledger.open_attempt(an_attempt())
    with psycopg.connect(postgres_address) as neighbour:
        neighbour.execute("UPDATE attempts SET images = 7")
        with pytest.raises(LedgerFailed, match="lock timeout"):
            await ledger.open_attempt(an_attempt())
        await ledger.open_attempt(an_attempt("two"))
        neighbour.rollback()
    await ledger.open_attempt(an_attempt())
    await ledger.close()
