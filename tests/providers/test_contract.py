"""What every adapter keeps, whatever its vendor: proved on its recordings, with both engines, over a real socket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest

from easel.providers.base import Done, Event, ImageBase64, ImageBytes, ImageUrl, PartialImage, Reply, Wait
from easel.providers.base.errors import BadReply, JobNeverEnded, OutcomeUnknown, ProviderError

from .conftest import DEADLINE_SECONDS, Player
from .recording import JSON, KEY, SERVER, Exchange, Recording, http_providers, provider_row, recordings
from .vendor import Scripted, Vendor

PROVIDERS = http_providers()
ALL = [each for provider in PROVIDERS for each in recordings(provider)]
SUCCESSES = [each for each in ALL if each.shows == "success"]
WHOLE = [each for each in SUCCESSES if not each.streams]
POLLED = [each for each in SUCCESSES if each.polls]
SHOWN = {
    "success": "",
    "refusal": "ModerationBlocked",
    "rate_limit": "RateLimited",
    "quota": "QuotaExhausted",
    "bad_key": "AuthenticationFailed",
    "unavailable": "ProviderUnavailable",
}
PAGE = b"<!doctype html><title>502 Bad Gateway</title><h1>Bad Gateway</h1>"
HTML = {"content-type": "text/html"}
NOT_ADDRESSES = ("http://[", "file:///etc/passwd", "//vendor.example/job", "https://vendor.example:port/job")
MUTANTS: tuple[object, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, [], [None], {}, {"x": {}}),
    *("", "x", "http://[", "\ud800", "9" * 5000, "1e999999"),
)


def named(cases: list[Recording]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recording", cases, ids=[f"{each.provider}/{each.name}" for each in cases])


# Each recording as it stands


@named(ALL)
async def test_what_is_sent_and_what_comes_out_is_the_recording(recording: Recording, player: Player) -> None:
    played = await player.play(recording)
    assert played.outcome == recording.expected_outcome()
    assert played.error is None or played.error.billed is False or not played.error.retry, "it would be paid for twice"
    # Pictures are downloaded side by side, so they may arrive in any order; every other call has its turn.
    in_order = sorted(range(len(played.sent)), key=lambda place: played.received[place].answered_with or 0)
    assert [played.sent[place] for place in in_order] == [recording.expected(each) for each in recording.exchanges]


@named(ALL)
async def test_the_key_is_only_where_it_belongs(recording: Recording, player: Player) -> None:
    played = await player.play(recording)
    carriers = provider_row(recording.provider).key_header
    for received in played.received:
        elsewhere = {name: value for name, value in received.headers.items() if name not in carriers}
        assert KEY not in str(elsewhere)
        assert KEY not in received.path
        assert KEY.encode() not in received.body
    assert KEY not in str(played.error)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("shown", SHOWN)
def test_every_documented_outcome_is_recorded(provider: str, shown: str) -> None:
    if shown in provider_row(provider).undocumented:
        assert shown not in {each.shows for each in recordings(provider)}, "documented after all"
        return
    found = [each for each in recordings(provider) if each.shows == shown]
    assert found, f"{provider} has no recording that shows {shown}"
    kinds = {(each.outcome.error or {}).get("kind", "") for each in found}
    assert kinds == {SHOWN[shown]}
    if shown == "rate_limit":
        assert any((each.outcome.error or {}).get("retry_after_seconds") for each in found)


@named([each for each in ALL if each.shows == "refusal"])
async def test_a_refusal_ends_it(recording: Recording, player: Player) -> None:
    played = await player.play(recording)
    assert played.error is not None
    assert not played.error.fall_back
    assert not played.error.retry
    assert len(played.received) == len(recording.exchanges)


# Answers that no vendor documents and every vendor gives


@named(SUCCESSES)
@pytest.mark.parametrize("status", [500, 502, 503])
async def test_an_error_page_is_the_vendor_unavailable(recording: Recording, player: Player, status: int) -> None:
    played = await player.play(recording, lambda origin: _answered(recording, origin, status=status))
    assert played.outcome == {"kind": "ProviderUnavailable", "status": status}
    assert len(played.received) == recording.prepared + 1


@named(SUCCESSES)
@pytest.mark.parametrize("status", [504, 524])
async def test_a_gateway_that_gave_up_waiting_has_an_unknown_outcome(
    recording: Recording, player: Player, status: int
) -> None:
    """What stands behind it may be painting still, so it is not asked to paint again."""
    played = await player.play(recording, lambda origin: _answered(recording, origin, status=status))
    assert played.outcome == {"kind": "OutcomeUnknown", "status": status}
    assert played.error is not None
    assert (played.error.billed, played.error.retry) == (None, False)
    assert len(played.received) == recording.prepared + 1


@named(WHOLE)
async def test_a_page_instead_of_an_answer_is_a_bad_reply(recording: Recording, player: Player) -> None:
    played = await player.play(recording, lambda origin: _answered(recording, origin))
    assert isinstance(played.error, BadReply)
    assert played.error.billed is None
    assert len(played.received) == recording.prepared + 1


@named(WHOLE)
@pytest.mark.parametrize("body", [b"{}", b"[]", b'"done"', b"null", b"7", b"", b'{"status": "dancing"}', b"[" * 5000])
async def test_an_unknown_shape_is_a_bad_reply_that_says_where(
    recording: Recording, player: Player, body: bytes
) -> None:
    json_type = {"content-type": "application/json"}
    played = await player.play(recording, lambda origin: _answered(recording, origin, body=body, headers=json_type))
    assert isinstance(played.error, BadReply)
    assert played.error.path is not None
    assert len(played.received) == recording.prepared + 1


@named([each for each in SUCCESSES if each.streams])
async def test_a_stream_of_something_else_has_an_unknown_outcome(recording: Recording, player: Player) -> None:
    body = b': keep-alive\n\nevent: ping\ndata: {"type": "ping"}\n\ndata: [DONE]\n\n'
    stream = {"content-type": "text/event-stream"}
    played = await player.play(recording, lambda origin: _answered(recording, origin, body=body, headers=stream))
    assert type(played.error) is OutcomeUnknown


@named(SUCCESSES)
@pytest.mark.parametrize("fault", ["cut", "drop"])
async def test_an_answer_that_breaks_off_has_an_unknown_outcome(
    recording: Recording, player: Player, fault: str
) -> None:
    def script(origin: str) -> list[Scripted]:
        *prepared, paid = recording.script(origin)[: recording.prepared + 1]
        return [*prepared, replace(paid, fault="cut" if fault == "cut" else "drop")]

    played = await player.play(recording, script)
    assert type(played.error) is OutcomeUnknown
    assert (played.error.billed, played.error.retry) == (None, False)
    assert len(played.received) == recording.prepared + 1


@named(WHOLE)
async def test_a_redirect_is_not_followed(recording: Recording, player: Player) -> None:
    async with Vendor() as elsewhere:
        away = {"location": f"{elsewhere.origin}/"}
        played = await player.play(
            recording, lambda origin: _answered(recording, origin, status=307, body=b"", headers=away)
        )
        assert isinstance(played.error, BadReply)
        assert elsewhere.received == []


@named([each for each in SUCCESSES if SERVER in str([x.reply.json_body for x in each.exchanges])])
async def test_an_address_in_a_reply_leads_nowhere_else(recording: Recording, player: Player) -> None:
    """Neither the key nor a call goes to another host, whether it is to be polled or downloaded from."""
    async with Vendor() as elsewhere:
        for place in (elsewhere.origin, *NOT_ADDRESSES):
            moved = recording.model_copy(update={"exchanges": [_moved(each, place) for each in recording.exchanges]})
            played = await player.play(moved)
            assert isinstance(played.error, BadReply) or played.outcome.get("lost")
            assert elsewhere.received == []


def _moved(exchange: Exchange, place: str) -> Exchange:
    text = json.dumps(exchange.reply.json_body).replace(SERVER, place)
    return exchange.model_copy(update={"reply": exchange.reply.model_copy(update={"json_body": json.loads(text)})})


@named(SUCCESSES)
async def test_a_cancelled_call_closes_its_connection(recording: Recording, player: Player) -> None:
    async with Vendor() as vendor:
        *prepared, paid = recording.script(vendor.origin)[: recording.prepared + 1]
        vendor.script += [*prepared, replace(paid, fault="hang")]
        await _cancel_when_held(recording, player, vendor)
        assert len(vendor.received) == recording.prepared + 1


@named(SUCCESSES)
async def test_a_picture_that_cannot_be_read_is_lost(recording: Recording, player: Player) -> None:
    """Base64 that was cut short, or a download that is a page: it was paid for, and the siblings still count."""

    def script(origin: str) -> list[Scripted]:
        return [replace(each, body=_damaged(each.body, recording)) for each in recording.script(origin)]

    played = await player.play(recording, script)
    assert played.error is None
    assert "images" not in played.outcome
    assert played.outcome["lost"] == len(recording.expected_outcome()["images"])


def _damaged(body: bytes, recording: Recording) -> bytes:
    for data in recording.drawn.values():
        encoded = base64.b64encode(data)
        body = body.replace(encoded, encoded[:-5]).replace(data, PAGE)
    return body


# Jobs: submitted, polled


def test_a_polling_adapter_records_a_poll_that_is_not_the_last() -> None:
    assert {each.provider for each in POLLED} == {each.provider for each in POLLED if _polls(each)}


@named([each for each in POLLED if each.polls > 1])
async def test_a_job_that_never_ends_ends_at_the_deadline(recording: Recording, player: Player) -> None:
    def script(origin: str) -> list[Scripted]:
        submitted, poll, _ = _at_first_poll(recording, origin)
        return [*submitted, replace(poll, for_ever=True)]

    played = await player.play(recording, script)
    assert type(played.error) is JobNeverEnded
    assert played.error.billed is None
    assert played.clock.monotonic() <= DEADLINE_SECONDS
    assert sum(played.clock.slept) > DEADLINE_SECONDS - 30


@named([each for each in POLLED if each.polls > 1])
@pytest.mark.parametrize(
    "failure",
    [
        Scripted("", "", 500, HTML, PAGE),
        Scripted("", "", 503, {"retry-after": "7"}),
        Scripted("", "", 429, {"retry-after": "7"}),
        Scripted("", "", fault="drop"),
        Scripted("", "", 200, {"content-type": "application/json"}, b'{"id": "cut off here"}', "cut"),
    ],
    ids=["error page", "503", "429", "dropped", "cut"],
)
async def test_a_poll_that_fails_for_a_moment_is_asked_again(
    recording: Recording, player: Player, failure: Scripted
) -> None:
    def script(origin: str) -> list[Scripted]:
        submitted, poll, rest = _at_first_poll(recording, origin)
        return [*submitted, replace(failure, method=poll.method, path=poll.path), poll, *rest]

    played = await player.play(recording, script)
    expected = recording.expected_outcome()
    assert played.outcome == {**expected, "polls": recording.polls + 1}


@named([each for each in POLLED if each.polls > 1])
@pytest.mark.parametrize("status", [401, 402, 403, 404])
async def test_a_poll_that_is_refused_does_not_say_that_the_job_cost_nothing(
    recording: Recording, player: Player, status: int
) -> None:
    def script(origin: str) -> list[Scripted]:
        submitted, poll, _ = _at_first_poll(recording, origin)
        return [*submitted, replace(poll, status=status, headers=HTML, body=PAGE)]

    played = await player.play(recording, script)
    assert played.error is not None
    assert (played.error.billed, played.error.retry) == (None, False)
    assert len(played.received) == recording.prepared + 2


@named([each for each in POLLED if each.polls > 1])
async def test_cancelling_during_a_poll_sends_nothing_more(recording: Recording, player: Player) -> None:
    async with Vendor() as vendor:
        submitted, poll, rest = _at_first_poll(recording, vendor.origin)
        vendor.script += [*submitted, replace(poll, fault="hang"), *rest]
        await _cancel_when_held(recording, player, vendor)
        assert len(vendor.received) == recording.prepared + 2


async def _cancel_when_held(recording: Recording, player: Player, vendor: Vendor) -> None:
    call = asyncio.create_task(
        player.transport.run(
            recording.adapter(vendor.origin),
            recording.easel_request,
            recording.easel_model,
            key=recording.key,
            deadline=DEADLINE_SECONDS,
        )
    )
    await vendor.holding.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    if player.engine == "httpx":
        # pyreqwest 0.15.1 lets the call run on until its answer begins: spawn_handled in its src/client/runtime.rs
        # drops the task's JoinHandle without aborting it. Once it does abort, this holds for both.
        await vendor.hung_up.wait()


def _at_first_poll(recording: Recording, origin: str) -> tuple[list[Scripted], Scripted, list[Scripted]]:
    """What comes until the job is taken, the first poll, and the rest."""
    script, place = recording.script(origin), recording.prepared + 1
    return script[:place], script[place], script[place + 1 :]


def _polls(recording: Recording) -> list[Exchange]:
    """The polls that answer: not yet."""
    adapter, model = recording.adapter("http://127.0.0.1:1"), recording.easel_model
    found: list[Exchange] = []
    for exchange in recording.exchanges[recording.prepared + 1 :]:
        media_type, body = recording.body(exchange.reply, "http://127.0.0.1:1")
        if media_type == "application/json" and isinstance(adapter.read(Reply(200, {}, body), model), Wait):
            found.append(exchange)
    return found


# One member of a reply at a time: absent, or of another kind


def mutations(value: object) -> Iterator[object]:
    """`value` with one node of it taken out or replaced, for every node."""
    yield from MUTANTS
    if isinstance(value, dict):
        members = cast("JSON", value)
        for name in members:
            yield {other: each for other, each in members.items() if other != name}
            for changed in mutations(members[name]):
                yield {**members, name: changed}
    elif isinstance(value, list):
        items = cast("list[Any]", value)
        for place, item in enumerate(items):
            yield items[:place] + items[place + 1 :]
            for changed in mutations(item):
                yield [*items[:place], changed, *items[place + 1 :]]


@named([each for each in ALL if any(x.reply.json_body is not None or x.reply.events for x in each.exchanges)])
def test_no_mutated_reply_is_a_crash(recording: Recording) -> None:
    origin = "http://127.0.0.1:1"
    adapter, model = recording.adapter(origin), recording.easel_model
    for exchange in recording.exchanges:
        status, headers = exchange.reply.status, exchange.reply.headers
        for body in mutations(recording.filled(exchange.reply.json_body, origin)):
            reply = Reply(status, headers, json.dumps(body).encode())
            if status >= 400:
                assert isinstance(adapter.error(reply), ProviderError)
            else:
                _accepts(partial(adapter.read, reply, model))
        for event in exchange.reply.events or []:
            for body in mutations(recording.filled(event.get("json"), origin)):
                told = Event(event.get("event", "message"), json.dumps(body).encode())
                _accepts(partial(adapter.read_event, told, model))


def _accepts(read: Callable[[], Done | Wait | PartialImage | None]) -> None:
    """An answer of the right types, or a ProviderError; anything else is a crash."""
    try:
        answer = read()
    except ProviderError:
        return
    if isinstance(answer, Wait):
        assert answer.seconds > 0
        _is_text(answer.call.url)
    elif isinstance(answer, Done):
        for picture in answer.images:
            match picture:
                case ImageBase64():
                    assert isinstance(picture.text, str | bytes | memoryview)
                case ImageUrl():
                    _is_text(picture.url)
                case ImageBytes():
                    assert picture.data is not None
            _is_text(picture.revised_prompt or "")
            assert type(picture.seed or 0) is int


def _is_text(value: object) -> None:
    assert isinstance(value, str)


def _answered(
    recording: Recording,
    origin: str,
    *,
    status: int = 200,
    body: bytes = PAGE,
    headers: dict[str, str] | None = None,
) -> list[Scripted]:
    """The recording up to the call that is paid for, which is answered otherwise; by default with an HTML page."""
    *prepared, paid = recording.script(origin)[: recording.prepared + 1]
    return [*prepared, replace(paid, status=status, body=body, headers=headers or HTML)]
