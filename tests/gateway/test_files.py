"""Files: sent once with OpenAI's client, named by `file_id` in edits and conversations, found by their sender only."""

import base64
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import NotFoundError, OpenAI
from openai.types import FileDeleted, FileObject, ImagesResponse

from easel.providers.base.clock import Clock
from easel.router.gateway import assets as keeping
from easel.router.gateway.assets import Assets
from easel.router.gateway.body import Limits
from easel.router.gateway.keys import Keys

from .conftest import Hands, Opening, Served, open_gateway
from .drawings import drawing
from .raw import FORM, form, part, post
from .strict import strictly

GPT = "openai/gpt-image-2"
FILES = "/v1/files"
EDITS = "/v1/images/edits"
TOOLS: Any = [{"type": "image_generation", "model": "gpt-image-2", "quality": "low"}]
PICTURE = drawing((256, 256))
FILE = part(b'name="file"; filename="kite.png"', PICTURE)
VISION = part(b'name="purpose"', b"vision")


@pytest.fixture(scope="module")
def keeper() -> Generator[Served]:
    with open_gateway(assets=Assets.open(None, Clock())) as served:
        yield served


@pytest.fixture
def client(keeper: Served) -> Generator[OpenAI]:
    keeper.simulator.received.clear()
    with connected(keeper, keeper.key) as each:
        yield each
        for file in each.files.list():
            each.files.delete(file.id)


def connected(served: Served, key: str) -> OpenAI:
    return OpenAI(base_url=served.base_url, api_key=key, max_retries=0)


def sent(client: OpenAI, *, hole: bool = False) -> str:
    return client.files.create(file=("kite.png", drawing((256, 256), hole=hole)), purpose="vision").id


# OpenAI's client


def test_a_file_is_sent_looked_at_and_deleted(client: OpenAI) -> None:
    raw = client.files.with_raw_response.create(file=("kite.png", PICTURE), purpose="user_data")
    made = strictly(FileObject, json.loads(raw.content))
    assert (made.filename, made.purpose, made.bytes, made.status) == (
        "kite.png",
        "user_data",
        len(PICTURE),
        "processed",
    )
    assert made.expires_at is not None
    assert made.expires_at - made.created_at == 30 * 24 * 3_600
    assert client.files.retrieve(made.id) == made
    assert [each.id for each in client.files.list()] == [made.id]
    strictly(FileDeleted, client.files.delete(made.id).to_dict())
    with pytest.raises(NotFoundError) as gone:
        client.files.retrieve(made.id)
    assert gone.value.code == "file_not_found"
    with pytest.raises(NotFoundError):
        client.files.delete(made.id)
    assert list(client.files.list()) == []


def test_files_are_listed_by_pages(client: OpenAI) -> None:
    made = [client.files.create(file=("a.png", PICTURE), purpose=each).id for each in ("vision", "user_data") * 3]
    assert sorted(each.id for each in client.files.list(limit=2)) == sorted(made), "the client asks for every page"
    first = client.files.list(limit=2)
    assert (len(first.data), first.has_more) == (2, True)
    assert [each.id for each in client.files.list(order="asc")] == [each.id for each in client.files.list()][::-1]
    assert {each.purpose for each in client.files.list(purpose="vision")} == {"vision"}


@pytest.mark.parametrize("hole", [False, True])
def test_an_edit_names_files(client: OpenAI, keeper: Served, hole: bool) -> None:
    body: dict[str, object] = {
        "model": GPT,
        "prompt": "add a kite",
        "quality": "low",
        "images": [{"file_id": sent(client)}, {"file_id": sent(client)}],
    }
    if hole:
        body["mask"] = {"file_id": sent(client, hole=True)}
    answer = client.post("/images/edits", body=body, cast_to=ImagesResponse)
    assert (answer.data or [])[0].b64_json
    (order,) = keeper.sent()
    assert order.path == EDITS
    assert order.body.count(PICTURE) == 2 or base64.b64encode(PICTURE) in order.body
    assert b"file-" not in order.body, "the vendor does not know our files"


