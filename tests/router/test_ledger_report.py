"""What a ledger adds up to, held against the same sums made here, row by row; in a file and in Postgres."""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from easel.router.ledger import DONE, REFUSED, UNDER_WAY, WAYS, AttemptRow, By, LastingLedger, Line, RequestRow

from .test_ledger import NOON, a_request, an_attempt, open_ledger, path, place

__all__ = ["path", "place"]
MODELS = ("openai/gpt-image-2", "bfl/flux-2-pro", "wörter/modell")
Rows = list[tuple[RequestRow, list[AttemptRow]]]


def some_rows(count: int) -> Rows:
    """All that can happen to a request, by chance; always the same."""
    chance = random.Random(7)  # noqa: S311 (rows, not secrets)
    found: Rows = []
    for number in range(count):
        name, at = f"r{number:03}", NOON + timedelta(hours=chance.uniform(-60, 60))
        attempts: list[AttemptRow] = []
        for candidate, model in enumerate(chance.sample(MODELS, chance.randint(1, 3))):
            for retry in range(chance.randint(1, 2)):
                outcome = chance.choice([DONE, DONE, REFUSED, "unknown", "rate_limited"])
                cost = Decimal(chance.randrange(1, 10**9)) / 10**9 if chance.random() < 0.7 else None
                attempts.append(
                    an_attempt(
                        name,
                        len(attempts) + 1,
                        model=model,
                        deployment=f"{model}@{candidate}",
                        started_at=at,
                        retry=retry,
                        candidate=candidate,
                        part=chance.randint(0, 1),
                        outcome=outcome,
                        billed=chance.choice([True, False, None]),
                        cost_usd=cost,
                        estimate_worst_usd=chance.choice([Decimal("0.25"), None]),
                        images=chance.randint(0, 3),
                        latency_seconds=round(chance.uniform(0.01, 90), 3),
                    )
                )
        request = a_request(
            name,
            created_at=at,
            operation=chance.choice(["generate", "edit"]),
            outcome=chance.choice([DONE, DONE, REFUSED, "failed", "cancelled", UNDER_WAY]),
            rule=chance.choice(["typography", "transparent", None]),
            team=chance.choice(["shop", "x'; DROP TABLE requests; --", None]),
            project=chance.choice(["spring", None]),
            caller=chance.choice(["a", "b"]),
            cost_usd=chance.choice([Decimal("0.1"), Decimal("0.0000000001"), None]),
            at_risk_usd=chance.choice([Decimal(0), Decimal("0.25")]),
            images=chance.randint(0, 4),
            latency_seconds=chance.choice([None, round(chance.uniform(0.01, 90), 3)]),
            retries=chance.randint(0, 2),
            fallbacks=chance.randint(0, 2),
        )
        found.append((request, attempts))
    return found


@pytest.fixture(scope="module")
def rows() -> Rows:
    return some_rows(300)


async def filled(place: str, rows: Rows) -> LastingLedger:
    ledger = open_ledger(place)
    for request, attempts in rows:
        await ledger.open_request(request)
        for attempt in attempts:
            await ledger.close_attempt(attempt)
    return ledger


def names(by: By) -> Callable[[RequestRow], str | None]:
    named: dict[str, Callable[[RequestRow], str | None]] = {
        "route": lambda row: row.rule,
        "key": lambda row: row.caller,
        "day": lambda row: row.created_at.date().isoformat(),
    }
    return named.get(by, lambda row: getattr(row, by))


def expected(rows: Rows, by: By) -> list[Line]:
    if by in ("model", "deployment"):
        attempts: dict[str | None, list[AttemptRow]] = defaultdict(list)
        for _, each in rows:
            for attempt in each:
                attempts[getattr(attempt, by)].append(attempt)
        return [_of_attempts(name, group) for name, group in attempts.items()]
    requests: dict[str | None, list[RequestRow]] = defaultdict(list)
    for request, _ in rows:
        requests[names(by)(request)].append(request)
    return [_of_requests(name, group) for name, group in requests.items()]


