"""POST /v1/responses in direct mode, driven by the real OpenAI client over a socket."""

import asyncio
import re
import threading
from base64 import b64decode, b64encode
from collections.abc import Collection, Generator, Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_output_item import ImageGenerationCall
from PIL import Image

from easel.providers.base.clock import Clock, DateClock
from easel.providers.base.content import Content
from easel.router.gateway import turns
from easel.router.gateway.body import Limits
from easel.router.gateway.errors import Refused
from easel.router.gateway.turns import Turns

from .conftest import TODAY, Opening, Served, open_gateway
from .strict import strictly


def tool(**options: object) -> Any:
    return {"type": "image_generation", "model": "gpt-image-2", "quality": "low", **options}


TOOL = tool()
PROMPT = "a red kite over dunes"


@pytest.fixture
def client(gateway: Served) -> Generator[openai.OpenAI]:
    with connected(gateway) as each:
        yield each


def connected(gateway: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0)


def data_url(side: int = 256, *, hole: bool = False) -> str:
    picture = Image.new("RGBA" if hole else "RGB", (side, side), "teal")
    if hole:
        picture.paste((0, 0, 0, 0), (8, 8, 100, 100))
    file = BytesIO()
    picture.save(file, "PNG")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


def call(response: Response, *, beside: Collection[str] = ()) -> ImageGenerationCall:
    """The one item, of an answer that is what its type says; the client itself is lenient."""
    strictly(Response, response.to_dict(mode="python", warnings=False), beside=beside)
    (item,) = response.output
    assert isinstance(item, ImageGenerationCall)
    return item


def picture(item: ImageGenerationCall) -> Image.Image:
    return Image.open(BytesIO(b64decode(item.result or "")))


def said(*parts: Mapping[str, object]) -> Any:
    return [{"role": "user", "content": list(parts)}]


def text(words: str) -> dict[str, object]:
    return {"type": "input_text", "text": words}


def given(url: str) -> dict[str, object]:
    return {"type": "input_image", "image_url": url}


def test_a_picture_from_words(client: openai.OpenAI, gateway: Served) -> None:
    response = client.responses.create(
        model="gpt-5.6",
        input=PROMPT,
        tools=[tool(size="1536x1024", output_format="webp", background="opaque")],
        metadata={"ticket": "17"},
    )
    item = call(response)
    assert (item.status, item.action) == ("completed", "generate")
    assert (item.size, item.quality, item.output_format) == ("1536x1024", "low", "webp")
    assert (picture(item).size, picture(item).format) == ((1536, 1024), "WEBP")
    assert (response.status, response.model, response.metadata) == ("completed", "gpt-5.6", {"ticket": "17"})
    assert response.usage is not None
    assert response.usage.total_tokens == 0  # no text model was asked
    assert response.tool_usage is not None
    assert response.tool_usage.image_gen.output_tokens == 158
    assert [each.path for each in gateway.sent()] == ["/v1/images/generations"]


def test_the_answer_says_how_it_came_about(client: openai.OpenAI) -> None:
    raw = client.responses.with_raw_response.create(
        model="gpt-5", input=PROMPT, tools=[TOOL], extra_body={"easel": {"include": True}}
    )
    assert raw.headers["x-easel-deployment"] == "openai/gpt-image-2"
    assert call(raw.parse(), beside={"easel"}).result
    extra = raw.parse().model_extra or {}
    assert extra["easel"]["route"]["deployment"] == "openai/gpt-image-2"


@pytest.mark.parametrize(
    ("outer", "inner", "deployment"),
    [
        ("gpt-5", None, None),
        ("google/gemini-nano-banana-2.1", None, "google/gemini-nano-banana-2.1"),
        ("gpt-image-2.5-flare", None, "openai/gpt-image-2.5-flare"),
        ("gpt-image-2.5-flare", "gpt-image-2", "openai/gpt-image-2"),
        ("transparent", None, "openai/gpt-image-1.5"),
        ("gpt-5", "gpt-image-1", None),
    ],
)
def test_who_paints(client: openai.OpenAI, outer: str, inner: str | None, deployment: str | None) -> None:
    """The tool's model; else the outer one, when it is one of Easel's names; else the rules choose."""
    asked: Any = {"type": "image_generation"} | ({"model": inner} if inner else {})
    raw = client.responses.with_raw_response.create(model=outer, input=PROMPT, tools=[asked])
    if deployment is not None:
        assert raw.headers["x-easel-deployment"] == deployment
    else:
        assert raw.headers["x-easel-route"] == "everything-else"
    assert call(raw.parse()).result


