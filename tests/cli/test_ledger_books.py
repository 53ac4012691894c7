"""ledger export, reconcile, settle, delete and --follow; report. In a file, and by an address."""

import asyncio
import csv
import io
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from easel.providers.base.response import Usage
from easel.router.cli import export
from easel.router.cli.ledger import Asked, followed
from easel.router.ledger import DONE, UNDER_WAY, AttemptRow, MemoryLedger, RequestRow, open_ledger

from .conftest import Easel

DAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
FULL = RequestRow(
    id="one",
    created_at=DAY,
    operation="generate",
    model="auto",
    n=1,
    prompt_characters=7,
    prompt_sha256="0" * 64,
    caller="shop",
    team="<b>Müller & Söhne</b>",
    tags=("spring", "=1+1"),
    end_user="=HYPERLINK(1)",
    rule="typography",
    deployment="openai/gpt-image-2",
    outcome=DONE,
    cost_usd=Decimal("0.2510"),
    at_risk_usd=Decimal("0.25"),
    images=1,
    attempts=2,
    latency_seconds=9.5,
    fallbacks=1,
)
LOST = AttemptRow(
    id="one.1",
    request_id="one",
    number=1,
    retry=0,
    deployment="bfl/flux-2-pro",
    model="bfl/flux-2-pro",
    started_at=DAY + timedelta(seconds=0.25),
    n=1,
    estimate_worst_usd=Decimal("0.25"),
)
ANSWERED = replace(
    LOST,
    id="one.2",
    number=2,
    deployment="openai/gpt-image-2",
    model="openai/gpt-image-2",
    candidate=1,
    outcome=DONE,
    billed=True,
    cost_usd=Decimal("0.2510"),
    cost_basis="usage",
    usage=Usage(output_tokens=1056, output_megapixels=Decimal("1.05")),
    images=1,
    latency_seconds=9.0,
    first_byte_seconds=0.5,
)
NEVER_SENT = replace(FULL, id="two", created_at=DAY + timedelta(days=2), outcome="failed", end_user=None, team=None)


@pytest.fixture(params=["file", "postgres"])
def place(request: pytest.FixtureRequest, home: Path) -> str:
    """A ledger with two requests, one of which fell back after a call whose outcome is unknown."""
    where = str(home / "l.db") if request.param == "file" else request.getfixturevalue("postgres_address")

    async def fill() -> None:
        ledger = open_ledger(where)
        for row in (FULL, NEVER_SENT):
            await ledger.open_request(row)
        for row in (LOST, ANSWERED):
            await ledger.open_attempt(row)
        await ledger.close()

    asyncio.run(fill())
    return where


def test_requests_are_found_by_key_team_route_and_model(easel: Easel, place: str) -> None:
    def found(*options: str) -> list[str]:
        return [each["id"] for each in easel("ledger", "--ledger", place, "--json", *options).json]

    assert found() == ["two", "one"]
    assert found("--key", "shop", "--route", "typography") == ["two", "one"]
    assert found("--key", "nobody") == []
    assert found("--team", "<b>Müller & Söhne</b>") == ["one"]
    assert found("--model", "bfl/flux-2-pro", "--outcome", "done") == ["one"]


def test_one_request_is_told_as_a_timeline(easel: Easel, place: str) -> None:
    told = easel("ledger", "show", "one", "--ledger", place).out
    order = ["by", "+0.250 s", "bfl/flux-2-pro unknown", "may have cost $0.2500", "fallback 1", "1,056", "+9.500 s"]
    assert [told.index(each) for each in order] == sorted(told.index(each) for each in order)
    assert "first byte after 0.5 s" in told


def test_every_attempt_is_exported_with_its_request(easel: Easel, place: str) -> None:
    ended = easel("ledger", "export", "out.csv", "--ledger", place)
    assert (ended.code, ended.out) == (0, "out.csv  3 rows\n")
    rows = list(csv.DictReader(io.StringIO(Path("out.csv").read_text(encoding="utf-8"))))
    assert [(row["request_id"], row["attempt_id"]) for row in rows] == [("one", "one.1"), ("one", "one.2"), ("two", "")]
    assert rows[1]["attempt_cost_usd"] == "0.2510"
    assert rows[1]["attempt_usage_output_tokens"] == "1056"
    assert rows[1]["attempt_billed"] == "true"
    assert rows[0]["attempt_billed"] == ""
    assert rows[0]["request_end_user"] == "'=HYPERLINK(1)", "no spreadsheet may take it for a formula"
    assert rows[0]["request_tags"] == '["spring", "=1+1"]'
    assert set(rows[0]) == set(export.COLUMNS)
    assert easel("ledger", "export", "-", "--ledger", place, "--until", "2026-11-20").out.count("\n") == 3


def test_parquet_has_types(easel: Easel, place: str) -> None:
    from pyarrow import parquet

    assert easel("ledger", "export", "out.parquet", "--ledger", place).code == 0
    table = parquet.read_table("out.parquet")
    rows = table.to_pylist()
    assert rows[1]["attempt_cost_usd"] == Decimal("0.251")
    assert rows[1]["request_created_at"] == DAY
    assert rows[1]["attempt_billed"] is True
    assert rows[0]["attempt_billed"] is None
    assert rows[2]["attempt_id"] is None
    assert rows[1]["attempt_usage_output_tokens"] == 1056
    assert {name: str(table.schema.field(name).type) for name in ("request_n", "attempt_latency_seconds")} == {
        "request_n": "int64",
        "attempt_latency_seconds": "double",
    }


