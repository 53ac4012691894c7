"""The Recraft twin over a real socket: pictures and SVG in three ways, edits, tools, styles, units, refusals."""

from __future__ import annotations

import base64
import json
from datetime import date
from email import policy
from email.parser import BytesParser
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from easel.simulator import recraft, server

from .calling import NONE, SVG, Reply, box_mask, call, changed_box, data_url, gradient, post_form, post_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = {"authorization": "Bearer sim-1"}
SOURCE = gradient(300, 256)


@pytest.fixture(scope="module")
def simulator() -> Iterator[server.Simulator]:
    with server.running(today=date(2026, 11, 23)) as running:
        yield running


def order(simulator: server.Simulator, endpoint: str, headers: Mapping[str, str] = NONE, /, **fields: object) -> Reply:
    return post_json(f"{simulator.base_url}/recraft/v1/images/{endpoint}", fields, KEY | dict(headers))


def form(simulator: server.Simulator, path: str, headers: Mapping[str, str] = NONE, /, **fields: object) -> Reply:
    return post_form(f"{simulator.base_url}/recraft/v1/{path}", fields, KEY | dict(headers))


def fetch(entry: Mapping[str, Any]) -> Image.Image:
    return call(entry["url"]).picture()


def paths(reply: Reply) -> int:
    return len(reply.svg().findall(f"{SVG}path"))


def test_pictures_come_by_link_with_their_units(simulator: server.Simulator) -> None:
    reply = order(simulator, "generations", prompt="a fox", n=2, image_format="png")
    answer = reply.json()

    assert reply.headers["x-recraft-requestid"]
    assert set(answer) == {"created", "credits", "data"}
    assert answer["credits"] == 70
    assert [set(entry) for entry in answer["data"]] == [{"image_id", "url"}] * 2
    first, second = (fetch(entry) for entry in answer["data"])
    assert (first.format, first.size) == ("PNG", (1024, 1024))
    assert first.tobytes() != second.tobytes()
    assert call(answer["data"][0]["url"], headers={"x-simulate-date": "2026-11-25"}).status == 404


def test_pictures_come_as_base64(simulator: server.Simulator) -> None:
    entry = order(simulator, "generations", prompt="a fox", response_format="b64_json").json()["data"][0]
    picture = Image.open(BytesIO(base64.b64decode(entry["b64_json"])))

    assert (picture.format, picture.size) == ("WEBP", (1024, 1024))


def test_pictures_come_as_parts_of_a_form(simulator: server.Simulator) -> None:
    reply = order(
        simulator, "generations", prompt="a fox", model="recraftv4_1_flash_v2", n=2, response_format="multipart"
    )
    head = f"content-type: {reply.headers['content-type']}\r\n\r\n".encode()
    told, *pictures = BytesParser(policy=policy.HTTP).parsebytes(head + reply.content).iter_parts()

    assert reply.headers["content-type"].startswith("multipart/form-data; boundary=")
    answer = json.loads(told.get_content())
    assert told["content-disposition"].params["name"] == "response"
    assert answer["credits"] == 14
    assert [part["content-id"] for part in pictures] == [entry["image_id"] for entry in answer["data"]]
    assert [part.get_content_type() for part in pictures] == ["image/webp"] * 2
    assert Image.open(BytesIO(pictures[0].get_content())).size == (1024, 1024)


@pytest.mark.parametrize(
    ("model", "size", "pixels"),
    [
        ("recraftv4_1", "16:9", (1344, 768)),
        ("recraftv4_1_pro", "16:9", (2688, 1536)),
        ("recraftv4_1_raster", "1536x768", (1536, 768)),
        ("recraftv4_pro", "2048x2048", (2048, 2048)),
        ("recraftv3", "6:10", (1024, 1707)),
        ("recraftv3", "1365x1024", (1365, 1024)),
    ],
)
def test_sizes_are_of_the_model(simulator: server.Simulator, model: str, size: str, pixels: tuple[int, int]) -> None:
    assert fetch(order(simulator, "generations", prompt="a", model=model, size=size).json()["data"][0]).size == pixels


def test_vector_models_give_svg_with_paths(simulator: server.Simulator) -> None:
    entry = order(simulator, "generations/vector", prompt="a logo", size="2:1").json()["data"][0]
    reply = call(entry["url"])

    assert reply.headers["content-type"] == "image/svg+xml"
    assert paths(reply) > 3
    assert reply.svg().get("width") == "1536"