# Conversations


def test_the_previous_turn_is_edited(client: openai.OpenAI, gateway: Served) -> None:
    first = client.responses.create(model="gpt-5", input=PROMPT, tools=[TOOL])
    second = client.responses.create(
        model="gpt-5", input="now at night", previous_response_id=first.id, tools=[tool(action="edit")]
    )
    assert call(second).action == "edit"
    assert second.previous_response_id == first.id
    edit = gateway.sent()[-1]
    assert edit.path == "/v1/images/edits"
    assert b64decode(call(first).result or "") in edit.body
    third = client.responses.create(model="gpt-5", input="with snow", previous_response_id=second.id, tools=[TOOL])
    assert b64decode(call(second).result or "") in gateway.sent()[-1].body
    assert call(third).action == "edit"


@pytest.mark.parametrize("keep", ["id", "result"])
def test_a_call_in_the_input_is_edited(client: openai.OpenAI, gateway: Served, keep: str) -> None:
    first = client.responses.create(model="gpt-5", input=PROMPT, tools=[TOOL])
    item = call(first).model_dump()
    if keep == "id":
        item = {"type": "image_generation_call", "id": item["id"]}
    talk: Any = [
        {"role": "user", "content": PROMPT},
        item,
        {"role": "assistant", "content": [{"type": "output_text", "text": "Here it is.", "annotations": []}]},
        {"role": "user", "content": "now at night"},
    ]
    second = client.responses.create(model="gpt-5", input=talk, tools=[TOOL])
    assert call(second).action == "edit"
    assert b64decode(call(first).result or "") in gateway.sent()[-1].body
    assert b"now at night" in gateway.sent()[-1].body


def test_action_generate_begins_anew(client: openai.OpenAI, gateway: Served) -> None:
    first = client.responses.create(model="gpt-5", input=PROMPT, tools=[TOOL])
    second = client.responses.create(
        model="gpt-5", input="a boat", previous_response_id=first.id, tools=[tool(action="generate")]
    )
    assert call(second).action == "generate"
    assert gateway.sent()[-1].path == "/v1/images/generations"


def test_pictures_and_a_mask_of_the_users(client: openai.OpenAI, gateway: Served) -> None:
    masked = tool(input_image_mask={"image_url": data_url(hole=True)})
    talk = said(given(data_url()), given(data_url(320)), text("put them together"))
    response = client.responses.create(model="gpt-5", input=talk, tools=[masked])
    assert call(response).action == "edit"
    body = gateway.sent()[-1].body
    assert body.count(b'name="image[]"') == 2
    assert body.count(b'name="mask"') == 1
    assert b64decode(data_url(hole=True).partition(",")[2]) in body
    assert (
        "input_image_mask" not in response.model_dump(exclude_unset=True)["tools"][0]
    )  # megabytes that the caller has


def test_what_is_not_stored_is_not_found(client: openai.OpenAI) -> None:
    first = client.responses.create(model="gpt-5", input=PROMPT, tools=[TOOL], store=False)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="gpt-5", input="at night", previous_response_id=first.id, tools=[TOOL])
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


def test_pictures_are_kept_for_a_time_and_for_whom_they_were_painted() -> None:
    clock = Steps()
    kept = Turns(clock, seconds=60, most=3, most_bytes=10_000)
    kept.keep("ann", "resp_1", "ig_1", Content.raw(b"1" * 3000))
    assert kept.of_response("ann", "resp_1") is not None
    assert kept.of_item("ann", "ig_1") is not None
    assert kept.of_response("ben", "resp_1") is None
    clock.now_is += 61
    assert kept.of_response("ann", "resp_1") is None
    for number in range(2, 6):
        kept.keep("ann", f"resp_{number}", f"ig_{number}", Content.raw(b"1" * 300))
    assert [kept.of_response("ann", f"resp_{n}") is not None for n in range(2, 6)] == [False, True, True, True]
    kept.keep("ann", "resp_6", "ig_6", Content.raw(b"1" * 7200))
    assert [kept.of_response("ann", f"resp_{n}") is not None for n in range(4, 7)] == [False, True, True]


class Steps(DateClock):
    def __init__(self) -> None:
        super().__init__(TODAY)
        self.now_is = 0.0

    def monotonic(self) -> float:
        return self.now_is


# Streams


def events(client: openai.OpenAI, **more: Any) -> list[ResponseStreamEvent]:
    asked = tool(**more.pop("tool", {}))
    with client.responses.create(model="gpt-5", input=PROMPT, tools=[asked], stream=True, **more) as stream:
        return list(stream)


