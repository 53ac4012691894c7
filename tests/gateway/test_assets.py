"""Pictures that are kept: their addresses, what is answered there, and when they end."""

import asyncio
import base64
import io
import json
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from openai import OpenAI
from openai.types import ImagesResponse
from PIL import Image
from typer.testing import CliRunner

from easel.providers.base.clock import Clock
from easel.providers.base.errors import ConfigError
from easel.router.cli.commands import app as program
from easel.router.gateway import assets as keeping
from easel.router.gateway import hosts, links
from easel.router.gateway.assets import Assets
from easel.router.gateway.body import Limits
from easel.router.gateway.errors import NoRoom, StoreFailed

from .conftest import KEY, Hands, Opening, Served, open_gateway
from .drawings import drawing
from .raw import post
from .strict import strictly

GPT = "openai/gpt-image-2"
GENERATIONS = "/v1/images/generations"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture(params=["memory", "folder"])
def assets(request: pytest.FixtureRequest, hands: Hands, tmp_path: Path) -> Assets:
    return Assets.open(None if request.param == "memory" else tmp_path / "assets", hands)


@pytest.fixture(scope="module")
def keeper() -> Generator[Served]:
    """A gateway that keeps pictures."""
    with open_gateway(assets=Assets.open(None, Clock())) as served:
        yield served


@pytest.fixture
def client(keeper: Served) -> Generator[OpenAI]:
    keeper.simulator.received.clear()
    with OpenAI(base_url=keeper.base_url, api_key=keeper.key, max_retries=0) as each:
        yield each


def ask(served: Served, *headers: bytes, **fields: object) -> list[str]:
    body = {"model": GPT, "prompt": "a red kite", "quality": "low", "response_format": "url", **fields}
    answer = post(served.port, GENERATIONS, json.dumps(body).encode(), *headers)
    assert answer.status == 200, answer.body
    return [each["url"] for each in answer.json["data"]]


# Through the gateway


def test_a_picture_has_an_address_that_needs_no_key(client: OpenAI, keeper: Served) -> None:
    raw = client.images.with_raw_response.generate(
        model=GPT, prompt="a red kite", n=2, quality="low", size="1024x1024", response_format="url"
    )
    answer = strictly(ImagesResponse, json.loads(raw.content))
    assert len(raw.content) < 2_000, "no picture is in it"
    urls = [each.url or "" for each in answer.data or ()]
    assert len(set(urls)) == 2
    for url in urls:
        assert urlsplit(url).netloc == f"127.0.0.1:{keeper.port}"
        got = httpx.get(url)
        assert got.status_code == 200
        assert got.headers["content-type"] == "image/png"
        assert got.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'; sandbox" in got.headers["content-security-policy"]
        assert 0 < int(got.headers["cache-control"].split("max-age=")[1].split(",")[0]) <= 3_600
        assert Image.open(io.BytesIO(got.content)).size == (1024, 1024)
        head = httpx.head(url)
        assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(got.content)), b"")


def test_clients_of_retired_models_get_an_address_too(client: OpenAI) -> None:
    answer = client.images.generate(model="dall-e-3", prompt="a red kite")
    url = (answer.data or [])[0].url or ""
    assert httpx.get(url).status_code == 200


def test_an_address_is_good_only_as_it_was_given(keeper: Served) -> None:
    (url,) = ask(keeper)
    assert httpx.get(url).status_code == 200
    base, _, signature = url.partition("?signature=")
    folder, _, name = base.rpartition("/")
    later = f"{int(name[:8], 16) + 3_600:08x}{name[8:]}"
    other = ("0" if signature[0] != "0" else "1") + signature[1:]
    wrong = [
        base,
        f"{base}?signature=",
        f"{base}?signature={other}",
        f"{base}?signature=%ff%00",
        f"{folder}/{later}?signature={signature}",
        f"{folder}/{name.upper()}?signature={signature}",
        f"{folder}/",
        f"{folder}/secret?signature={signature}",
        f"{folder}/..%2f..%2fsecret?signature={signature}",
        f"{folder}/{name}/?signature={signature}",
        f"{folder}/{name}?{'a=b&' * 5}signature={other}",
    ]
    for each in wrong:
        refused = httpx.get(each)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "asset_not_found"), each
    refused = httpx.post(url)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert httpx.get(f"{base}?{'a=b&' * 5_000}signature={signature}").status_code == 200, (
        "what is beside it is not read"
    )


def test_an_edit_and_a_variation_have_one_as_well(client: OpenAI) -> None:
    edited = client.images.edit(
        model=GPT, prompt="add a kite", image=drawing(), quality="low", extra_body={"response_format": "url"}
    )
    assert httpx.get((edited.data or [])[0].url or "").headers["content-type"] == "image/png"


