"""Health: when a failing deployment is set aside, for how long, and how it comes back."""

import pytest

from easel.router.health import Health, Turn
from easel.router.settings import Cooldown

NAME = "openai/gpt-image-2"


@pytest.fixture
def health() -> Health:
    return Health(Cooldown(failures=3, seconds=30, max_seconds=100))


def fail(health: Health, now: float, times: int = 1, *, retry_after_seconds: float | None = None) -> None:
    """Calls that were let go before anything was known, and now fail."""
    for _ in range(times):
        health.failed(Turn(NAME), now, counts=True, retry_after_seconds=retry_after_seconds)


def probe(health: Health, now: float) -> Turn:
    turn = health.admit(NAME, now)
    assert turn is not None
    return turn


def test_one_that_nothing_is_known_of_is_admitted(health: Health) -> None:
    assert health.admit(NAME, 0)
    assert health.cooling_until(NAME) is None
    assert health.latency_seconds(NAME) is None


def test_failures_in_a_row_set_it_aside(health: Health) -> None:
    fail(health, 0, times=2)
    assert health.admit(NAME, 0)
    fail(health, 10)
    assert health.cooling_until(NAME) == 40
    assert not health.admit(NAME, 39.9)
    assert health.admit("openai/another", 10)


def test_a_success_starts_the_count_again(health: Health) -> None:
    fail(health, 0, times=2)
    health.succeeded(Turn(NAME), 1.0)
    fail(health, 0, times=2)
    assert health.cooling_until(NAME) is None


def test_what_says_nothing_about_the_deployment_does_not_count(health: Health) -> None:
    for _ in range(10):
        health.failed(Turn(NAME), 0, counts=False)
    assert health.admit(NAME, 0)


def test_after_the_time_one_may_try(health: Health) -> None:
    fail(health, 0, times=3)
    turn = probe(health, 30)
    assert not health.admit(NAME, 30), "only one"
    health.succeeded(turn, 1.0)
    assert health.admit(NAME, 30)
    assert health.admit(NAME, 30)


@pytest.mark.parametrize("said_nothing", ["cancelled", "not its fault"])
def test_a_probe_that_says_nothing_leaves_room_for_another(health: Health, said_nothing: str) -> None:
    fail(health, 0, times=3)
    turn = probe(health, 30)
    if said_nothing == "cancelled":
        health.released(turn)
    else:
        health.failed(turn, 30, counts=False)
    assert health.admit(NAME, 30)
    assert not health.admit(NAME, 30)


def test_an_old_call_that_ends_meanwhile_is_not_taken_for_the_probe(health: Health) -> None:
    old = probe(health, 0)
    fail(health, 0, times=3)
    assert health.admit(NAME, 30)
    health.failed(old, 31, counts=True)
    assert not health.admit(NAME, 31), "the probe is still under way"
    health.released(old)
    assert not health.admit(NAME, 31)


def test_each_failed_probe_doubles_the_time_up_to_a_limit(health: Health) -> None:
    fail(health, 0, times=3)
    now, waits = 0.0, list[float]()
    for _ in range(4):
        until = health.cooling_until(NAME)
        assert until is not None
        waits.append(until - now)
        now = until
        health.failed(probe(health, now), now, counts=True)
    assert waits == [30, 60, 100, 100]


def test_one_burst_of_failures_counts_once(health: Health) -> None:
    """Sixteen calls were under way when the vendor went down: that is one outage, not fourteen."""
    fail(health, 0, times=16)
    assert health.cooling_until(NAME) == 30


def test_a_vendor_that_is_down_for_weeks_breaks_nothing(health: Health) -> None:
    fail(health, 0, times=3)
    now = 0.0
    for _ in range(2000):
        until = health.cooling_until(NAME)
        assert until is not None
        now = until
        health.failed(probe(health, now), now, counts=True)
    assert health.cooling_until(NAME) == now + 100


def test_a_longer_wait_that_the_vendor_asks_for_is_kept(health: Health) -> None:
    fail(health, 0, times=2)
    fail(health, 0, retry_after_seconds=500)
    assert health.cooling_until(NAME) == 500
    fail(health, 1, retry_after_seconds=600)
    assert health.cooling_until(NAME) == 601
    fail(health, 2, retry_after_seconds=5)
    assert health.cooling_until(NAME) == 601


def test_latency_follows_slowly(health: Health) -> None:
    health.succeeded(Turn(NAME), 10)
    assert health.latency_seconds(NAME) == 10
    health.succeeded(Turn(NAME), 20)
    assert health.latency_seconds(NAME) == pytest.approx(13)


def test_what_takes_its_place_knows_what_it_knew_and_what_it_learns(health: Health) -> None:
    fail(health, 0, times=3)
    under_way = Turn("openai/another")
    newer = Health(Cooldown(failures=1, seconds=5, max_seconds=5))
    newer.share(health, [NAME, "openai/another"])
    assert newer.cooling_until(NAME) == 30
    health.succeeded(under_way, 2.0)  # it was sent before, and comes back now
    assert newer.latency_seconds("openai/another") == 2.0
    turn = newer.admit(NAME, 30)
    assert turn is not None
    assert health.admit(NAME, 30) is None, "only one, whichever of the two is asked"
    newer.succeeded(turn, 1.0)
    assert health.cooling_until(NAME) is None


def test_what_takes_its_place_forgets_whom_it_is_not_told_of(health: Health) -> None:
    fail(health, 0, times=3)
    newer = Health(Cooldown())
    newer.share(health, ["openai/another"])
    assert newer.admit(NAME, 0)
    assert newer.cooling_until(NAME) is None