def kinds(found: Iterable[ResponseStreamEvent]) -> list[str]:
    return [each.type.removeprefix("response.").replace("image_generation_call.", "call.") for each in found]


BEGIN = ["created", "in_progress", "output_item.added", "call.in_progress", "call.generating"]
END = ["call.completed", "output_item.done", "completed"]


@pytest.mark.parametrize("previews", [0, 2])
def test_a_stream(client: openai.OpenAI, previews: int) -> None:
    found = events(client, tool={"partial_images": previews})
    assert kinds(found) == [*BEGIN, *["call.partial_image"] * previews, *END]
    assert [each.sequence_number for each in found] == list(range(len(found)))
    for each in found:
        strictly(type(each), each.to_dict(mode="python", warnings=False))
    done, completed = found[-2:]
    assert done.type == "response.output_item.done"
    assert completed.type == "response.completed"
    assert isinstance(done.item, ImageGenerationCall)
    assert done.item.result == call(completed.response).result
    assert picture(done.item).format == "PNG"
    shown = [each for each in found if each.type == "response.image_generation_call.partial_image"]
    assert [each.partial_image_index for each in shown] == list(range(previews))
    assert {each.item_id for each in shown} <= {done.item.id}


def test_the_helper_of_the_client_can_read_it(client: openai.OpenAI) -> None:
    with client.responses.stream(model="gpt-5", input=PROMPT, tools=[TOOL]) as stream:
        stream.until_done()
        assert call(stream.get_final_response()).result


def test_a_streamed_turn_can_be_gone_on_from(client: openai.OpenAI, gateway: Served) -> None:
    last = events(client)[-1]
    assert last.type == "response.completed"
    client.responses.create(model="gpt-5", input="at night", previous_response_id=last.response.id, tools=[TOOL])
    assert gateway.sent()[-1].path == "/v1/images/edits"


def test_comments_keep_a_stream_open(opening: Opening) -> None:
    limits = Limits(keep_alive_seconds=0.05)
    with (
        opening(latency_seconds=0.4, limits=limits) as gateway,
        httpx.stream(
            "POST", f"{gateway.base_url}/responses", json={"input": PROMPT, "tools": [TOOL], "stream": True}
        ) as answer,
    ):
        lines = list(answer.iter_lines())
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert sum(line.startswith(":") for line in lines) >= 2
    assert lines[-3] == "event: response.completed"


def test_who_leaves_a_stream_is_not_painted_for(opening: Opening) -> None:
    with opening(faults=["openai=hang"]) as gateway, connected(gateway) as client:
        stream = client.responses.create(
            model="gpt-5", input=PROMPT, tools=[tool(model="openai/gpt-image-2")], stream=True
        )
        assert next(iter(stream)).type == "response.created"
        stream.close()
        outcomes = ["under_way"]
        for _ in range(500):
            outcomes = [each.outcome for each in asyncio.run(gateway.app.router.ledger.requests())]
            if outcomes not in ([], ["under_way"]):
                break
            threading.Event().wait(0.01)
        assert outcomes == ["cancelled"]


def test_the_first_event_comes_before_the_picture(opening: Opening) -> None:
    with opening(latency_seconds=0.5) as gateway, connected(gateway) as client:
        stream = client.responses.create(model="gpt-5", input=PROMPT, tools=[TOOL], stream=True)
        assert next(iter(stream)).type == "response.created"
        assert not any(each.path.endswith("completed") for each in gateway.sent())
        stream.close()


def test_a_stream_that_fails_says_so(opening: Opening) -> None:
    with opening(faults=["openai=moderation_output"]) as gateway, connected(gateway) as client:
        found = events(client)
        assert kinds(found) == [*BEGIN, "output_item.done", "failed"]
        done, failed = found[-2:]
        assert done.type == "response.output_item.done"
        assert failed.type == "response.failed"
        assert isinstance(done.item, ImageGenerationCall)
        assert done.item.status == "failed"
        assert done.item.error is not None
        assert done.item.error.code == "moderation_blocked"
        assert done.item.error.moderation_details is not None
        assert done.item.error.moderation_details.moderation_stage == "output"
        assert failed.response.error is not None
        assert failed.response.error.code == "image_content_policy_violation"
        assert failed.response.status == "failed"


def test_what_no_model_can_do_fails_before_the_stream(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        events(client, extra_body={"easel": {"max_cost_usd": "0.000001"}})
    assert caught.value.code == "over_budget"


# Errors


def test_a_refusal(opening: Opening) -> None:
    with opening(faults=["openai=moderation_prompt"]) as gateway, connected(gateway) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="gpt-5", input=PROMPT, tools=[TOOL])
        assert caught.value.code == "moderation_blocked"