def test_an_address_that_ended_leads_nowhere(opening: Opening, hands: Hands) -> None:
    with opening(assets=Assets.open(None, hands), clock=hands) as served:
        (url,) = ask(served)
        hands.move(3_599)
        assert httpx.get(url).status_code == 200
        hands.move(1)
        assert httpx.get(url).status_code == 404


def test_several_processes_share_a_folder(opening: Opening, tmp_path: Path) -> None:
    with opening(assets=Assets.open(tmp_path, Clock())) as one:
        (url,) = ask(one)
        with opening(assets=Assets.open(tmp_path, Clock()), simulator=one.simulator) as other:
            assert httpx.get(url.replace(str(one.port), str(other.port))).content == httpx.get(url).content
    # and one that begins later goes on with what is there
    with opening(assets=Assets.open(tmp_path, Clock())) as later:
        assert httpx.get(url.replace(str(one.port), str(later.port))).status_code == 200


@pytest.mark.parametrize("why", ["no room", "no folder"])
def test_a_picture_that_cannot_be_kept_is_in_the_answer(opening: Opening, tmp_path: Path, why: str) -> None:
    folder = tmp_path / "assets"
    kept = Assets.open(folder, Clock())
    kept._room = 100 if why == "no room" else kept._room
    with opening(assets=kept) as served:
        if why == "no folder":
            shutil.rmtree(folder)
            folder.write_text("a file in its place")
        body = {"model": GPT, "prompt": "a kite", "response_format": "url", "easel": {"include": True}}
        answer = post(served.port, GENERATIONS, json.dumps(body).encode())
        assert answer.status == 200
        assert answer.json["data"][0]["url"].startswith("data:image/png;base64,")
        changed = {each["field"]: each["sent"] for each in answer.json["easel"]["adaptations"]}
        assert changed["response_format"] == "data URL"


def test_without_a_store_there_is_no_such_address(door: Served) -> None:
    (url,) = ask(door)
    assert url.startswith("data:image/png;base64,")
    assert httpx.get(f"http://127.0.0.1:{door.port}{links.PATH}{'0' * 40}.png?signature=0").status_code == 404


def test_what_is_handed_out_has_its_place_in_the_load(opening: Opening) -> None:
    with opening(assets=Assets.open(None, Clock()), limits=Limits(requests_at_once=1)) as served:
        (url,) = ask(served)
        place = served.app.load.admit()
        refused = httpx.get(url)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_is_overloaded")
        place.leave()
        assert httpx.get(url).status_code == 200


# On which host


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:{port}", "http://localhost:{port}"),
        ("127.0.0.1:9999", "http://127.0.0.1:9999"),  # a port that is mapped to this one
        ("app.localhost", "http://app.localhost"),
        ("[::1]:80", "http://[::1]:80"),
        ("evil.example", "http://127.0.0.1:{port}"),
        ("10.0.0.1", "http://127.0.0.1:{port}"),
        ("localhost@evil.example", "http://127.0.0.1:{port}"),
        ("localhost/evil.example/", "http://127.0.0.1:{port}"),
        ("localhost:80:90", "http://127.0.0.1:{port}"),
        ("", "http://127.0.0.1:{port}"),
    ],
)
def test_a_host_header_is_believed_only_where_it_is_safe(keeper: Served, host: str, origin: str) -> None:
    host, origin = host.format(port=keeper.port), origin.format(port=keeper.port)
    body = json.dumps({"model": GPT, "prompt": "a kite", "quality": "low", "response_format": "url"})
    headers = {"host": host, "authorization": f"Bearer {KEY}"}
    answer = httpx.post(f"http://127.0.0.1:{keeper.port}{GENERATIONS}", content=body, headers=headers, timeout=30)
    assert answer.json()["data"][0]["url"].startswith(f"{origin}{links.PATH}")


def test_the_operator_says_where_it_is_reached(opening: Opening) -> None:
    with opening(assets=Assets.open(None, Clock()), public_url="https://images.example.com/easel") as served:
        (url,) = ask(served)
        assert url.startswith(f"https://images.example.com/easel{links.PATH}")
        there = url.replace("https://images.example.com/easel", f"http://127.0.0.1:{served.port}")
        assert httpx.get(there).status_code == 200


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://images.example.com", "https://images.example.com"),
        ("http://10.0.0.1:8776/", "http://10.0.0.1:8776"),
        ("https://[2001:db8::1]/easel/", "https://[2001:db8::1]/easel"),
        *((wrong, None) for wrong in ("", "images.example.com", "ftp://a.example", "https://", "https://a b")),
        *((wrong, None) for wrong in ("https://a.example?x=1", "https://a.example/#x", "https://user@a.example")),
    ],
)
def test_a_public_address_is_checked(given: str, meant: str | None) -> None:
    if meant is not None:
        assert hosts.public(given) == meant
        return
    with pytest.raises(ValueError, match=r"is no address|must end"):
        hosts.public(given)
    result = CliRunner().invoke(program, ["serve", "--insecure-local", "--public-url", given])
    assert result.exit_code == 2
    assert "--public-url" in result.stderr