def test_references_may_be_files(client: OpenAI, keeper: Served) -> None:
    easel = {"references": [{"file_id": sent(client)}]}
    client.images.generate(model=GPT, prompt="a kite in this style", quality="low", extra_body={"easel": easel})
    assert keeper.sent()[0].path == EDITS


def test_a_conversation_names_files(client: OpenAI, keeper: Served) -> None:
    said: Any = [
        {
            "role": "user",
            "content": [
                {"type": "input_image", "file_id": sent(client), "detail": "auto"},
                {"type": "input_text", "text": "add a kite"},
            ],
        }
    ]
    masked: Any = [{**TOOLS[0], "input_image_mask": {"file_id": sent(client, hole=True)}}]
    for tools in (TOOLS, masked):
        answer = client.responses.create(model="gpt-5.6", input=said, tools=tools)
        assert answer.output[0].type == "image_generation_call"
    assert [each.path for each in keeper.sent()] == [EDITS, EDITS]


# Whose


def test_a_file_is_its_senders_alone(opening: Opening, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json", environment={"EASEL_KEY_PEPPER": "p" * 64})
    one, two = keys.create("shop").secret, keys.create("press").secret
    with (
        opening(keys=keys, assets=Assets.open(None, Clock())) as served,
        connected(served, one) as shop,
        connected(served, two) as press,
    ):
        file_id = sent(shop)
        assert list(press.files.list()) == []
        for refused in (press.files.retrieve, press.files.delete):
            with pytest.raises(NotFoundError):
                refused(file_id)
        edit = {"model": GPT, "prompt": "add a kite", "images": [{"file_id": file_id}]}
        bearer = {"authorization": f"Bearer {two}"}
        answer = httpx.post(f"{served.base_url}/images/edits", json=edit, headers=bearer, timeout=30)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "image_file_not_found")
        assert shop.files.retrieve(file_id).id == file_id
        for path in (FILES, f"{FILES}/{file_id}"):
            assert httpx.get(f"http://127.0.0.1:{served.port}{path}").status_code == 401
        assert httpx.post(f"http://127.0.0.1:{served.port}{FILES}", content=b"").status_code == 401


# What is refused


@pytest.mark.parametrize(
    ("parts", "param", "code"),
    [
        ([VISION], "file", "missing_required_parameter"),
        ([FILE], "purpose", "invalid_value"),
        ([FILE, part(b'name="purpose"', b"fine-tune")], "purpose", "invalid_value"),
        ([FILE, FILE, VISION], "file", None),
        ([FILE, VISION, part(b'name="colour"', b"red")], "colour", "unknown_parameter"),
        ([part(b'name="file"; filename="a.png"', b""), VISION], "file", "invalid_image"),
        ([part(b'name="file"; filename="a.svg"', b"<svg></svg>"), VISION], "file", "invalid_image"),
        ([part(b'name="file"; filename="a.txt"', b"words"), VISION], "file", "invalid_image"),
        ([FILE, VISION, part(b'name="expires_after"', b"1")], "expires_after", "invalid_type"),
        ([FILE, VISION, part(b'name="expires_after[anchor]"', b"now")], "expires_after.anchor", "invalid_value"),
        *(
            (
                [
                    *(FILE, VISION, part(b'name="expires_after[anchor]"', b"created_at")),
                    part(b'name="expires_after[seconds]"', seconds),
                ],
                "expires_after.seconds",
                code,
            )
            for seconds, code in ((b"60", "invalid_value"), (b"9999999", "invalid_value"), (b"x", "invalid_type"))
        ),
    ],
)
def test_an_upload_that_is_wrong_names_its_field(
    keeper: Served, client: OpenAI, parts: list[bytes], param: str, code: str | None
) -> None:
    answer = post(keeper.port, FILES, form(parts), content_type=FORM)
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, param, code)
    assert list(client.files.list()) == []


def test_another_content_type_is_refused(keeper: Served) -> None:
    answer = post(keeper.port, FILES, b"{}")
    assert (answer.status, answer.error["code"]) == (415, "unsupported_content_type")