def test_a_rate_limit(opening: Opening) -> None:
    with opening(faults=["openai=rate_limit"], config=None) as gateway, connected(gateway) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            client.responses.create(model="gpt-5", input=PROMPT, tools=[tool(model="openai/gpt-image-2")])
        assert int(caught.value.response.headers["retry-after"]) >= 1


WRONG: Mapping[str, tuple[dict[str, Any], str]] = {
    "no tool": ({"tools": []}, "tools"),
    "no input": ({"input": None}, "input"),
    "no words": ({"input": said(given(data_url()))}, "input"),
    "another tool": ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    "a second tool": ({"tools": [TOOL, {"type": "web_search"}]}, "tools[1].type"),
    "twice": ({"tools": [TOOL, TOOL]}, "tools[1]"),
    "n": ({"tools": [{**TOOL, "n": 2}]}, "tools[0].n"),
    "size": ({"tools": [{**TOOL, "size": "tiny"}]}, "tools[0].size"),
    "format": ({"tools": [{**TOOL, "output_format": "bmp"}]}, "tools[0].output_format"),
    "compression": ({"tools": [{**TOOL, "output_compression": 101}]}, "tools[0].output_compression"),
    "previews": ({"tools": [{**TOOL, "partial_images": 9}], "stream": True}, "tools[0].partial_images"),
    "action": ({"tools": [{**TOOL, "action": "paint"}]}, "tools[0].action"),
    "nothing to edit": ({"tools": [{**TOOL, "action": "edit"}]}, "tools[0].action"),
    "a mask and no picture": (
        {"tools": [{**TOOL, "input_image_mask": {"image_url": data_url(hole=True)}}]},
        "tools[0].input_image_mask",
    ),
    "a mask that is none": (
        {
            "input": said(given(data_url()), text(PROMPT)),
            "tools": [{**TOOL, "input_image_mask": {"image_url": "data:image/png;base64,AAAA"}}],
        },
        "tools[0].input_image_mask",
    ),
    "a file": (
        {"input": said({"type": "input_image", "file_id": "file-1"}, text(PROMPT))},
        "input[0].content[0].file_id",
    ),
    "no picture": (
        {"input": said(text(PROMPT), given("data:image/png;base64,AAAA"))},
        "input[0].content[1]",
    ),
    "an inward address": (
        {"input": said(text(PROMPT), given("https://127.0.0.1/a.png"))},
        "input[0].content[1]",
    ),
    "a path": ({"input": said(text(PROMPT), given("/etc/passwd"))}, "input[0].content[1]"),
    "a document": ({"input": said(text(PROMPT), {"type": "input_file", "file_id": "file-1"})}, "input[0].content[1]"),
    "a function": ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].type"),
    "a system message": ({"input": [{"role": "system", "content": "Be brief."}]}, "input[0].role"),
    "a role": ({"input": [{"role": "boss", "content": "Be brief."}]}, "input[0].role"),
    "an unknown item": (
        {"input": [{"type": "image_generation_call", "id": "ig_1"}, {"role": "user", "content": PROMPT}]},
        "input[0].id",
    ),
    "instructions": ({"instructions": "Be brief."}, "instructions"),
    "a conversation": ({"conversation": "conv_1"}, "conversation"),
    "background": ({"background": True}, "background"),
    "choice": ({"tool_choice": "none"}, "tool_choice"),
    "json text": ({"text": {"format": {"type": "json_object"}}}, "text.format"),
    "unknown": ({"frobnicate": 1}, "frobnicate"),
    "easel": ({"easel": {"sede": 1}}, "easel.sede"),
    "metadata": ({"metadata": {"a": 1}}, "metadata"),
    "a previous one": ({"previous_response_id": "resp_1"}, "previous_response_id"),
}


def test_what_is_wrong_is_named(gateway: Served) -> None:
    found: dict[str, object] = {}
    with httpx.Client(base_url=gateway.base_url) as door:
        for name, (change, _) in WRONG.items():
            answer = door.post("/responses", json={"model": "gpt-5", "input": PROMPT, "tools": [TOOL], **change})
            assert answer.status_code == 400, (name, answer.text)
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}
            found[name] = error["param"]
    assert found == {name: param for name, (_, param) in WRONG.items()}
    assert gateway.sent() == []