@pytest.mark.parametrize("model", sorted(recraft.MODELS))
def test_every_model_is_charged_as_listed(simulator: server.Simulator, model: str) -> None:
    fields: dict[str, object] = {"prompt": "a", "model": model, "response_format": "multipart"}
    if recraft.MODELS[model].needs_style:
        fields["style_id"] = form(simulator, "styles", files=[SOURCE]).json()["id"]
    reply = order(simulator, "generations", {"x-simulate-fault": "not_a_picture"}, **fields)

    assert reply.status == 200, reply.content
    assert f'"credits": {recraft.MODELS[model].units}'.encode() in reply.content


def test_a_seed_repeats_the_picture(simulator: server.Simulator) -> None:
    first, second = (
        order(simulator, "generations", prompt="a", random_seed=4, response_format="b64_json").json()["data"]
        for _ in range(2)
    )

    assert first[0]["b64_json"] == second[0]["b64_json"]


@pytest.mark.parametrize("as_form", [False, True])
def test_inpainting_changes_exactly_what_is_white(simulator: server.Simulator, as_form: bool) -> None:
    mask = box_mask(SOURCE.size, (80, 60, 120, 100), inside=255)
    if as_form:
        reply = form(simulator, "images/inpaint", image=SOURCE, mask=mask, prompt="a boat", image_format="png")
    else:
        urls = {"image_url": data_url(SOURCE), "mask_url": data_url(mask)}
        reply = order(simulator, "inpaint", prompt="a boat", image_format="png", **urls)

    assert reply.json()["credits"] == 40
    assert changed_box(SOURCE, fetch(reply.json()["data"][0])) == (80, 60, 120, 100)


def test_erasing_is_a_tool_with_a_mask(simulator: server.Simulator) -> None:
    mask = box_mask(SOURCE.size, (80, 60, 120, 100), inside=255)
    answer = form(simulator, "images/eraseRegion", image=SOURCE, mask=mask, image_format="png").json()

    assert (set(answer), answer["credits"]) == ({"created", "credits", "image"}, 2)
    assert changed_box(SOURCE, fetch(answer["image"])) == (80, 60, 120, 100)


@pytest.mark.parametrize(
    ("endpoint", "fields", "units", "size"),
    [
        ("imageToImage", {"prompt": "a", "strength": 0.3}, 35, (300, 256)),
        ("imageToImage", {"prompt": "a", "strength": 0, "model": "recraftv4_1_vector"}, 80, (300, 256)),
        ("replaceBackground", {"prompt": "a beach"}, 40, (300, 256)),
        ("generateBackground", {"prompt": "a beach", "mask_url": data_url(Image.new("L", (300, 256)))}, 40, (300, 256)),
        ("outpaint", {"prompt": "a", "expand_left": 10, "expand_bottom": 20}, 40, (310, 276)),
        ("outpaint", {"prompt": "a", "size": "2:1", "model": "recraftv3_vector"}, 80, (2048, 1024)),
        ("variateImage", {"size": "1024x1024", "n": 2}, 80, (1024, 1024)),
    ],
)
def test_other_edits(
    simulator: server.Simulator, endpoint: str, fields: dict[str, object], units: int, size: tuple[int, int]
) -> None:
    answer = order(simulator, endpoint, image_url=data_url(SOURCE), **fields).json()

    assert answer["credits"] == units, answer
    reply = call(answer["data"][0]["url"])
    if "vector" in str(fields.get("model")):
        assert reply.svg().get("height") == str(size[1])
    else:
        assert reply.picture().size == size


def test_outpainting_leaves_the_source_where_it_is(simulator: server.Simulator) -> None:
    answer = order(
        simulator, "outpaint", image_url=data_url(SOURCE), prompt="a", expand_left=10, expand_top=20, image_format="png"
    ).json()

    assert changed_box(SOURCE, fetch(answer["data"][0]).crop((10, 20, 310, 276))) is None


