"""OpenAI's own client, over a real socket, with nothing changed but its address and key."""

import base64
import io
import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import (
    Image,
    ImageEditCompletedEvent,
    ImageEditPartialImageEvent,
    ImageGenCompletedEvent,
    ImageGenPartialImageEvent,
    ImagesResponse,
)
from PIL import Image as Pictures

from easel.router.gateway.body import Limits

from .conftest import Opening, Served
from .drawings import drawing
from .strict import strictly

GPT = "openai/gpt-image-2"
EVENTS = {
    "image_generation.partial_image": ImageGenPartialImageEvent,
    "image_generation.completed": ImageGenCompletedEvent,
    "image_edit.partial_image": ImageEditPartialImageEvent,
    "image_edit.completed": ImageEditCompletedEvent,
}


@pytest.fixture
def client(door: Served) -> Generator[OpenAI]:
    with OpenAI(base_url=door.base_url, api_key=door.key, max_retries=0) as client:
        yield client


@pytest.fixture
def faulty(gateway: Served) -> Generator[OpenAI]:
    """For vendors that fail: what a gateway has learnt of them is of no other test's business."""
    with OpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as client:
        yield client


def opened(item: Image) -> Pictures.Image:
    assert item.b64_json is not None
    return Pictures.open(io.BytesIO(base64.b64decode(item.b64_json)))


# Generations


def test_a_picture_comes_with_everything_that_openai_says_of_one(client: OpenAI) -> None:
    raw = client.images.with_raw_response.generate(
        model=GPT,
        prompt="a red kite over dunes",
        size="1536x1024",
        quality="low",
        output_format="webp",
        output_compression=80,
        background="opaque",
        moderation="low",
        safety_identifier="u_5f2c",
    )
    answer = strictly(ImagesResponse, json.loads(raw.content))
    assert answer.data is not None
    picture = opened(answer.data[0])
    assert (picture.format, picture.size) == ("WEBP", (1536, 1024))
    assert (answer.size, answer.quality, answer.background) == ("1536x1024", "low", "opaque")
    assert (answer.output_format, answer.safety_identifier) == ("webp", "u_5f2c")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0


def test_what_easel_knows_is_in_the_headers(client: OpenAI, door: Served) -> None:
    raw = client.images.with_raw_response.generate(model="typography", prompt="a poster", quality="low")
    headers = raw.headers
    assert raw.request_id == headers["x-easel-request-id"]
    assert headers["x-easel-route"] == "typography"
    assert headers["x-easel-deployment"] == GPT
    assert headers["x-easel-rules-hash"] == door.app.router.rules_hash
    assert float(headers["x-easel-estimate-usd"]) > 0
    assert float(headers["x-easel-cost-usd"]) > 0
    assert headers["x-easel-adaptations"] == "0"


def test_easels_own_fields_go_beside_openais(client: OpenAI) -> None:
    easel = {
        "text": ["OPEN LATE"],
        "needs": ["typography"],
        "max_cost_usd": 0.9,
        "deadline_seconds": 60,
        "tags": ["window"],
        "metadata": {"shop": "7"},
        "policy": {"default": "warn"},
        "request_id": "shop-7",
        "include": True,
    }
    raw = client.images.with_raw_response.generate(prompt="a shop window", extra_body={"easel": easel})
    answer = strictly(ImagesResponse, json.loads(raw.content), beside={"easel"})
    told: Any = answer.model_extra["easel"] if answer.model_extra else None
    assert told["request_id"] == raw.request_id == "shop-7"
    assert told["route"]["rule"] == "typography"
    assert [each["outcome"] for each in told["attempts"]] == ["done"]
    assert told["cost"]["basis"] == "usage"
    assert told["images"][0]["width"] == 1024


def test_two_pictures(client: OpenAI) -> None:
    answer = client.images.generate(model=GPT, prompt="a red kite", n=2, quality="low")
    assert answer.data is not None
    assert [opened(each).size for each in answer.data] == [(1024, 1024)] * 2