@pytest.mark.parametrize("seconds", [5e-324, 1e-9, 1e-3])
def test_a_deadline_that_nobody_can_meet_is_the_callers_own(gateway: Served, seconds: float) -> None:
    turn = {"model": "gpt-5", "input": PROMPT, "tools": [TOOL]}
    hurried = {**turn, "easel": {"deadline_seconds": seconds}}
    with httpx.Client(base_url=gateway.base_url, timeout=30) as door:
        for _ in range(4):
            answer = door.post("/responses", json=hurried)
            assert answer.status_code == 504
            assert answer.json()["error"]["code"] in {"deadline_exceeded", "upstream_outcome_unknown"}
        with door.stream("POST", "/responses", json={**hurried, "stream": True}) as events:
            assert events.read().count(b"event: response.failed") == 1
        assert gateway.app.router.cooldowns() == {}
        assert door.post("/responses", json=turn).status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"'])
def test_bodies_that_are_none(gateway: Served, body: bytes) -> None:
    answer = httpx.post(f"{gateway.base_url}/responses", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


def test_what_steers_a_text_model_is_taken(client: openai.OpenAI) -> None:
    response = client.responses.create(
        model="gpt-5",
        input=PROMPT,
        tools=[TOOL],
        tool_choice={"type": "image_generation"},
        temperature=0.5,
        reasoning={"effort": "low"},
        parallel_tool_calls=False,
        instructions="",
        truncation="auto",
        max_output_tokens=100,
        user="u_1",
    )
    assert call(response).result
    assert (response.temperature, response.truncation, response.user) == (0.5, "auto", "u_1")


def test_whom_it_was_painted_for() -> None:
    """Another caller's key finds nothing."""

    class Caller:
        def __init__(self, name: str) -> None:
            self.id = self.name = name

    class ByKey:
        def authenticate(self, authorization: bytes | None, /) -> Caller:
            return Caller((authorization or b"").decode())

    with open_gateway(keys=ByKey()) as gateway, connected(gateway) as ann:
        first = ann.responses.create(model="gpt-5", input=PROMPT, tools=[TOOL])
        ben = ann.with_options(api_key="ben")
        with pytest.raises(openai.BadRequestError) as caught:
            ben.responses.create(model="gpt-5", input="at night", previous_response_id=first.id, tools=[TOOL])
        assert caught.value.code == "previous_response_not_found"
        ann.responses.create(model="gpt-5", input="at night", previous_response_id=first.id, tools=[TOOL])


# Whatever is sent

WORDS = st.sampled_from(
    [
        *("type", "message", "role", "user", "assistant", "system", "content", "input_text", "text", "input_image"),
        *("image_url", "file_id", "image_generation", "image_generation_call", "item_reference", "id", "result"),
        *("action", "edit", "generate", "input_image_mask", "allowed_tools", "tools", "format", "ig_1", "data:,"),
    ]
)
MEMBERS = st.sampled_from(sorted(turns.UNDERSTOOD | turns.STEERS_TEXT | turns.MUST_BE_OBEYED.keys() | {"odd"}))
PLAIN = st.none() | st.booleans() | st.integers(-2, 5) | st.floats(allow_nan=False) | WORDS | st.text(max_size=5)
ANYTHING = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=12
)


@given_any(st.dictionaries(MEMBERS, ANYTHING, max_size=4), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_body_is_understood_or_refused(body: dict[str, Any], whole: bool) -> None:
    if whole:
        body = {"input": PROMPT, "tools": [TOOL], **body}
    named: str | None = None
    asked: turns.Asked | None = None
    try:
        asked = turns.read(body, Turns(Clock()), "ann")
    except Refused as refused:
        named = refused.field
    assert (asked is None) == bool(named)
    assert asked is None or (asked.prompt and (asked.action == "edit") == bool(asked.sources))


def test_the_document_lists_what_there_is() -> None:
    document = (Path(__file__).parents[2] / "docs/responses.md").read_text(encoding="utf-8")

    def listed(row: str) -> set[str]:
        (line,) = [each for each in document.splitlines() if each.startswith(f"| {row}")]
        return set(re.findall(r"`(\w+)`", line))

    assert listed("of the tool") == turns.IMAGE_OPTIONS | turns.OWN_OPTIONS - {"type"}
    assert listed("without effect") == turns.STEERS_TEXT
    assert listed("refused") == turns.MUST_BE_OBEYED.keys()
    assert f"{turns.MOST_KEPT:,} of them and {turns.MOST_KEPT_BYTES // 1_000_000} MB" in document
    assert turns.KEPT_SECONDS == 3600