def test_tools(simulator: server.Simulator) -> None:
    cut = form(simulator, "images/removeBackground", file=SOURCE).json()
    traced = form(simulator, "images/vectorize", file=SOURCE).json()
    crisp = order(simulator, "crispUpscale", image_url=data_url(SOURCE), image_format="png").json()
    creative = form(simulator, "images/creativeUpscale", file=SOURCE).json()

    assert [tool["credits"] for tool in (cut, traced, crisp, creative)] == [10, 10, 4, 250]
    assert fetch(cut["image"]).has_transparency_data
    assert (fetch(crisp["image"]).format, fetch(crisp["image"]).size) == ("PNG", (600, 512))
    svg = call(traced["image"]["url"])
    assert paths(svg) > 3
    bare = call(form(simulator, "images/removeBackground", file=svg.content).json()["image"]["url"])
    assert bare.headers["content-type"] == "image/svg+xml"
    assert (b"<rect" in svg.content, b"<rect" in bare.content) == (True, False)
    assert paths(bare) == paths(svg)


def test_images_come_from_earlier_answers(simulator: server.Simulator) -> None:
    first = order(simulator, "generations", prompt="a fox").json()["data"][0]

    assert order(simulator, "removeBackground", image_url=first["url"]).status == 200
    assert order(simulator, "removeBackground", image_url="https://example.com/a.png").status == 400


def test_styles_are_made_and_used(simulator: server.Simulator) -> None:
    style = form(simulator, "styles", file1=SOURCE, file2=SOURCE).json()
    used = order(simulator, "generations", prompt="a", model="recraftv4_styles", style_id=style["id"]).json()
    made = order(simulator, "generations", prompt="a", style_reference_urls=[data_url(SOURCE)]).json()
    uploaded = form(simulator, "images/generations", prompt="a", style_references=[SOURCE, SOURCE]).json()

    assert style["credits"] == 5
    assert (used["credits"], "style_id" in used) == (35, False)
    assert made["credits"] == uploaded["credits"] == 40
    again = order(simulator, "generations", prompt="a", model="recraftv3", style_id=made["style_id"])
    assert again.status == 200


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        ("generations", {}),
        ("generations", {"prompt": "a" * 10_001}),
        ("generations", {"prompt": "a" * 1_001, "model": "recraftv3"}),
        ("generations", {"prompt": "a", "model": "recraftv9"}),
        ("generations", {"prompt": "a", "model": "recraftv4_vector_raster"}),
        ("generations", {"prompt": "a", "n": 7}),
        ("generations", {"prompt": "a", "size": "1000x1000"}),
        ("generations", {"prompt": "a", "size": "1:3"}),
        ("generations", {"prompt": "a", "size": "1024x1024", "model": "recraftv4_pro"}),
        ("generations", {"prompt": "a", "response_format": "jpeg"}),
        ("generations", {"prompt": "a", "image_format": "jpeg"}),
        ("generations", {"prompt": "a", "random_seed": -1}),
        ("generations", {"prompt": "a", "negative_prompt": "b"}),
        ("generations", {"prompt": "a", "model": "recraftv4_1_flash", "style": "realistic_image"}),
        ("generations", {"prompt": "a", "model": "recraftv4_1_flash_v2", "style_id": "x"}),
        ("generations", {"prompt": "a", "model": "recraftv3", "style": "icon", "style_id": "x"}),
        ("generations", {"prompt": "a", "model": "recraftv3", "style_id": "nobody's"}),
        ("generations", {"prompt": "a", "model": "recraftv4_styles"}),
        ("generations", {"prompt": "a", "text_layout": [{"text": "A", "bbox": [[0, 0]] * 4}]}),
        ("generations", {"prompt": "a", "model": "recraftv3", "text_layout": [{"text": "A B", "bbox": [[0, 0]] * 4}]}),
        ("generations", {"prompt": "a", "controls": {"colors": [{"rgb": [0, 0, 256]}]}}),
        ("generations", {"prompt": "a", "controls": {"artistic_level": 1}}),
        ("generations/raster", {"prompt": "a", "model": "recraftv4_vector"}),
        ("generations/vector", {"prompt": "a", "model": "recraftv4"}),
        ("imageToImage", {"prompt": "a", "image_url": data_url(SOURCE)}),
        ("imageToImage", {"prompt": "a", "image_url": data_url(SOURCE), "strength": 1.1}),
        ("imageToImage", {"prompt": "a", "image_url": data_url(SOURCE), "strength": 1, "model": "recraftv2"}),
        ("imageToImage", {"prompt": "a", "image_url": data_url(SOURCE), "strength": 1, "model": "recraftv4_1_flash"}),
        ("imageToImage", {"prompt": "a", "strength": 1}),
        ("inpaint", {"prompt": "a", "image_url": data_url(SOURCE)}),
        ("inpaint", {"prompt": "a", "image_url": data_url(SOURCE), "mask_url": data_url(gradient(256, 256))}),
        ("inpaint", {"prompt": "a", "image_url": data_url(SOURCE), "model": "recraftv4_1"}),
        ("outpaint", {"prompt": "a", "image_url": data_url(SOURCE)}),
        ("outpaint", {"prompt": "a", "image_url": data_url(SOURCE), "size": "1:1", "expand_left": 1}),
        ("outpaint", {"prompt": "a", "image_url": data_url(SOURCE), "expand_left": 4097}),
        ("outpaint", {"prompt": "a", "image_url": data_url(SOURCE), "size": "1:1", "zoom_out_percentage": 100}),
        ("vectorize", {"image_url": data_url(gradient(255, 300))}),
        ("vectorize", {"image_url": "data:image/png;base64,***"}),
        ("vectorize", {"image_url": "data:image/png;base64,AAAA"}),
    ],
)
def test_bad_requests(simulator: server.Simulator, endpoint: str, fields: dict[str, object]) -> None:
    reply = order(simulator, endpoint, **fields)

    assert (reply.status, reply.json()["code"]) == (400, "invalid_request")
    assert reply.json()["message"]