@pytest.mark.parametrize(
    ("query", "param"), [("limit=0", "limit"), ("limit=x", "limit"), ("order=up", "order"), ("after=file-1", "after")]
)
def test_a_page_that_is_wrong_names_its_field(keeper: Served, query: str, param: str) -> None:
    answer = httpx.get(f"http://127.0.0.1:{keeper.port}{FILES}?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("image", "param", "code"),
    [
        ({"file_id": f"file-{'0' * 32}"}, "images[0].file_id", "image_file_not_found"),
        ({"file_id": "../../secret"}, "images[0].file_id", "image_file_not_found"),
        ({"file_id": ""}, "images[0].file_id", "image_file_not_found"),
        ({"file_id": 5}, "images[0].file_id", "invalid_type"),
        ({"file_id": "x" * 9_000}, "images[0].file_id", "string_above_max_length"),
        ({"file_id": "file-1", "image_url": "https://a.example"}, "images[0]", "invalid_value"),
    ],
)
def test_a_file_that_is_none_names_its_field(keeper: Served, image: dict[str, Any], param: str, code: str) -> None:
    body = {"model": GPT, "prompt": "add a kite", "images": [image]}
    answer = post(keeper.port, EDITS, json.dumps(body).encode())
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, param, code)


@pytest.mark.parametrize("where", ["input", "mask"])
def test_a_conversation_names_the_file_that_is_none(keeper: Served, where: str) -> None:
    file = {"file_id": f"file-{'0' * 32}"}
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"}
    given = {"type": "input_image", **file} if where == "input" else picture
    said = [{"role": "user", "content": [{"type": "input_text", "text": "a kite"}, given]}]
    tool = {**TOOLS[0], **({"input_image_mask": file} if where == "mask" else {})}
    answer = post(keeper.port, "/v1/responses", json.dumps({"input": said, "tools": [tool]}).encode())
    param = "input[0].content[1].file_id" if where == "input" else "tools[0].input_image_mask.file_id"
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, param, "image_file_not_found")
    assert answer.error["message"].startswith(param)


def test_without_a_store_no_file_is_taken(door: Served) -> None:
    answer = post(door.port, FILES, form([FILE, VISION]), content_type=FORM)
    assert (answer.status, answer.error["code"]) == (404, "not_found")
    body = {"prompt": "a kite", "images": [{"file_id": f"file-{'0' * 32}"}]}
    answer = post(door.port, EDITS, json.dumps(body).encode())
    assert (answer.status, answer.error["code"]) == (400, "unsupported_file_id")


def test_an_upload_that_is_too_large_is_refused(opening: Opening) -> None:
    with opening(assets=Assets.open(None, Clock()), limits=Limits(body_bytes=1_000)) as served:
        answer = post(served.port, FILES, form([FILE, VISION, part(b'name="x"', b"x" * 2_000)]), content_type=FORM)
        assert (answer.status, answer.error["code"]) == (413, "request_too_large")


# How long, and how much


def test_a_file_ends_when_it_was_to(opening: Opening) -> None:
    hands = Hands()
    with opening(assets=Assets.open(None, hands), clock=hands) as served, connected(served, served.key) as client:
        made = client.files.create(
            file=("a.png", PICTURE), purpose="vision", expires_after={"anchor": "created_at", "seconds": 3_600}
        )
        assert made.expires_at == made.created_at + 3_600
        hands.move(3_600)
        assert list(client.files.list()) == []
        with pytest.raises(NotFoundError):
            client.files.retrieve(made.id)


async def test_one_caller_cannot_fill_the_room(tmp_path: Path) -> None:
    assets = Assets.open(tmp_path, Clock())
    assets._room = 40_000

    async def keep(owner: str, size: int = 3_000) -> str:
        file = await assets.keep_file(owner, b"\n" * size, filename="a", purpose="vision", seconds=60)
        assert await assets.file_data(owner, file.id) == b"\n" * size
        return file.id

    first = await keep("shop")
    for _ in range(2):
        await keep("shop")
    with pytest.raises(keeping.NoRoom, match="one caller's files"):
        await keep("shop")
    assert await assets.forget_file("shop", first)
    await keep("shop")
    for owner in ("a", "b", "c"):
        for _ in range(3):
            await keep(owner)
    with pytest.raises(keeping.NoRoom, match="all callers"):
        await keep("d")
    assert len(await assets.files("shop")) == 3, "nobody else's file made room"