@pytest.mark.parametrize(
    ("model", "deployment"),
    [
        ("transparent", "openai/gpt-image-1.5"),
        ("bfl/flux-2-pro", "bfl/flux-2-pro"),
        ("gemini-3-pro-image", "google/gemini-3-pro-image"),
        ("gpt-image-2-2026-04-21", "openai/gpt-image-2"),
    ],
)
def test_a_model_is_a_route_a_deployment_a_vendors_id_or_a_snapshot(
    client: OpenAI, model: str, deployment: str
) -> None:
    raw = client.images.with_raw_response.generate(model=model, prompt="a badge")
    strictly(ImagesResponse, json.loads(raw.content))
    assert raw.headers["x-easel-deployment"] == deployment


@pytest.mark.parametrize(
    ("model", "fields", "changed"),
    [
        ("dall-e-3", {"quality": "hd", "style": "vivid", "size": "1792x1024"}, {"quality", "style"}),
        ("dall-e-2", {"size": "16x16", "n": 2}, {"size"}),
        ("gpt-image-1", {"response_format": "url"}, set[str]()),
    ],
)
def test_old_clients_get_what_they_read(client: OpenAI, model: str, fields: dict[str, Any], changed: set[str]) -> None:
    raw = client.images.with_raw_response.generate(
        model=model, prompt="a red kite", **fields, extra_body={"easel": {"include": True}}
    )
    answer = strictly(ImagesResponse, json.loads(raw.content), beside={"easel"})
    assert answer.data is not None
    for each in answer.data:
        assert each.url is not None
        assert each.b64_json is None
        head, _, encoded = each.url.partition(",")
        assert head == "data:image/png;base64"
        assert Pictures.open(io.BytesIO(base64.b64decode(encoded))).format == "PNG"
    told: Any = (answer.model_extra or {})["easel"]
    changes = {each["field"]: (each["asked"], each["sent"]) for each in told["adaptations"]}
    assert changes["model"] == (model, "auto")
    assert changed <= set(changes)
    assert raw.headers["x-easel-adaptations"] == str(len(told["adaptations"]))


def test_a_route_of_a_retired_models_name_is_its_home(opening: Opening, tmp_path: Path) -> None:
    config = tmp_path / "easel.yaml"
    config.write_text("version: 1\nroutes: [{name: dall-e-3, prefer: [bfl/flux-2-pro]}]\n")
    with opening(config=config) as gateway, OpenAI(base_url=gateway.base_url, api_key=gateway.key) as client:
        raw = client.images.with_raw_response.generate(model="dall-e-3", prompt="a red kite")
    assert raw.headers["x-easel-deployment"] == "bfl/flux-2-pro"


def test_a_field_that_one_model_has_goes_to_no_other(client: OpenAI, door: Served) -> None:
    flare = client.images.with_raw_response.generate(
        model="openai/gpt-image-2.6-flare", prompt="a red kite", complexity="low"
    )
    assert json.loads(door.sent()[-1].body)["complexity"] == "low"
    assert flare.headers["x-easel-adaptations"] == "1"
    other = client.images.with_raw_response.generate(model=GPT, prompt="a red kite", complexity="low")
    assert "complexity" not in json.loads(door.sent()[-1].body)
    assert other.headers["x-easel-adaptations"] == "1"
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(
            model=GPT, prompt="a red kite", complexity="low", extra_body={"easel": {"policy": {"default": "strict"}}}
        )
    assert refused.value.param == "complexity"


# Streams


@pytest.mark.parametrize("model", [GPT, "bfl/flux-2-pro"])
def test_a_stream_ends_with_its_picture(client: OpenAI, model: str) -> None:
    """A vendor that cannot stream gives the last event only."""
    stream = client.images.generate(model=model, prompt="a red kite", stream=True, partial_images=2, quality="low")
    events = [strictly(EVENTS[each.type], each.to_dict()) for each in stream]
    previews = [each for each in events if isinstance(each, ImageGenPartialImageEvent)]
    assert [each.partial_image_index for each in previews] == ([0, 1] if model == GPT else [])
    last = events[-1]
    assert isinstance(last, ImageGenCompletedEvent)
    assert Pictures.open(io.BytesIO(base64.b64decode(last.b64_json))).size == (1024, 1024)
    assert (last.usage.total_tokens > 0) == (model == GPT)