def test_a_model_is_unknown_before_it_is_launched(simulator: server.Simulator) -> None:
    flash = {"prompt": "a", "model": "recraftv4_1_flash_v2"}

    assert order(simulator, "generations", {"x-simulate-date": "2026-10-31"}, **flash).status == 400
    assert order(simulator, "generations", {"x-simulate-date": "2026-11-01"}, **flash).status == 200


def test_a_layout_letters_its_words(simulator: server.Simulator) -> None:
    layout = [{"text": "OPEN", "bbox": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.3], [0.1, 0.3]]}]
    same = {"prompt": "a sign", "model": "recraftv3", "random_seed": 1, "response_format": "b64_json"}
    with_words = order(simulator, "generations", text_layout=layout, **same).json()["data"][0]
    without = order(simulator, "generations", **same).json()["data"][0]

    assert with_words["b64_json"] != without["b64_json"]


def test_two_errors_are_plain_text(simulator: server.Simulator) -> None:
    wrong = order(simulator, "generations", {"authorization": "Bearer wrong"}, prompt="a")
    nowhere = order(simulator, "paint", prompt="a")

    assert (wrong.status, wrong.content) == (401, b"request unauthorized")
    assert (nowhere.status, nowhere.content) == (404, b"404 page not found")
    for reply in (wrong, nowhere):
        assert reply.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("prompt", "fault", "status"),
    [
        ("a forbidden-prompt", None, 400),
        ("a forbidden-output", None, 400),
        ("a", "moderation_prompt", 400),
        ("a", "moderation_output", 400),
        ("a", "quota", 402),
        ("a", "rate_limit", 429),
        ("a", "bad_key", 401),
        ("a", "server_error", 500),
        ("a", "unavailable", 503),
    ],
)
def test_refusals_and_failures(simulator: server.Simulator, prompt: str, fault: str | None, status: int) -> None:
    reply = order(simulator, "generations", {"x-simulate-fault": fault} if fault else {}, prompt=prompt)

    assert reply.status == status
    if status == 400:
        assert reply.json()["code"] == "content_moderation"


def test_units_are_taken_from_the_balance(simulator: server.Simulator) -> None:
    key = {"authorization": "Bearer sim-units"}
    order(simulator, "generations", key | {"x-simulate-fault": "duplicate_bill"}, prompt="a")
    enhanced = post_json(f"{simulator.base_url}/recraft/v1/prompts/enhance", {"prompt": "a fox"}, KEY | key).json()
    order(simulator, "generations", key, prompt="a forbidden-prompt")
    user = call(f"{simulator.base_url}/recraft/v1/users/me", headers=key).json()

    assert enhanced["enhanced_prompt"].startswith("a fox")
    assert user["credits"] == 100_000 - 2 * 35 - 10
    broke = order(simulator, "generations", {"authorization": "Bearer sim-no-credits"}, prompt="a")
    assert broke.status == 402