def test_what_cannot_be_exported_says_why(easel: Easel, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no ledger" in easel("ledger", "export", "x.csv", "--ledger", "nothing.db").err
    (home / "l.db").touch()
    assert "ends neither in .csv nor in .parquet" in easel("ledger", "export", "x.xls", "--ledger", "l.db").err
    (home / "x.csv").write_text("mine")
    assert "--force is needed" in easel("ledger", "export", "x.csv", "--ledger", "l.db").err
    assert (home / "x.csv").read_text() == "mine"
    assert "cannot be written" in easel("ledger", "export", "no/x.csv", "--ledger", "l.db").err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ended = easel("ledger", "export", "x.parquet", "--ledger", "l.db")
    assert ended.code == 2
    assert "pip install 'easel-images[parquet]'" in ended.err


def test_what_is_unknown_is_listed_and_settled(easel: Easel, place: str) -> None:
    assert "one.1" in easel("ledger", "reconcile", "--ledger", place).out
    assert [each["id"] for each in easel("ledger", "reconcile", "--ledger", place, "--json").json] == ["one.1"]
    for wrong in (("--billed", "perhaps"), ("--billed", "no", "--cost", "1"), ("--billed", "yes", "--cost", "-1")):
        assert easel("ledger", "settle", "one.1", *wrong, "--ledger", place).code == 2
    assert easel("ledger", "settle", "one.1", "--billed", "yes", "--cost", "0.049", "--ledger", place).code == 0
    again = easel("ledger", "settle", "one.1", "--billed", "no", "--ledger", place)
    assert again.code == 2
    assert "no attempt 'one.1' with an unknown outcome" in again.err
    story = easel("ledger", "show", "one", "--ledger", place, "--json").json
    assert (Decimal(story["request"]["cost_usd"]), Decimal(story["request"]["at_risk_usd"])) == (Decimal("0.3"), 0)
    assert "has a known outcome" in easel("ledger", "reconcile", "--ledger", place).out


def test_a_user_is_deleted_when_it_is_meant(easel: Easel, place: str) -> None:
    delete = ("ledger", "delete", "--ledger", place)
    assert easel(*delete, "--yes").code == 2
    assert easel(*delete, "--user", "a", "--team", "b", "--yes").code == 2
    assert easel(*delete, "--user", "=HYPERLINK(1)").code == 1, "nobody said yes"
    assert easel(*delete, "--user", "=HYPERLINK(1)", "--yes", "--json").json == {"deleted": 1}
    assert [each["id"] for each in easel("ledger", "--ledger", place, "--json").json] == ["two"]


async def test_what_is_followed_is_told_when_it_ends_and_once() -> None:
    ledger = MemoryLedger()
    early, late, other = (replace(FULL, id=name, created_at=DAY) for name in ("early", "late", "other"))
    running = replace(early, created_at=DAY - timedelta(hours=1), outcome=UNDER_WAY)
    await ledger.open_request(running)
    steps = [
        [late, replace(other, outcome="failed")],
        [],
        [replace(running, outcome=DONE)],
        [replace(late, id="last", created_at=DAY + timedelta(seconds=1))],
    ]

    async def pause() -> None:
        if not steps:
            raise EOFError
        for row in steps.pop(0):
            await ledger.close_request(row)

    told: list[str] = []

    async def follow() -> None:
        async for row in followed(ledger, Asked(outcome=DONE), (running,), pause):
            told.append(row.id)  # noqa: PERF401 (what came before the end is kept)

    with pytest.raises(EOFError):
        await follow()
    assert told == ["late", "early", "last"]


# report


def test_a_report_is_a_table_json_or_a_page(easel: Easel, place: str) -> None:
    options = ("--ledger", place, "--since", "2026-11-01")
    table = easel("report", *options)
    assert table.code == 0
    assert re.search(r"openai/gpt-image-2 +1 +1 +\$0\.2510 +\$0\.00 +9\.0 s +9\.0 s +1 +0 +0 +0", table.out)
    assert re.search(r"total +2 +1 +\$0\.2510 +\$0\.2500", table.out)
    found = easel("report", *options, "--by", "route", "--json").json
    assert (found["by"], found["since"]) == ("route", "2026-11-01T00:00:00+00:00")
    assert [(each["name"], each["requests"], each["cost_usd"]) for each in found["lines"]] == [
        ("typography", 2, "0.502")
    ]
    assert found["total"]["failures"] == 1
    assert easel("report", *options, "--by", "day", "--until", "2026-11-20", "--json").json["total"]["requests"] == 1
    assert "none of model" in easel("report", *options, "--by", "colour").err


def test_the_page_is_whole_and_loads_nothing(easel: Easel, place: str) -> None:
    ended = easel("report", "--ledger", place, "--since", "2026-11-01", "--html", "report.html")
    assert (ended.code, ended.out) == (0, "report.html\n")
    page = Path("report.html").read_text(encoding="utf-8")
    tree = ET.fromstring(re.sub(r"<!doctype html>|<meta[^>]*>", "", page))  # noqa: S314 (our own)
    assert len(list(tree.iter("svg"))) == 6
    assert not list(tree.iter("script"))
    assert "://" not in page.replace(place, "").replace("postgresql://postgres@/postgres", "")
    assert "&lt;b&gt;Müller &amp; Söhne&lt;/b&gt;" in page
    assert not list(tree.iter("b"))
    assert next(each.text for each in tree.iter("title")) == "Easel report"


def test_a_page_of_nothing_says_so(easel: Easel) -> None:
    assert easel("report", "--ledger", "nothing.db", "--html", "report.html", "--json").json["lines"] == []
    assert "There is nothing yet." in Path("report.html").read_text(encoding="utf-8")
    assert not Path("nothing.db").exists()