def test_a_stream_of_two_has_one_last_event_for_each(client: OpenAI) -> None:
    stream = client.images.generate(
        model=GPT, prompt="a red kite", stream=True, n=2, extra_body={"easel": {"include": True}}
    )
    last = [each for each in stream if each.type == "image_generation.completed"]
    assert [each.usage.total_tokens > 0 for each in last] == [False, True]
    assert [bool(each.model_extra) for each in last] == [False, True]


def test_a_stream_that_cannot_begin_is_an_ordinary_error(faulty: OpenAI, gateway: Served) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        faulty.images.generate(model=GPT, prompt="a red kite", stream=True, n=1000)
    assert refused.value.param == "n"
    gateway.simulator.faults.add("openai=moderation_prompt")
    with pytest.raises(openai.BadRequestError) as blocked:
        faulty.images.generate(model=GPT, prompt="a red kite", stream=True)
    assert blocked.value.code == "moderation_blocked"


async def test_a_stream_is_kept_open_and_may_fail_late(opening: Opening, no_retries: Path) -> None:
    limits = Limits(keep_alive_seconds=0.02)
    with opening(config=no_retries, limits=limits, latency_seconds=0.2, faults=["openai=server_error"]) as gateway:
        async with AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as client:
            stream = await client.images.generate(model=GPT, prompt="a red kite", stream=True)
            assert stream.response.status_code == 200  # comments came first
            with pytest.raises(openai.APIError) as failed:
                _ = [each async for each in stream]
            assert failed.value.code == "upstream_unavailable"


# Edits


def test_an_edit_of_several_pictures_with_a_mask(client: OpenAI, door: Served) -> None:
    raw = client.images.with_raw_response.edit(
        model=GPT,
        prompt="put them on a table",
        image=[("cup.png", drawing()), ("plate.png", drawing(colour="red")), drawing(colour="blue")],
        mask=drawing(hole=True),
        size="1024x1024",
        quality="low",
        n=2,
    )
    answer = strictly(ImagesResponse, json.loads(raw.content))
    assert answer.data is not None
    assert len(answer.data) == 2
    (sent,) = door.sent()
    assert sent.path == "/v1/images/edits"
    assert sent.body.count(b'name="image[]"') == 3
    assert sent.body.count(b'name="mask"') == 1


def test_an_edit_says_what_easel_needs_in_a_form(client: OpenAI) -> None:
    raw = client.images.with_raw_response.edit(
        prompt="a sign",
        image=drawing(),
        extra_body={"easel": {"text": ["OPEN", "LATE"], "tags": ["a"], "policy": {"size": "warn"}, "include": True}},
    )
    told: Any = json.loads(raw.content)["easel"]
    assert told["route"]["rule"] == "typography"


def test_an_edit_streams(client: OpenAI) -> None:
    stream = client.images.edit(
        model=GPT, prompt="add a kite", image=drawing(), stream=True, partial_images=1, quality="low"
    )
    events = [strictly(EVENTS[each.type], each.to_dict()) for each in stream]
    assert [type(each) for each in events] == [ImageEditPartialImageEvent, ImageEditCompletedEvent]


ONLY_OPENAI = """
version: 1
deployments: [{provider: openai, key: {env: OPENAI_API_KEY}}]
routes: [{name: all, prefer: {by: [price]}}]
"""


def varied(client: OpenAI) -> tuple[ImagesResponse, Mapping[str, str]]:
    """A variation, and the headers that it came with."""
    with pytest.warns(DeprecationWarning, match="deprecated"):
        raw = client.images.with_raw_response.create_variation(  # pyright: ignore[reportDeprecated] (old clients call it)
            image=drawing(), n=1, size="1024x1024"
        )
    return strictly(ImagesResponse, json.loads(raw.content)), raw.headers


def test_a_variation_goes_to_a_model_that_makes_them(client: OpenAI, door: Served) -> None:
    answer, _ = varied(client)
    assert answer.data is not None
    assert (answer.data[0].url or "").startswith("data:image/")
    assert [(each.twin, each.path) for each in door.sent()] == [("recraft", "/v1/images/variateImage")]