@pytest.mark.parametrize(
    ("server", "host"),
    [
        (("192.0.2.7", 80), "192.0.2.7:80"),
        (("2001:db8::7", 80), "[2001:db8::7]:80"),
        (("/run/easel", None), "localhost"),
    ],
)
def test_the_address_served_is_what_is_left(server: tuple[str, int | None], host: str) -> None:
    scope: dict[str, Any] = {"server": server, "scheme": "http", "headers": [(b"host", b"evil.example")]}
    assert hosts.base_url(scope, None) == f"http://{host}"


# In the store


async def read(assets: Assets, signed: str) -> bytes | None:
    name, _, signature = signed.partition("?signature=")
    found = await assets.picture(name, signature)
    return None if found is None else b"".join([chunk async for chunk in found.chunks])


async def test_a_picture_is_kept_whole_and_for_its_time(assets: Assets, hands: Hands) -> None:
    data = bytes(range(256)) * 20_000
    signed = await assets.keep_picture(data, "image/webp")
    assert await read(assets, signed) == data
    hands.move(keeping.PICTURE_SECONDS)
    assert await read(assets, signed) is None
    assert len(await assets._listed("pictures")) == 1
    await assets.sweep()
    assert await assets._listed("pictures") == []


async def test_the_oldest_pictures_go_when_there_is_no_room(assets: Assets, hands: Hands) -> None:
    assets._room = 16_000
    kept: list[str] = []
    for _ in range(50):
        kept.append(await assets.keep_picture(b"x" * 1_000, "image/png"))
        hands.move(1)
        assert sum(each.size for each in await assets._listed("pictures")) <= 16_000
    assert await read(assets, kept[0]) is None
    there = [await read(assets, each) is not None for each in kept]
    assert there == sorted(there), "the newest are there"
    assert sum(there) >= 14
    with pytest.raises(NoRoom):
        await assets.keep_picture(b"x" * 16_001, "image/png")


async def test_what_is_not_ours_in_the_folder_stays(hands: Hands, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "holiday.png").write_bytes(b"x")
    assets = Assets.open(tmp_path, hands)
    assets._room = 1_000
    signed = await assets.keep_picture(b"x" * 900, "image/png")
    await assets.keep_picture(b"x" * 900, "image/png")
    hands.move(10_000)
    await assets.sweep()
    assert await read(assets, signed) is None
    assert [each.name for each in (tmp_path / "pictures").iterdir()] == ["holiday.png"]


@pytest.mark.parametrize(
    ("media_type", "shown"),
    [("image/png", True), ("image/jpeg", True), ("image/avif", True), ("image/svg+xml", False), ("image/x", False)],
)
async def test_only_what_runs_nothing_is_shown(hands: Hands, media_type: str, shown: bool) -> None:
    assets = Assets.open(None, hands)
    signed = await assets.keep_picture(SVG, media_type)
    with open_gateway(assets=assets, clock=hands) as served:
        got = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{served.port}{links.PATH}{signed}")
    assert got.content == SVG
    assert got.headers["x-content-type-options"] == "nosniff"
    assert ("content-disposition" in got.headers) is not shown
    if not shown:
        assert got.headers["content-disposition"].startswith("attachment")
        assert got.headers["content-type"] in {"image/svg+xml", "application/octet-stream"}


async def test_a_type_that_makes_no_name_is_not_kept(assets: Assets) -> None:
    for media_type in ("image/../../x", "text/html", "image/a b", ""):
        with pytest.raises(NoRoom):
            await assets.keep_picture(b"x", media_type)


def test_a_folder_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigError, match="pictures cannot be kept there"):
        Assets.open(file, Clock())
    result = CliRunner().invoke(program, ["serve", "--insecure-local", "--port", "0", "--assets", str(file)])
    assert result.exit_code == 2
    assert str(file) in result.stderr


async def test_a_store_that_fails_says_so(hands: Hands, tmp_path: Path) -> None:
    folder = tmp_path / "assets"
    assets = Assets.open(folder, hands)
    shutil.rmtree(folder)
    folder.write_text("")
    with pytest.raises(StoreFailed):
        await assets.keep_picture(b"x", "image/png")
    with pytest.raises(StoreFailed):
        await assets.sweep()


def test_a_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    Assets.open(tmp_path / "assets", Clock())
    assert (tmp_path / "assets").stat().st_mode & 0o077 == 0


def test_base64_is_what_it_was(keeper: Served) -> None:
    body = {"model": GPT, "prompt": "a kite", "quality": "low"}
    answer = post(keeper.port, GENERATIONS, json.dumps(body).encode())
    assert base64.b64decode(answer.json["data"][0]["b64_json"]).startswith(b"\x89PNG")
