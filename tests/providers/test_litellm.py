"""litellm as it is, against a scripted vendor on a real socket.

One module, because the import of litellm takes seconds: whoever runs these tests pays for it once here, and once more
in a process of its own that proves what the import does not do.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from email.parser import BytesParser
from typing import Any

import pytest

from easel.providers.base import AspectRatio, ImageRequest, ImageUrl, Model, Size, Usage, errors, images
from easel.providers.base.transport import Finished, Transport
from easel.providers.litellm import ADAPTER
from easel.router.catalog import unknown_model

from .recording import draw
from .vendor import Received, Scripted, Vendor

KEY = "test-key-1234"
GENERATE = "/v1/images/generations"
EDIT = "/v1/images/edits"
KITE = draw("kite", {"png": "64x48"})
DUNES = images.input_image(draw("dunes", {"jpeg": "64x48"}), field="images")
STYLE = images.input_image(draw("style", {"png": "32x32"}), field="references")
HOLE = images.input_image(draw("hole", {"png": "64x48", "hole": [8, 8, 40, 40]}), field="mask")
ANSWER: Mapping[str, object] = {"created": 1795392000, "data": [{"b64_json": base64.b64encode(KITE).decode()}]}
REQUEST = ImageRequest(prompt="a red kite over dunes")


def a_model(name: str = "openai/kite-1", **facts: object) -> Model:
    return unknown_model("litellm", name, as_of=date(2026, 11, 23), source="the test", facts=facts)


def answer(body: object, status: int = 200, path: str = GENERATE, **headers: str) -> Scripted:
    content = {"content-type": "application/json", **{name.replace("_", "-"): each for name, each in headers.items()}}
    return Scripted("POST", path, status, content, json.dumps(body).encode())


def refusal(status: int, code: str | None, message: str = "no", **headers: str) -> Scripted:
    return answer({"error": {"message": message, "type": "some_error", "code": code}}, status, GENERATE, **headers)


async def run(vendor: Vendor, request: ImageRequest, model: Model | None = None, *, settings: Any = None) -> Finished:
    transport = Transport()
    try:
        return await transport.run(
            ADAPTER(base_url=f"{vendor.origin}/v1", settings=settings),
            request,
            model or a_model(),
            key=KEY,
            deadline=transport.clock.monotonic() + 60,
        )
    finally:
        await transport.close()


async def failure(scripted: Scripted, request: ImageRequest = REQUEST) -> errors.ProviderError:
    """What one answer leads to; whatever it is, there was one call."""
    async with Vendor([scripted]) as vendor:
        with pytest.raises(errors.ProviderError) as caught:
            await run(vendor, request)
        assert len(vendor.received) == 1
        assert KEY not in str(caught.value)
        assert request.prompt not in str(caught.value)
        return caught.value


async def unsent(request: ImageRequest, model: Model | None = None) -> str:
    """The message of a request that is refused before anything is sent."""
    async with Vendor() as vendor:
        with pytest.raises(errors.InvalidRequest) as caught:
            await run(vendor, request, model)
        assert vendor.received == []
        return str(caught.value)


def form(received: Received) -> list[tuple[str, str | None, bytes]]:
    """The parts of a form: name, file name, content."""
    head = f"content-type: {received.headers['content-type']}\r\n\r\n".encode()
    whole = BytesParser().parsebytes(head + received.body)
    found: list[tuple[str, str | None, bytes]] = []
    for part in list(whole.walk())[1:]:
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(content, bytes)
        found.append((name, part.get_filename(), content))
    return found


# What is sent, what comes


async def test_a_picture_is_generated_and_what_litellm_would_lose_is_said() -> None:
    request = replace(
        REQUEST,
        n=2,
        size=Size(1024, 1024),
        quality="high",
        background="transparent",
        output_format="webp",
        output_compression=80,
        moderation="low",
        user="u_1",
        aspect_ratio=AspectRatio(1, 1),
        resolution="1K",
        seed=7,
        style="vivid",
        negative_prompt="birds",
    )
    usage = {
        "input_tokens": 12,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 2},
        "output_tokens": 196,
        "output_tokens_details": {"text_tokens": 6, "image_tokens": 190},
        "total_tokens": 208,
    }
    async with Vendor([answer({**ANSWER, "usage": usage})]) as vendor:
        finished = await run(vendor, request)
        (received,) = vendor.received
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(received.body) == {
        "model": "kite-1",
        "prompt": "a red kite over dunes",
        "n": 2,
        "size": "1024x1024",
        "quality": "high",
        "background": "transparent",
        "output_format": "webp",
        "output_compression": 80,
        "moderation": "low",
        "user": "u_1",
    }
    assert [each.data for each in finished.paintings] == [KITE]
    assert finished.done.usage == Usage(
        input_tokens=12,
        input_text_tokens=10,
        input_image_tokens=2,
        output_tokens=196,
        output_text_tokens=6,
        output_image_tokens=190,
        images=1,
    )
    assert {(each.field, each.kind, each.sent) for each in finished.done.adaptations} == {
        (name, "dropped", None) for name in ("aspect_ratio", "resolution", "style", "seed", "negative_prompt")
    }


async def test_nothing_asked_is_nothing_sent_and_no_count_is_not_zero() -> None:
    async with Vendor([answer(ANSWER)]) as vendor:
        finished = await run(vendor, REQUEST)
        assert json.loads(vendor.received[0].body) == {"model": "kite-1", "prompt": "a red kite over dunes"}
    assert finished.done.usage == Usage(images=1)
    assert finished.done.adaptations == ()


async def test_options_are_handed_on_and_win() -> None:
    options = {"litellm": {"seed": 7, "quality": "low", "extra_body": {"steps": 20}}}
    async with Vendor([answer(ANSWER)]) as vendor:
        await run(vendor, replace(REQUEST, quality="high", provider_options=options))
        assert json.loads(vendor.received[0].body) == {
            "model": "kite-1",
            "prompt": "a red kite over dunes",
            "quality": "low",
            "seed": 7,
            "steps": 20,
        }


async def test_an_edit_sends_source_then_reference_and_the_mask() -> None:
    request = replace(REQUEST, operation="edit", images=(DUNES,), references=(STYLE,), mask=HOLE, size=Size(64, 48))
    async with Vendor([answer(ANSWER, path=EDIT)]) as vendor:
        finished = await run(vendor, request, a_model(mask={"polarity": "transparent"}))
        parts = form(vendor.received[0])
    assert sorted((name, content) for name, file_name, content in parts if file_name is None) == [
        ("model", b"kite-1"),
        ("prompt", b"a red kite over dunes"),
        ("size", b"64x48"),
    ]
    files = [(name, content) for name, file_name, content in parts if file_name is not None]
    assert files == [("image[]", DUNES.data), ("image[]", STYLE.data), ("mask", HOLE.data)]
    assert [each.data for each in finished.paintings] == [KITE]


async def test_a_mask_has_the_colours_of_the_models_facts() -> None:
    request = replace(REQUEST, operation="edit", images=(DUNES,), mask=HOLE)
    async with Vendor([answer(ANSWER, path=EDIT)]) as vendor:
        await run(vendor, request, a_model(mask={"polarity": "white"}))
        sent = {name: content for name, _, content in form(vendor.received[0])}
    assert sent["mask"] == images.masked(HOLE, repaint="white")


async def test_a_picture_at_an_address_is_fetched_without_the_key() -> None:
    async with Vendor() as vendor:
        item = {"url": f"{vendor.origin}/kite.png?signed", "revised_prompt": "a very red kite"}
        vendor.script += [
            answer({**ANSWER, "data": [item]}),
            Scripted("GET", "/kite.png?signed", 200, {"content-type": "image/png"}, KITE),
        ]
        finished = await run(vendor, REQUEST)
        assert "authorization" not in vendor.received[1].headers
    assert isinstance(finished.done.images[0], ImageUrl)
    assert [(each.data, each.revised_prompt) for each in finished.paintings] == [(KITE, "a very red kite")]


async def test_a_picture_within_its_address_is_not_fetched() -> None:
    item = {"url": "data:image/png;base64," + base64.b64encode(KITE).decode()}
    async with Vendor([answer({**ANSWER, "data": [item]})]) as vendor:
        finished = await run(vendor, REQUEST)
    assert [each.data for each in finished.paintings] == [KITE]


async def test_a_deployments_settings_reach_litellm() -> None:
    async with Vendor([answer(ANSWER)]) as vendor:
        await run(vendor, REQUEST, settings={"organization": "org-easel"})
        assert vendor.received[0].headers["openai-organization"] == "org-easel"


# What is refused before it is sent


@pytest.mark.parametrize(
    "option",
    [
        {"api_base": "https://elsewhere.example/v1"},
        {"base_url": "https://elsewhere.example/v1"},
        {"api_key": "another"},
        {"extra_headers": {"x-any": "thing"}},
        {"custom_llm_provider": "azure"},
        {"vertex_credentials": "/etc/passwd"},
        {"aws_bedrock_runtime_endpoint": "https://elsewhere.example"},
        {"num_retries": 3},
        {"max_retries": 3},
        {"fallbacks": ["openai/another"]},
        {"mock_response": "https://elsewhere.example/kite.png"},
        {"timeout": 1},
    ],
    ids=lambda option: next(iter(option)),
)
async def test_a_caller_cannot_say_where_it_goes_or_how_often(option: dict[str, object]) -> None:
    message = await unsent(replace(REQUEST, provider_options={"litellm": option}))
    assert next(iter(option)) in message


async def test_what_changes_the_picture_is_never_left_out() -> None:
    mask = replace(REQUEST, operation="edit", images=(DUNES,), mask=HOLE)
    assert "no mask" in await unsent(mask, a_model("gemini/gemini-3-pro-image", mask={"polarity": "white"}))
    assert "transparent" in await unsent(replace(REQUEST, background="transparent"), a_model("recraft/recraftv3"))
    assert "edit" in await unsent(replace(REQUEST, references=(DUNES,)), a_model("runwayml/gen4_image"))
    upscale = replace(REQUEST, operation="upscale", images=(DUNES,))
    assert "upscale" in await unsent(upscale)
    assert "nonesuch/kite" in await unsent(REQUEST, a_model("nonesuch/kite"))


# What goes wrong


@pytest.mark.parametrize(
    ("scripted", "kind"),
    [
        (refusal(400, "moderation_blocked"), errors.ModerationBlocked),
        (refusal(400, "content_policy_violation"), errors.ModerationBlocked),
        (refusal(400, "invalid_value"), errors.InvalidRequest),
        (refusal(401, "invalid_api_key"), errors.AuthenticationFailed),
        (refusal(402, None), errors.QuotaExhausted),
        (refusal(403, None), errors.PermissionDenied),
        (refusal(404, "model_not_found"), errors.ModelNotFound),
        (refusal(429, "rate_limit_exceeded"), errors.RateLimited),
        (refusal(429, "insufficient_quota"), errors.QuotaExhausted),
        (refusal(500, None), errors.ProviderUnavailable),
        (refusal(503, None), errors.ProviderUnavailable),
        (Scripted("POST", GENERATE, 502, {}, b"<h1>Bad Gateway</h1>"), errors.ProviderUnavailable),
    ],
    ids=lambda each: f"{each.status}" if isinstance(each, Scripted) else each.__name__,
)
@pytest.mark.parametrize("edit", [False, True], ids=["generate", "edit"])
async def test_the_vendors_own_answer_decides(scripted: Scripted, kind: type[errors.ProviderError], edit: bool) -> None:
    request = replace(REQUEST, operation="edit", images=(DUNES,)) if edit else REQUEST
    if edit:
        scripted = replace(scripted, path=EDIT)
    error = await failure(scripted, request)
    assert type(error) is kind
    assert error.status == scripted.status


async def test_a_rate_limit_says_when_to_come_back() -> None:
    error = await failure(refusal(429, "rate_limit_exceeded", retry_after="7", x_request_id="req_1"))
    assert (error.retry_after_seconds, error.code, error.request_id) == (7, "rate_limit_exceeded", "req_1")


async def test_a_refusal_ends_the_chain() -> None:
    error = await failure(refusal(400, "moderation_blocked", f"the prompt {REQUEST.prompt!r} was refused"))
    assert isinstance(error, errors.ModerationBlocked)
    assert (error.fall_back, error.code) == (False, "moderation_blocked")
    assert "[redacted]" in str(error)


@pytest.mark.parametrize(
    "scripted",
    [
        Scripted("POST", GENERATE, fault="drop"),
        replace(answer(ANSWER), fault="cut"),
        Scripted("POST", GENERATE, 200, {"content-type": "application/json"}, b'{"data": [{"b64'),
        answer([1]),
    ],
    ids=["dropped", "cut", "broken JSON", "another shape"],
)
async def test_what_breaks_after_it_was_sent_has_an_unknown_outcome(scripted: Scripted) -> None:
    error = await failure(scripted)
    assert type(error) is errors.OutcomeUnknown
    assert (error.billed, error.retry) == (None, False)


@pytest.mark.parametrize("body", [{}, {"data": []}, {"data": [{"b64_json": None, "url": None}]}])
async def test_an_answer_without_a_picture_is_a_bad_reply(body: object) -> None:
    assert type(await failure(answer(body))) is errors.BadReply


async def test_no_answer_in_time_has_an_unknown_outcome() -> None:
    async with Vendor([replace(answer(ANSWER), fault="hang")]) as vendor:
        adapter = ADAPTER(base_url=f"{vendor.origin}/v1")
        with pytest.raises(errors.OutcomeUnknown):
            await asyncio.to_thread(adapter.perform, REQUEST, a_model(), key=KEY, timeout_seconds=0.5)
        await vendor.hung_up.wait()


async def test_a_refused_connection_may_be_tried_again() -> None:
    async with Vendor() as vendor:
        closed = vendor.origin
    with pytest.raises(errors.ConnectFailed) as caught:
        await asyncio.to_thread(
            ADAPTER(base_url=f"{closed}/v1").perform, REQUEST, a_model(), key=KEY, timeout_seconds=5
        )
    assert (caught.value.retry, caught.value.billed) == (True, False)


# What the import does not do

IMPORTED = """
import sys

events = []
sys.addaudithook(lambda name, values: events.append(name) if name in {"socket.connect", "socket.getaddrinfo"} else None)
from easel.providers.base import ImageRequest, errors
from easel.providers.litellm import ADAPTER
from easel.router.catalog import unknown_model
from datetime import date

adapter = ADAPTER()
assert "litellm" not in sys.modules
model = unknown_model("litellm", "nonesuch/kite", as_of=date(2026, 11, 23), source="the test")
try:
    adapter.perform(ImageRequest(prompt="a kite"), model, key=None, timeout_seconds=5)
except errors.InvalidRequest:
    pass
assert "litellm" in sys.modules
assert "litellm.proxy.proxy_server" not in sys.modules
assert not events, events
"""


def test_litellm_comes_with_the_first_call_and_opens_no_connection() -> None:
    finished = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