def test_a_variation_is_an_edit_where_no_model_makes_any(opening: Opening, tmp_path: Path) -> None:
    path = tmp_path / "easel.yaml"
    path.write_text(ONLY_OPENAI)
    with opening(config=path) as door, OpenAI(base_url=door.base_url, api_key=door.key, max_retries=0) as client:
        answer, headers = varied(client)
        assert answer.data is not None
        assert (answer.data[0].url or "").startswith("data:image/png;base64,")
        assert door.sent()[0].path == "/v1/images/edits"
        assert int(headers["x-easel-adaptations"]) >= 1


async def test_the_async_client(door: Served) -> None:
    async with AsyncOpenAI(base_url=door.base_url, api_key=door.key, max_retries=0) as client:
        answer = await client.images.generate(model=GPT, prompt="a red kite", quality="low")
        assert answer.data is not None
        assert opened(answer.data[0]).size == (1024, 1024)
        edited = await client.images.edit(model=GPT, prompt="add a kite", image=[drawing(), drawing()], quality="low")
        assert edited.data is not None
        assert opened(edited.data[0]).size == (1024, 1024)
        stream = await client.images.generate(model=GPT, prompt="a red kite", stream=True, partial_images=1)
        assert [each.type async for each in stream][-1] == "image_generation.completed"


# Errors


@pytest.mark.parametrize(
    ("fault", "kind", "code", "again"),
    [
        ("rate_limit", openai.RateLimitError, "rate_limit_exceeded", None),
        ("quota", openai.InternalServerError, "upstream_quota_exhausted", None),
        ("unavailable", openai.InternalServerError, "upstream_unavailable", None),
        ("server_error", openai.InternalServerError, "upstream_unavailable", None),
        ("bad_key", openai.InternalServerError, "upstream_authentication_failed", None),
        ("moderation_output", openai.BadRequestError, "moderation_blocked", "false"),
        ("disconnect", openai.InternalServerError, "upstream_outcome_unknown", "false"),
        ("not_a_picture", openai.InternalServerError, "not_what_was_asked_for", "false"),
    ],
)
def test_what_fails_upstream_raises_the_class_that_says_so(
    faulty: OpenAI, gateway: Served, fault: str, kind: type[openai.APIStatusError], code: str, again: str | None
) -> None:
    gateway.simulator.faults.add(f"openai={fault}")
    with pytest.raises(kind) as failed:
        faulty.images.generate(model=GPT, prompt="the duchess of Alba", quality="low")
    error = failed.value
    assert (error.code, error.response.headers.get("x-should-retry")) == (code, again)
    assert error.request_id == error.response.headers["x-easel-request-id"]
    assert "duchess" not in error.message
    assert "sim-key" not in error.message


def test_a_rate_limit_says_when_to_come_back(faulty: OpenAI, gateway: Served) -> None:
    gateway.simulator.faults.add("openai=rate_limit")
    with pytest.raises(openai.RateLimitError) as limited:
        faulty.images.generate(model=GPT, prompt="a red kite")
    assert int(limited.value.response.headers["retry-after"]) >= 1
    assert limited.value.type == "requests"


def test_a_refusal_keeps_its_details(faulty: OpenAI, gateway: Served) -> None:
    gateway.simulator.faults.add("openai=moderation_prompt")
    with pytest.raises(openai.BadRequestError) as refused:
        faulty.images.generate(model=GPT, prompt="a red kite")
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["moderation_details"]["moderation_stage"] == "input"
    assert refused.value.type == "image_generation_user_error"


def test_nobody_can_says_what_would_help(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="bfl/flux-2-pro", prompt="a badge", background="transparent")
    assert (refused.value.code, refused.value.param) == ("no_model_can", "background")
    assert "what would help" in refused.value.message
    with pytest.raises(openai.BadRequestError) as dear:
        client.images.generate(model=GPT, prompt="a badge", extra_body={"easel": {"max_cost_usd": 0.0001}})
    assert (dear.value.code, dear.value.param) == ("over_budget", "easel.max_cost_usd")


def test_an_id_is_paid_for_once(client: OpenAI) -> None:
    once = {"Idempotency-Key": "order-17"}
    client.images.generate(model=GPT, prompt="a red kite", quality="low", extra_headers=once)
    with pytest.raises(openai.ConflictError) as twice:
        client.images.generate(model=GPT, prompt="a red kite", quality="low", extra_headers=once)
    assert twice.value.response.headers["x-should-retry"] == "false"