def _of_requests(name: str | None, rows: Sequence[RequestRow]) -> Line:
    answered = [each.latency_seconds for each in rows if each.outcome == DONE and each.latency_seconds is not None]
    return Line(
        name=name,
        requests=len(rows),
        images=sum(each.images for each in rows),
        cost_usd=dollars(each.cost_usd for each in rows),
        at_risk_usd=dollars(each.at_risk_usd for each in rows),
        latency_p50_seconds=nearest(answered, 0.5),
        latency_p95_seconds=nearest(answered, 0.95),
        fallbacks=sum(each.fallbacks > 0 for each in rows),
        refusals=sum(each.outcome == REFUSED for each in rows),
        failures=sum(each.outcome not in (DONE, REFUSED, UNDER_WAY) for each in rows),
        retries=sum(each.retries for each in rows),
    )


def _of_attempts(name: str | None, rows: Sequence[AttemptRow]) -> Line:
    answered = [each.latency_seconds for each in rows if each.outcome == DONE and each.latency_seconds is not None]
    first = [each for each in rows if not each.retry and not each.part]
    unsure = [each for each in rows if each.cost_usd is None and each.billed is not False]
    return Line(
        name=name,
        requests=len(first),
        images=sum(each.images for each in rows),
        cost_usd=dollars(each.cost_usd for each in rows),
        at_risk_usd=dollars(each.estimate_worst_usd for each in unsure),
        latency_p50_seconds=nearest(answered, 0.5),
        latency_p95_seconds=nearest(answered, 0.95),
        fallbacks=sum(each.candidate > 0 for each in first),
        refusals=sum(each.outcome == REFUSED for each in rows),
        failures=sum(each.outcome not in (DONE, REFUSED) for each in rows),
        retries=sum(each.retry > 0 for each in rows),
    )


def dollars(amounts: Iterable[Decimal | None]) -> Decimal:
    """Each to a billionth, which is as far as the databases add."""
    return sum((round(each, 9) for each in amounts if each is not None), Decimal(0))


def nearest(values: Sequence[float], share: float) -> float | None:
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else None


def by_name(lines: Iterable[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: line.name or "")


async def test_the_database_adds_up_what_is_there(place: str, rows: Rows) -> None:
    ledger = await filled(place, rows)
    for by in WAYS:
        found = await ledger.report(by)
        assert by_name(found.lines) == by_name(expected(rows, by)), by
    await ledger.close()


async def test_a_period_begins_with_its_first_moment_and_ends_before_its_last(place: str, rows: Rows) -> None:
    ledger = await filled(place, rows)
    since, until = rows[0][0].created_at, rows[0][0].created_at + timedelta(hours=24)
    within = [each for each in rows if since <= each[0].created_at < until]
    for by in ("day", "model"):
        found = await ledger.report(by, since=since, until=until)
        assert by_name(found.lines) == by_name(expected(within, by))
    nothing = await ledger.report("day", since=datetime(2030, 1, 1, tzinfo=UTC))
    assert nothing.lines == ()
    await ledger.close()


async def test_the_dearest_comes_first_and_days_come_in_their_order(place: str, rows: Rows) -> None:
    ledger = await filled(place, rows)
    costs = [each.cost_usd for each in (await ledger.report("model")).lines]
    assert costs == sorted(costs, reverse=True)
    days = [each.name for each in (await ledger.report("day")).lines]
    assert days == sorted(days, key=str)
    await ledger.close()


async def test_cents_add_up_to_the_cent(place: str) -> None:
    ledger = open_ledger(place)
    for number in range(1_000):
        await ledger.close_request(a_request(f"r{number}", cost_usd=Decimal("0.1"), outcome=DONE))
    (line,) = (await ledger.report("outcome")).lines
    assert (line.name, line.cost_usd) == (DONE, Decimal(100))
    await ledger.close()


# Giving out, putting right


async def test_stories_are_all_there_once_the_oldest_first(
    place: str, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("easel.router.ledger_sql.PAGE", 7)
    alike = [(a_request(f"same-{number}"), [an_attempt(f"same-{number}")]) for number in range(20)]
    ledger = await filled(place, rows + alike)
    found = [story async for page in ledger.stories() for story in page]
    wanted = sorted(rows + alike, key=lambda each: (each[0].created_at, each[0].id))
    assert found == [(request, tuple(attempts)) for request, attempts in wanted]
    after = [story async for page in ledger.stories(since=NOON, until=NOON + timedelta(hours=1)) for story in page]
    assert after == [each for each in found if NOON <= each[0].created_at < NOON + timedelta(hours=1)]
    await ledger.close()


async def test_a_person_settles_an_attempt_once_and_its_requests_cost_follows(place: str) -> None:
    ledger = open_ledger(place)
    done = an_attempt(outcome=DONE, billed=True, cost_usd=Decimal("0.04"))
    lost = [an_attempt(number=number, estimate_worst_usd=Decimal("0.25")) for number in (2, 3)]
    for each in (done, *lost):
        await ledger.open_attempt(each)
    await ledger.open_request(a_request(outcome="failed", cost_usd=Decimal("0.04"), at_risk_usd=Decimal("0.50")))
    settled = await ledger.settle("one.2", billed=True, cost_usd=Decimal("0.211"))
    assert settled == replace(lost[0], outcome="settled", billed=True, cost_usd=Decimal("0.211"), cost_basis="settled")
    assert await ledger.settle("one.2", billed=False, cost_usd=None) is None
    assert await ledger.settle("one.1", billed=False, cost_usd=None) is None
    assert await ledger.settle("nobody", billed=False, cost_usd=None) is None
    row = await ledger.request("one")
    assert row is not None
    assert (row.cost_usd, row.at_risk_usd) == (Decimal("0.251"), Decimal("0.25"))
    assert [each.id for each in await ledger.unknown_attempts()] == ["one.3"]
    assert await ledger.settle("one.3", billed=False, cost_usd=None) is not None
    row = await ledger.request("one")
    assert row is not None
    assert (row.cost_usd, row.at_risk_usd) == (Decimal("0.251"), Decimal(0))
    await ledger.close()


async def test_all_of_a_user_or_a_team_is_deleted_but_what_is_under_way(place: str) -> None:
    ledger = open_ledger(place)
    whose = {"a": ("ann", "shop"), "b": ("ben", "shop"), "c": ("ann", None), "d": ("ann", "shop")}
    for name, (user, team) in whose.items():
        outcome = UNDER_WAY if name == "d" else DONE
        await ledger.open_request(a_request(name, end_user=user, team=team, outcome=outcome))
        await ledger.open_attempt(an_attempt(name))
    assert await ledger.delete(end_user="ann' OR '1'='1") == 0
    assert await ledger.delete(end_user="ann") == 2
    assert [row.id for row in await ledger.requests()] == ["d", "b"]
    assert [row.request_id for row in await ledger.unknown_attempts()] == ["d", "b"]
    assert await ledger.delete(team="shop") == 1
    assert [row.id for row in await ledger.requests()] == ["d"]
    with pytest.raises(ValueError, match="needs an end user or a team"):
        await ledger.delete()
    await ledger.close()


async def test_what_is_deleted_is_not_in_the_file(path: Path) -> None:
    ledger = open_ledger(path)
    await ledger.open_request(a_request(end_user="ann-7f9c41", outcome=DONE, metadata={"order": "secret-8842"}))
    await ledger.close()
    again = open_ledger(path)
    assert await again.delete(end_user="ann-7f9c41") == 1
    await again.close()
    content = path.read_bytes()  # noqa: ASYNC240 (a few pages)
    assert b"ann-7f9c41" not in content
    assert b"secret-8842" not in content
